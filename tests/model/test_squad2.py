from pathlib import Path

import numpy as np
import pytest
from reference import squad2_case as reference_case
from toys import strict

from albert_np.config import AlbertConfig
from albert_np.gradcheck import DROPOUT, check_model, compare_results, randomize, small_batch, small_config, squad2_case
from albert_np.heads import end_logits_forward
from albert_np.model import AlbertForPreTraining, AlbertForQuestionAnsweringV2
from albert_np.ops import softmax_forward

REFERENCE = Path(__file__).parents[1] / "reference"

LABELS = ("start_positions", "end_positions", "is_impossible")
IDS = np.array([[2, 5, 3, 7, 9, 3], [2, 9, 3, 8, 3, 0]])


def small_model(**changes):
    return randomize(AlbertForQuestionAnsweringV2(small_config(**changes), dtype="float64")).eval()


def without_labels(inputs):
    return {name: value for name, value in inputs.items() if name not in LABELS}


def results(model, inputs, beam):
    """What `torch_squad2_results` returns, by this package."""
    model.eval().zero_grad()
    out = model(**inputs)
    model.backward()
    model.start_n_top = model.end_n_top = beam
    predicted = model(**without_labels(inputs))
    names = ("start_top_log_probs", "start_top_index", "end_top_log_probs", "end_top_index")
    return {
        "loss": out.loss,
        "cls_logits": out.cls_logits,
        "start_probs": softmax_forward(out.start_logits)[0],
        "end_probs": softmax_forward(out.end_logits)[0],
        **{name: getattr(predicted, name) for name in names},
        **{f"d {name}": gradient for name, gradient in model.grads.items()},
    }


def assert_all_ok(rows):
    assert all(row.ok for row in rows), "\n".join(str(row) for row in rows if not row.ok)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 2e-4)])
def test_outputs_and_gradients_equal_pytorchs(dtype, tolerance):
    with np.load(REFERENCE / "squad2_reference.npz") as arrays:
        expected = dict(arrays)
    got = results(*reference_case.make(dtype), reference_case.BEAM)
    assert set(got) == set(expected)
    assert_all_ok(compare_results(got, expected, tolerance))


@pytest.mark.parametrize("changes", [{"num_hidden_layers": 4, "num_hidden_groups": 2}, {"sharing": "attention"}])
@pytest.mark.parametrize("act", ["gelu", "gelu_new"])
def test_outputs_and_gradients_equal_live_pytorchs(act, changes, torch, transformers):
    from reference.make_squad2_reference import torch_squad2_results

    _, model, inputs = squad2_case(hidden_act=act, **changes)
    assert_all_ok(compare_results(results(model, inputs, 2), torch_squad2_results(model, inputs, 2), 1e-10))
    all_allowed = {**inputs, "p_mask": np.zeros_like(inputs["p_mask"])}
    assert_all_ok(compare_results(results(model, all_allowed, 5), torch_squad2_results(model, all_allowed, 5), 1e-10))


@pytest.mark.parametrize("changes", [{"num_hidden_layers": 4, "num_hidden_groups": 2}, {"inner_group_num": 2}, DROPOUT])
def test_loss_and_upstream_gradients_match_finite_differences(changes):
    _, model, inputs = squad2_case(pad_token_id=None, **changes)
    assert_all_ok(check_model(model, inputs))
    inputs["p_mask"] = np.zeros_like(inputs["p_mask"])  # beside logits of -1e30 no difference would show
    assert_all_ok(check_model(model, inputs, ("start_logits", "end_logits", "cls_logits", "loss")))


def test_prediction_passes_gradients_of_the_start_and_of_the_answerability():
    _, model, inputs = squad2_case(pad_token_id=None)
    inputs["p_mask"] = np.zeros_like(inputs["p_mask"])
    assert_all_ok(check_model(model, without_labels(inputs), ("start_logits", "cls_logits")))
    model(**without_labels(inputs))
    before = model.grads.flat.copy()
    for given in ({}, {"end_logits": np.ones((3, 7)), "cls_logits": np.ones(3)}):
        with pytest.raises(ValueError, match=r"backward from \w+: the last forward pass did not"):
            model.backward(**given)
    assert (model.grads.flat == before).all()


def test_forbidden_positions_get_no_probability_and_pass_no_gradient():
    _, model, inputs = squad2_case()
    forbidden = inputs["p_mask"] == 1
    out = model.eval()(**inputs)
    for logits in (out.start_logits, out.end_logits):
        assert (logits[forbidden] == -1e30).all()
        assert (abs(logits[~forbidden]) < 100).all()
    upstream = np.where(forbidden, 1.0, 0.0)
    model.zero_grad()
    model.backward(start_logits=upstream, end_logits=upstream)
    assert not model.grads.flat.any()


def test_without_p_mask_the_padding_is_forbidden():
    model = small_model()
    mask = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]])
    given = model(IDS, mask, p_mask=1 - mask)
    derived = model(IDS, mask.tolist())
    assert (given.start_logits == derived.start_logits).all()
    assert (given.end_top_index == derived.end_top_index).all()
    assert (model(IDS).start_logits > -100).all()
    assert (model(IDS, mask[:, None, None, :]).start_logits > -100).all()


def test_a_window_says_the_same_alone_and_among_others():
    _, model, inputs = squad2_case()
    together = model.eval()(**without_labels(inputs))
    real = inputs["attention_mask"][2].sum()
    alone = model(**{name: value[2:, :real] for name, value in without_labels(inputs).items()})
    np.testing.assert_allclose(alone.cls_logits[0], together.cls_logits[2], rtol=1e-12)
    np.testing.assert_allclose(alone.start_top_log_probs[0, :2], together.start_top_log_probs[2, :2], rtol=1e-10)


def test_the_end_depends_on_the_start():
    model = small_model()
    first, second = (model(IDS, start_positions=[s, s]).end_logits for s in (1, 3))
    assert np.abs(first - second).max() > 1e-3


def test_the_beam_finds_the_likeliest_pairs_in_order():
    model = small_model()
    out = model(IDS)
    assert out.start_top_index.shape == (2, 5)
    assert out.end_top_index.shape == out.end_top_log_probs.shape == (2, 25)
    assert out.loss is out.end_logits is None
    for row in range(2):
        log_probs = np.log(softmax_forward(out.start_logits[row])[0])
        best = np.argsort(-log_probs)[:5]
        assert out.start_top_index[row].tolist() == best.tolist()
        np.testing.assert_allclose(out.start_top_log_probs[row], log_probs[best], rtol=1e-12)
        for k, start in enumerate(best):
            given = model(IDS, start_positions=[start, start]).end_logits[row]
            end_log_probs = np.log(softmax_forward(given)[0])
            ends = np.argsort(-end_log_probs)[:5]
            assert out.end_top_index[row, 5 * k : 5 * k + 5].tolist() == ends.tolist()
            np.testing.assert_allclose(out.end_top_log_probs[row, 5 * k : 5 * k + 5], end_log_probs[ends], rtol=1e-10)


def test_the_beam_is_never_wider_than_the_window_and_finite_where_nothing_is_allowed():
    out = small_model()(IDS[:, :3], p_mask=np.ones((2, 3)))
    assert out.start_top_index.tolist() == [[0, 1, 2]] * 2
    assert out.end_top_index.shape == (2, 9)
    assert np.isfinite(out.end_top_log_probs).all()
    assert np.isfinite(out.cls_logits).all()


def test_the_end_of_two_halves_is_the_end_of_the_joined_pair():
    model = small_model()
    p, config, rng = model.params.scope("end_logits."), model.config, np.random.default_rng(0)
    x, starts = rng.standard_normal((2, 4, config.hidden_size)), np.array([[1, 3, 1], [0, 0, 2]])
    got, _ = end_logits_forward(x, starts, np.ones((2, 4), dtype=bool), p, config)
    for b, k, t in np.ndindex(2, 3, 4):
        hidden = np.tanh(p["dense_0.weight"] @ np.concatenate([x[b, t], x[b, starts[b, k]]]) + p["dense_0.bias"])
        normed = (hidden - hidden.mean()) / hidden.std() * p["LayerNorm.weight"] + p["LayerNorm.bias"]
        assert got[b, k, t] == pytest.approx((p["dense_1.weight"] @ normed + p["dense_1.bias"])[0], rel=1e-9)


def test_parts_of_a_batch_add_up_with_its_denominator():
    _, model, inputs = squad2_case()
    whole = model.eval()(**inputs).loss
    model.zero_grad()
    model.backward()
    gradient = model.grads.flat.copy()
    model.zero_grad()
    total = 0.0
    for part in (slice(0, 1), slice(1, 3)):
        total += model(**{name: value[part] for name, value in inputs.items()}, denominator=3).loss
        model.backward()
    assert total == pytest.approx(whole, rel=1e-12)
    np.testing.assert_allclose(model.grads.flat, gradient, rtol=1e-9, atol=1e-12)


def test_only_training_drops_and_only_before_the_last_layer_of_the_answerability():
    _, model, inputs = squad2_case(classifier_dropout_prob=0.5)
    first, second = (model.train()(**inputs) for _ in range(2))
    assert (first.start_logits == second.start_logits).all()
    assert (first.end_logits == second.end_logits).all()
    assert (first.cls_logits != second.cls_logits).any()
    first, second = (model.eval()(**inputs) for _ in range(2))
    assert first.loss == second.loss
    assert (first.cls_logits == second.cls_logits).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_head_runs_on_its_own_arrays_alone(dtype):
    _, reference, inputs = squad2_case(dtype)
    model = type(reference)(reference.config, dtype=dtype, backend="strict")
    model.params.flat[...] = model.backend.from_numpy(reference.params.flat)
    tolerance = {"rtol": 1e-10, "atol": 1e-12} if dtype == "float64" else {"rtol": 1e-3, "atol": 1e-4}
    for given in (inputs, without_labels(inputs)):
        on_device = {name: model.backend.from_numpy(value) for name, value in given.items()}
        out, expected = model.eval()(**on_device), reference.eval()(**given)
        for name, value in vars(expected).items():
            if value is not None:
                got = getattr(out, name)
                assert isinstance(got, strict.StrictArray), name
                assert np.dtype(got.dtype) == value.dtype, name
                np.testing.assert_allclose(model.backend.to_numpy(got), value, **tolerance)
    for m in (model, reference):
        m(**inputs)
        m.zero_grad()
        m.backward()
    np.testing.assert_allclose(model.backend.to_numpy(model.grads.flat), reference.grads.flat, **tolerance)
    model.train()(**inputs)
    model.backward()


def test_backward_adds_and_scales_with_the_upstream_gradient():
    _, model, inputs = squad2_case()
    model.eval()(**inputs)
    model.backward()
    once = model.grads.flat.copy()
    model.backward(2.0)
    np.testing.assert_allclose(model.grads.flat, 3 * once, rtol=1e-12, atol=1e-14)


def test_the_head_is_the_originals_size_and_has_no_pooler():
    shapes = AlbertForQuestionAnsweringV2.parameter_shapes(AlbertConfig.preset("base-v2"))
    head = {name: shape for name, shape in shapes.items() if not name.startswith("albert.")}
    assert head == {
        "start_logits.dense.weight": (1, 768),
        "start_logits.dense.bias": (1,),
        "end_logits.dense_0.weight": (768, 1536),
        "end_logits.dense_0.bias": (768,),
        "end_logits.LayerNorm.weight": (768,),
        "end_logits.LayerNorm.bias": (768,),
        "end_logits.dense_1.weight": (1, 768),
        "end_logits.dense_1.bias": (1,),
        "answer_class.dense_0.weight": (768, 1536),
        "answer_class.dense_0.bias": (768,),
        "answer_class.dense_1.weight": (1, 768),
    }
    assert not any("pooler" in name for name in shapes)
    fresh = AlbertForQuestionAnsweringV2(small_config()).params
    assert (fresh["end_logits.LayerNorm.weight"] == 1).all()
    assert not fresh["answer_class.dense_0.bias"].any()
    assert fresh["answer_class.dense_1.weight"].any()


def test_saved_models_load_again_and_a_pretrained_trunk_gets_a_new_head(tmp_path):
    _, model, inputs = squad2_case("float32")
    model.save_pretrained(tmp_path / "squad2")
    again = AlbertForQuestionAnsweringV2.from_pretrained(tmp_path / "squad2")
    assert again(**inputs).loss == model.eval()(**inputs).loss
    randomize(AlbertForPreTraining(small_config())).save_pretrained(tmp_path / "pretrained")
    with pytest.warns(UserWarning, match=r"newly initialised: start_logits\.dense\.weight"):
        AlbertForQuestionAnsweringV2.from_pretrained(tmp_path / "pretrained")


@pytest.mark.parametrize(
    "changes, error, message",
    [
        ({"start_positions": [3, 6]}, ValueError, r"start_positions\[1\] is 6: allowed are 0 to 5"),
        ({"end_positions": [-1, 0]}, ValueError, r"end_positions\[0\] is -1: allowed are 0 to 5"),
        ({"start_positions": [3, 1]}, ValueError, r"start_positions\[1\] is 1: .*except where p_mask forbids"),
        ({"end_positions": [3, 0, 0]}, ValueError, r"end_positions must have shape \(2,\), got \(3,\)"),
        ({"start_positions": [0.5, 0]}, TypeError, "start_positions must hold integers"),
        ({"is_impossible": [0, 2]}, ValueError, r"is_impossible\[1\] is 2.0: allowed are 1"),
        ({"is_impossible": [0]}, ValueError, r"is_impossible must have shape \(2,\)"),
        ({"p_mask": np.zeros((2, 5))}, ValueError, r"p_mask must have shape \(2, 6\)"),
        ({"p_mask": np.full((2, 6), 0.5)}, ValueError, r"p_mask\[0, 0\] is 0.5: allowed are 1"),
    ],
)
def test_bad_inputs_get_one_clear_error(changes, error, message):
    p_mask = np.array([[0, 1, 1, 0, 0, 1], [0, 1, 1, 0, 1, 1]])
    good = {"p_mask": p_mask, "start_positions": [3, 0], "end_positions": [4, 0], "is_impossible": [False, True]}
    model = small_model()
    assert model(IDS, **good).loss > 0
    with pytest.raises(error, match=message):
        model(IDS, **{**good, **changes})


def test_the_loss_needs_all_three_answers():
    model = small_model()
    out = model(IDS, start_positions=[3, 0], end_positions=[4, 0])
    assert out.loss is None
    assert out.end_logits.shape == (2, 6)
    assert model(small_batch(model.config)["input_ids"], is_impossible=[0, 1, 0]).loss is None
