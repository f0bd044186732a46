import numpy as np
import pytest
import toys.strict  # noqa: F401 — the backend of that name

from albert_np.backend import get_backend
from albert_np.execution import dense_pattern, packed_pattern
from albert_np.gradcheck import DROPOUT, randomize, small_batch, small_config, squad2_case
from albert_np.model import (
    AlbertForMaskedLM,
    AlbertForMultipleChoice,
    AlbertForPreTraining,
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    AlbertModel,
)

MASK = np.array([[1, 1, 1, 0], [1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 0]])


def small_model(cls, **changes):
    return randomize(cls(small_config(**changes), dtype="float64")).eval()


def test_packing_holds_each_real_token_once_the_shortest_sequences_first():
    pattern = packed_pattern(MASK, get_backend("numpy"))
    assert pattern.tokens.tolist() == [8, 0, 1, 2, 12, 13, 14, 4, 5, 6, 7]
    assert [tuple(run) for run in pattern.runs] == [(0, 1, 1), (1, 2, 3), (7, 1, 4)]
    x = np.random.default_rng(0).standard_normal((4, 4, 2))
    np.testing.assert_array_equal(pattern.unpack(pattern.pack(x)), x * MASK[:, :, None])
    assert packed_pattern(np.ones((2, 3)), get_backend("numpy")) == dense_pattern(2, 3)


def test_arrays_of_the_host_and_of_a_device_are_packed_alike():
    pattern, plain = (packed_pattern(MASK, get_backend(name)) for name in ("strict", "numpy"))
    read = np.arange(16).reshape(4, 4) % 3 == 0
    for x in (read, get_backend("strict").from_numpy(read)):
        rows = pattern.pack(x)
        assert type(rows) is type(x)
        for got, expected in ((rows, plain.pack(read)), (pattern.unpack(rows), plain.unpack(plain.pack(read)))):
            np.testing.assert_array_equal(getattr(got, "inner", got), expected)
        wanted = pattern.wanting(x, get_backend("strict")).wanted
        np.testing.assert_array_equal(wanted.inner, plain.wanting(read, get_backend("numpy")).wanted)


CASES = {
    "model": (AlbertModel, {}, lambda rng, B, T: {}),
    "pretraining": (AlbertForPreTraining, {}, None),
    "masked": (AlbertForMaskedLM, {}, lambda rng, B, T: {"labels": rng.integers(0, 23, (B, T))}),
    "sequence": (
        AlbertForSequenceClassification,
        {"num_labels": 3},
        lambda rng, B, T: {"labels": rng.integers(0, 3, B)},
    ),
    "tokens": (AlbertForTokenClassification, {}, lambda rng, B, T: {"labels": rng.integers(0, 2, (B, T))}),
}


@pytest.mark.parametrize(
    "name, left", [*((name, False) for name in CASES), ("masked", True), ("tokens", True)]
)  # real tokens need not stand first, where [CLS] is not asked for
def test_skipping_padding_changes_no_real_position_and_no_gradient(name, left):
    cls, changes, labels = CASES[name]
    model = small_model(cls, num_hidden_groups=2, inner_group_num=2, **changes)
    batch = small_batch(model.config, batch=5, positions=9)
    if left:
        batch = {key: value[:, ::-1] if value.ndim == 2 else value for key, value in batch.items()}
    mask = batch["attention_mask"].astype(bool)
    rng = np.random.default_rng(3)
    if labels is not None:
        batch = {key: batch[key] for key in ("input_ids", "attention_mask", "token_type_ids")} | labels(
            rng, *mask.shape
        )
    if "labels" in batch and batch["labels"].ndim == 2:
        batch["labels"] = np.where(mask, batch["labels"], -100)
    upstream = (
        {"last_hidden_state": rng.standard_normal((*mask.shape, 12)) * mask[..., None]} if name == "model" else {}
    )
    results = []
    for skip in (False, True):
        out = model(**batch, skip_padding=skip, output_hidden_states=True, output_attentions=True)
        model.zero_grad()
        dembedded = model.backward(**upstream)
        results.append((out, dembedded, model.grads.flat.copy()))
    (padded, dpadded, expected), (skipped, dskipped, got) = results
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(dskipped[mask], dpadded[mask], rtol=1e-8, atol=1e-10)
    assert not skipped.last_hidden_state[~mask].any()
    if name != "model":
        assert skipped.loss == pytest.approx(padded.loss, rel=1e-12)
    for one, other in zip(padded.hidden_states[:-1], skipped.hidden_states, strict=False):
        np.testing.assert_allclose(other[mask], one[mask], rtol=1e-9, atol=1e-11)
    read = mask
    if name in ("pretraining", "masked"):  # the last step computes what the losses read
        read = batch["labels"] != -100
        read[:, 0] |= mask[:, 0]
    np.testing.assert_allclose(skipped.last_hidden_state[read], padded.last_hidden_state[read], rtol=1e-9, atol=1e-11)
    for one, other in zip(padded.attentions, skipped.attentions, strict=True):
        real = mask[:, None, :, None] & mask[:, None, None, :]
        np.testing.assert_allclose(other, np.where(real, one, 0), rtol=1e-9, atol=1e-12)


def test_answers_are_not_looked_for_in_skipped_padding():
    model = small_model(AlbertForQuestionAnswering)
    batch = small_batch(model.config, batch=4, positions=8)
    ids, mask = batch["input_ids"], batch["attention_mask"].astype(bool)
    start, end = np.zeros(4, int), mask.sum(axis=1) - 1
    together = model(ids, mask, start_positions=start, end_positions=end, skip_padding=True)
    model.backward()
    got = model.grads.flat.copy()
    model.zero_grad()
    loss = 0.0
    for b in range(4):
        counts = {"denominator": 4}
        one = model(ids[b : b + 1, mask[b]], start_positions=start[b : b + 1], end_positions=end[b : b + 1], **counts)
        model.backward()
        loss += one.loss
        np.testing.assert_allclose(together.end_logits[b, mask[b]], one.end_logits[0], rtol=1e-9, atol=1e-11)
    assert together.loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(got, model.grads.flat, rtol=1e-8, atol=1e-10)
    assert (together.start_logits[~mask] < -1e300).all()


def test_answers_that_may_not_exist_are_the_same_without_padding():
    _, model, inputs = squad2_case("float64")
    batch = {key: value for key, value in inputs.items() if key != "p_mask"}
    mask = (
        np.arange(batch["input_ids"].shape[1])
        < np.maximum(batch["end_positions"], batch["start_positions"])[:, None] + 2
    )
    results = []
    for skip in (False, True):
        out = model.eval()(**{**batch, "attention_mask": mask.astype(int)}, skip_padding=skip)
        model.zero_grad()
        model.backward()
        results.append((float(out.loss), model.grads.flat.copy()))
    assert not mask.all()
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-12)
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=1e-8, atol=1e-10)


def test_choices_skip_padding_too():
    model = small_model(AlbertForMultipleChoice)
    ids = np.random.default_rng(0).integers(1, 23, (2, 3, 6))
    mask = np.arange(6) < np.array([[2, 6, 3], [4, 4, 1]])[:, :, None]
    padded, skipped = (model(ids, mask, labels=[0, 2], skip_padding=skip) for skip in (False, True))
    np.testing.assert_allclose(skipped.logits, padded.logits, rtol=1e-10)


def test_masks_that_do_not_say_what_is_real_are_refused():
    model = small_model(AlbertModel)
    ids = np.ones((4, 4), int)
    for mask, message in (
        (MASK * 0.5, "1 \\(real\\) and 0 \\(padding\\) alone"),
        (MASK * 0, "no real token"),
        (MASK[:, None, None], r"must have shape \(4, 4\), got \(4, 1, 1, 4\)"),
    ):
        with pytest.raises(ValueError, match=message):
            model(ids, mask, skip_padding=True)


@pytest.mark.parametrize("skip", [False, True])
def test_recomputing_gives_the_same_gradients_to_the_bit(skip):
    config = small_config(num_hidden_layers=4, num_hidden_groups=2, inner_group_num=2, **DROPOUT)
    batch = small_batch(config, batch=5, positions=9)
    results = []
    for recompute in ("none", "layer"):
        model = randomize(AlbertForPreTraining(config, seed=3)).train()
        model.recompute = recompute
        out = model(**batch, skip_padding=skip, output_hidden_states=True)
        model.backward()
        results.append((float(out.loss), model.grads.flat, out.hidden_states))
    (loss, grads, states), (other_loss, other_grads, other_states) = results
    assert loss == other_loss
    np.testing.assert_array_equal(grads, other_grads)
    for one, other in zip(states, other_states, strict=True):
        np.testing.assert_array_equal(one, other)


def test_recomputing_keeps_the_input_of_each_step_alone():
    model = small_model(AlbertForPreTraining)
    model.recompute = "layer"
    batch = small_batch(model.config)
    model(**batch)
    encoder = model.cache.albert.encoder
    assert (len(encoder.calls), encoder.steps) == (model.config.num_hidden_layers, [])
    assert model(**batch, output_attentions=True).attentions[0].shape == (3, 3, 7, 7)
    with pytest.raises(ValueError, match="recompute='all': allowed are none, layer"):
        model.recompute = "all"


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("recompute", ["none", "layer"])
@pytest.mark.parametrize("cls", [AlbertForPreTraining, AlbertForMaskedLM])
def test_skipping_what_has_no_label_changes_no_loss_and_no_gradient(cls, recompute, ragged):
    model = small_model(cls, num_hidden_groups=2, inner_group_num=2)
    model.recompute = recompute
    batch = small_batch(model.config, batch=5, positions=9)
    if cls is AlbertForMaskedLM:
        del batch["sentence_order_label"]
    batch["labels"] = np.where(np.arange(9) % 4 == 2, batch["labels"], -100)
    if not ragged:
        batch["attention_mask"] = np.ones_like(batch["attention_mask"])
    real = batch["attention_mask"] == 1
    batch["labels"][~real] = -100
    read = batch["labels"] != -100
    read[:, 0] = True
    found = {}
    for skip in (False, True):
        out = model(**batch, skip_padding=skip)
        model.zero_grad()
        embeds = model.backward()
        found[skip] = out.loss, out.last_hidden_state, model.grads.flat.copy(), embeds
    assert not found[True][1][~read].any()
    np.testing.assert_allclose(found[True][1][read], found[False][1][read], rtol=1e-12, atol=1e-14)
    for got, expected in zip(found[True][::2], found[False][::2], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(found[True][3][real], found[False][3][real], rtol=1e-10, atol=1e-13)
    assert len(model.cache.albert.encoder.calls[-1].pattern.wanted) == (read & real).sum()


def test_without_a_label_only_the_first_positions_are_computed():
    model = small_model(AlbertForPreTraining)
    batch = small_batch(model.config, batch=5, positions=9)
    batch["labels"] = np.full((5, 9), -100)
    out = model(**batch, skip_padding=True)
    model.backward()
    assert out.mlm_loss == 0
    assert out.last_hidden_state[:, 0].all()
    assert not out.last_hidden_state[:, 1:].any()
    del batch["labels"]
    real = batch["attention_mask"] == 1
    assert model(**batch, skip_padding=True).last_hidden_state[real].all()


def test_nothing_is_asked_in_padding_that_is_left_out():
    ids, mask = np.ones((2, 4), int), np.array([[1, 1, 1, 0], [1, 1, 1, 1]])
    labels = np.where(np.arange(4) == 3, 1, -100)[None].repeat(2, 0)
    with pytest.raises(ValueError, match=r"labels asks for something at \(0, 3\), in padding"):
        small_model(AlbertForMaskedLM)(ids, mask, labels=labels, skip_padding=True)
    with pytest.raises(ValueError, match=r"labels asks for something at \(0, 3\), in padding"):
        small_model(AlbertForTokenClassification)(ids, mask, labels=labels, skip_padding=True)
    model, positions = small_model(AlbertForQuestionAnswering), np.array([1, 3])
    assert np.isfinite(model(ids, mask, start_positions=positions, end_positions=positions, skip_padding=True).loss)
    with pytest.raises(ValueError, match=r"end_positions asks for something at \(0, 3\), in padding"):
        model(ids, mask, start_positions=positions, end_positions=[3, 3], skip_padding=True)
