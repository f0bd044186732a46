import math

import numpy as np
import pytest

from albert_np.execution import precision_of_products
from albert_np.gradcheck import DROPOUT, randomize, small_batch, small_config
from albert_np.model import (
    AlbertForMaskedLM,
    AlbertForPreTraining,
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    AlbertModel,
)
from albert_np.params import Layout, ParamStore

IDS = np.array([[2, 5, 7, 3], [2, 9, 3, 0]])
MASK = np.array([[1, 1, 1, 1], [1, 1, 1, 0]])


def small_model(cls=AlbertModel, **changes):
    return randomize(cls(small_config(**changes), dtype="float64")).eval()


def test_outputs_have_hugging_faces_shapes_and_counts():
    model = small_model(num_hidden_layers=4, inner_group_num=2, num_hidden_groups=2)
    out = model(IDS, MASK, output_hidden_states=True, output_attentions=True)
    assert out.last_hidden_state.shape == (2, 4, 12)
    assert out.pooler_output.shape == (2, 12)
    assert len(out.hidden_states) == 9
    assert len(out.attentions) == 8
    assert {a.shape for a in out.attentions} == {(2, 3, 4, 4)}
    assert (out.hidden_states[-1] == out.last_hidden_state).all()
    assert model(IDS).hidden_states is None


def test_padding_does_not_change_real_positions():
    model = small_model()
    padded = model(IDS, MASK).last_hidden_state
    alone = model(IDS[1:, :3]).last_hidden_state
    np.testing.assert_allclose(padded[1, :3], alone[0], rtol=1e-12, atol=1e-12)


def test_a_row_that_attends_to_nothing_attends_evenly():
    attention = small_model()(IDS, np.zeros_like(IDS), output_attentions=True).attentions[0]
    np.testing.assert_allclose(attention, 0.25)


def test_four_dimensional_masks_pass_through():
    model = small_model()
    expected = model(IDS, MASK).last_hidden_state
    as_booleans = np.broadcast_to(MASK[:, None, None, :] == 1, (2, 1, 4, 4))
    as_floats = np.where(as_booleans, 0.0, -1e30)
    for mask in (as_booleans, as_booleans.astype(int), as_floats):
        np.testing.assert_allclose(model(IDS, mask).last_hidden_state, expected, rtol=1e-12)
    causal = np.tril(np.ones((1, 1, 4, 4)))
    attention = model(IDS, causal == 1, output_attentions=True).attentions[0]
    assert (np.triu(attention, 1) == 0).all()


def test_inputs_embeds_take_the_words_place():
    model = small_model()
    embeds = model.params["embeddings.word_embeddings.weight"][IDS]
    assert (model(inputs_embeds=embeds).last_hidden_state == model(IDS).last_hidden_state).all()


def test_positions_and_types_default_to_counting_and_zero():
    model = small_model()
    explicit = model(IDS, position_ids=np.arange(4)[None], token_type_ids=np.zeros_like(IDS))
    assert (model(IDS).last_hidden_state == explicit.last_hidden_state).all()
    moved = model(IDS, position_ids=[[3, 2, 1, 0], [0, 1, 2, 3]]).last_hidden_state
    assert (moved[1] == explicit.last_hidden_state[1]).all()
    assert np.abs(moved[0] - explicit.last_hidden_state[0]).max() > 0.01


def test_loss_needs_both_labels_as_in_hugging_face():
    model, batch = small_model(AlbertForPreTraining), small_batch(small_config())
    out = model(**batch)
    assert out.loss == out.mlm_loss + out.sop_loss
    del batch["sentence_order_label"]
    out = model(**batch)
    assert out.loss is None
    assert out.mlm_loss is not None


def test_the_mlm_head_computes_logits_only_where_they_are_asked_for(monkeypatch):
    from albert_np import layers
    from albert_np.model import pretraining as module

    rows = []
    real = layers.mlm_forward

    def counting(x, p, config):
        rows.append(len(x))
        return real(x, p, config)

    monkeypatch.setattr(layers, "mlm_forward", counting)
    monkeypatch.setattr(module, "mlm_forward", counting)
    batch = small_batch(small_config())
    out = small_model(AlbertForPreTraining)(**batch)
    assert rows == [(batch["labels"] != -100).sum()]
    assert out.prediction_logits.shape == (3, 7, 23)
    assert out.prediction_logits is out.prediction_logits
    assert rows[1:] == [21]


def test_correct_answers_are_counted_at_labelled_places():
    model, batch = small_model(AlbertForPreTraining), small_batch(small_config())
    out = model(**batch)
    asked = batch["labels"] != -100
    assert out.mlm_count == asked.sum()
    assert out.mlm_correct == (out.prediction_logits.argmax(-1) == batch["labels"])[asked].sum()
    assert out.sop_count == 3
    assert out.sop_correct == (out.sop_logits.argmax(-1) == batch["sentence_order_label"]).sum()


def test_no_label_anywhere_costs_nothing_and_teaches_nothing():
    model, batch = small_model(AlbertForMaskedLM), small_batch(small_config())
    out = model(batch["input_ids"], labels=np.full_like(batch["labels"], -100))
    assert out.loss == 0
    model.backward()
    assert not model.grads.flat.any()


def test_parts_of_a_batch_add_up_with_its_denominators():
    model, batch = small_model(AlbertForPreTraining), small_batch(small_config())
    whole = model(**batch).loss
    model.backward()
    gradient = model.grads.flat.copy()
    model.zero_grad()
    counts = {"mlm_denominator": (batch["labels"] != -100).sum(), "sop_denominator": 3}
    total = 0.0
    for i in range(3):
        total += model(**{name: value[i : i + 1] for name, value in batch.items()}, **counts).loss
        model.backward()
    assert total == pytest.approx(whole, rel=1e-12)
    np.testing.assert_allclose(model.grads.flat, gradient, rtol=1e-9, atol=1e-12)


def test_dropout_acts_in_training_only_and_follows_the_seed():
    def out(seed, train):
        model = AlbertModel(small_config(**DROPOUT), seed=seed)
        return (model.train() if train else model.eval())(IDS).last_hidden_state

    assert (out(1, True) == out(1, True)).all()
    assert (out(1, True) != out(1, False)).any()
    model = AlbertModel(small_config(**DROPOUT)).train()
    assert (model(IDS).last_hidden_state != model(IDS).last_hidden_state).any()
    model.eval()
    assert (model(IDS).last_hidden_state == model(IDS).last_hidden_state).all()


def test_ffn_output_dropout_is_googles_and_off_by_default():
    def out(**changes):
        model = AlbertModel(small_config(hidden_dropout_prob=0.5, **changes)).train()
        model(IDS)
        return model.cache.encoder.steps[0]

    assert out().feed_forward.dropout.kept is None
    assert out().attention.dropout.kept is not None
    assert out(ffn_output_dropout=True).feed_forward.dropout.kept is not None


def test_dropout_keeps_the_mean():
    from albert_np.ops import dropout_forward

    y, _cache = dropout_forward(np.ones(100_000), 0.3, np.random.default_rng(0))
    assert abs(y.mean() - 1) < 3 * math.sqrt(0.3 / 0.7 / 100_000)
    assert set(np.unique(y)) == {0.0, 1 / 0.7}
    assert (dropout_forward(np.ones(9), 1.0, np.random.default_rng(0))[0] == 0).all()


def test_grad_false_keeps_nothing_for_backward():
    model = small_model()
    expected = model(IDS).last_hidden_state
    out = model(IDS, grad=False)
    assert (out.last_hidden_state == expected).all()
    assert model.cache is None
    with pytest.raises(RuntimeError, match="grad=True"):
        model.backward(last_hidden_state=np.ones((2, 4, 12)))


def test_initial_weights_follow_hugging_faces_rules():
    model = AlbertForPreTraining(small_config(vocab_size=2000, initializer_range=0.05))
    words = model.params["albert.embeddings.word_embeddings.weight"]
    assert not words[0].any()
    assert words[1:].std() == pytest.approx(0.05, rel=0.05)
    assert (model.params["predictions.LayerNorm.weight"] == 1).all()
    assert not model.params["albert.pooler.bias"].any()
    same, other = (AlbertForPreTraining(model.config, seed=seed) for seed in (0, 1))
    assert (same.params.flat == model.params.flat).all()
    assert (other.params.flat != model.params.flat).any()


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({}, ValueError, "exactly one of input_ids and inputs_embeds"),
        ({"input_ids": IDS, "inputs_embeds": np.zeros((2, 4, 6))}, ValueError, "exactly one"),
        ({"input_ids": [[1, 23]]}, ValueError, r"input_ids\[0, 1\] is 23: allowed are 0 to 22 \(vocab_size=23\)"),
        ({"input_ids": [[1, -1]]}, ValueError, r"input_ids\[0, 1\] is -1"),
        ({"input_ids": [1, 2]}, ValueError, r"must be \(B, T\).*got shape \(2,\)"),
        ({"input_ids": np.zeros((0, 4), int)}, ValueError, "at least 1"),
        ({"input_ids": [[1.5]]}, TypeError, "input_ids must hold integers, got float64"),
        ({"input_ids": np.ones((1, 10), int)}, ValueError, "10 positions, but max_position_embeddings=9"),
        ({"input_ids": IDS, "position_ids": [[0, 1, 2, 9]]}, ValueError, r"position_ids\[0, 3\] is 9"),
        ({"input_ids": IDS, "token_type_ids": [[0, 0, 1, 2]] * 2}, ValueError, r"token_type_ids\[0, 3\] is 2.*type_vo"),
        ({"input_ids": IDS, "token_type_ids": [[0, 0]]}, ValueError, r"token_type_ids must have shape \(2, 4\)"),
        ({"input_ids": IDS, "attention_mask": [[1, 1]]}, ValueError, r"attention_mask must have shape \(2, 4\) or"),
        ({"input_ids": IDS, "attention_mask": 7 * MASK}, ValueError, "1 .attend., 0 .padding."),
        (
            {"input_ids": IDS, "attention_mask": [[1, 1, 0.5, 0]] * 2},
            ValueError,
            r"attention_mask\[0, 2\] is 0\.5: allowed",
        ),
        ({"input_ids": IDS, "attention_mask": np.ones((2, 2, 4, 4))}, ValueError, r"broadcast to \(2, 3, 4, 4\)"),
        ({"input_ids": IDS, "attention_mask": np.full((2, 4), "x")}, TypeError, "must hold numbers"),
        ({"input_ids": IDS, "attention_mask": np.full((2, 4), np.nan)}, ValueError, r"attention_mask.* is nan"),
        ({"input_ids": IDS, "attention_mask": np.full((1, 1, 4, 4), np.nan)}, ValueError, r"is nan: allowed are numb"),
        ({"input_ids": IDS, "attention_mask": [[1], [1]]}, ValueError, r"\(2, 4\) or \(1, 4\), \(2, 4, 4\), or four"),
        ({"input_ids": IDS, "attention_mask": [1, 1, 1, 1]}, ValueError, r"got \(4,\)"),
        (
            {"input_ids": [[2, 5, 3], [2, 3]]},
            ValueError,
            r"rows have 2 to 3 numbers: .*tokenizer\(texts, padding=True\)",
        ),
        ({"input_ids": np.array([[2, 5], [2]], dtype=object)}, ValueError, "input_ids must be a grid of numbers"),
        (
            {"input_ids": [[2, None]]},
            ValueError,
            "input_ids must be a grid of numbers, but its rows hold something else",
        ),
        ({"input_ids": {"input_ids": IDS}}, TypeError, r"input_ids is a dict: .*model\(\*\*batch\)"),
        ({"input_ids": "hello"}, TypeError, "input_ids holds text: ids come from a tokenizer"),
        (
            {"input_ids": IDS, "position_ids": [[0, 1]]},
            ValueError,
            r"position_ids must have shape \(2, 4\), or broadcast",
        ),
        (
            {"input_ids": IDS, "output_attentions": "yes"},
            TypeError,
            "output_attentions must be True or False, got 'yes'",
        ),
        ({"input_ids": IDS, "output_hidden_states": 1}, TypeError, "output_hidden_states must be True or False, got 1"),
        ({"input_ids": IDS, "skip_padding": "no"}, TypeError, "skip_padding must be True or False, got 'no'"),
        ({"input_ids": IDS, "grad": None}, TypeError, "grad must be True or False, got None"),
        ({"inputs_embeds": np.zeros((2, 4, 12))}, ValueError, r"embedding_size=6\), got \(2, 4, 12\)"),
        ({"inputs_embeds": np.zeros((2, 4, 6), int)}, TypeError, "floating-point"),
    ],
)
def test_bad_inputs_get_one_clear_error(arguments, error, message):
    with pytest.raises(error, match=message):
        small_model()(**arguments)


def test_bad_labels_and_upstream_gradients_get_one_clear_error():
    model = small_model(AlbertForPreTraining)
    with pytest.raises(ValueError, match=r"labels\[0, 0\] is 23.*or -100"):
        model(IDS, labels=np.full((2, 4), 23))
    with pytest.raises(ValueError, match=r"labels must have shape \(2, 4\)"):
        model(IDS, labels=[[1]])
    with pytest.raises(ValueError, match=r"sentence_order_label\[1\] is 2"):
        model(IDS, sentence_order_label=[0, 2])
    model(IDS)
    with pytest.raises(ValueError, match="backward from loss: the last forward pass did not compute it"):
        model.backward()
    for upstream, error, message in (
        ({"sop_logits": np.ones((2, 3))}, ValueError, r"gradient of sop_logits must have shape \(2, 2\), got \(2, 3\)"),
        ({"sop_logits": 1.0}, ValueError, r"gradient of sop_logits must have shape \(2, 2\), got \(\)"),
        ({"sop_logits": np.ones((2, 2)) * 1j}, TypeError, "gradient of sop_logits must hold real numbers, got complex"),
        ({"sop_logits": "x"}, TypeError, "gradient of sop_logits must hold real numbers"),
        ({"loss": np.ones(3)}, ValueError, r"gradient of loss must be a number without axes, got shape \(3,\)"),
        ({"loss": "x"}, TypeError, "gradient of loss must be a number, got 'x'"),
        ({"loss": 1j}, TypeError, "gradient of loss must be a number, got 1j"),
    ):
        with pytest.raises(error, match=message):
            model.backward(**upstream)
    assert not model.grads.flat.any()


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, True, "4"])
def test_a_denominator_that_divides_nothing_is_refused(value):
    model = small_model(AlbertForPreTraining)
    for name in ("mlm_denominator", "sop_denominator"):
        with pytest.raises(ValueError, match=f"{name}=.*: must be a finite number above 0, or None"):
            model(IDS, labels=IDS, sentence_order_label=[0, 1], **{name: value})
    batch = {"labels": IDS, "sentence_order_label": [0, 1]}
    whole = float(model(IDS, **batch, mlm_denominator=8, sop_denominator=2).loss)
    assert float(model(IDS, **batch, mlm_denominator=np.float64(8), sop_denominator=np.int32(2)).loss) == whole


def test_a_tensor_that_needs_detach_is_refused_by_the_arguments_name(torch):
    model = small_model()
    embeds = torch.zeros(2, 4, 6, requires_grad=True)
    with pytest.raises(TypeError, match=r"inputs_embeds is a Tensor that NumPy does not read: .*detach\(\)"):
        model(inputs_embeds=embeds)
    assert model(inputs_embeds=embeds.detach()).last_hidden_state.shape == (2, 4, 12)


def test_what_hugging_face_broadcasts_is_broadcast():
    model = small_model(AlbertForPreTraining)
    mask, types = np.array([1, 1, 1, 0]), np.array([0, 0, 1, 1])
    labels = {"labels": IDS, "sentence_order_label": np.array([0, 1])}
    whole = model(IDS, np.tile(mask, (2, 1)), np.tile(types, (2, 1)), **labels)
    model.zero_grad()
    model.backward()
    gradients = model.grads.flat.copy()
    square = np.broadcast_to(mask, (2, 4, 4))
    for given in (mask[None], square, square[:1], square[:, None].astype(bool)):
        order = labels["sentence_order_label"][:, None]
        out = model(IDS, given, types, **{**labels, "sentence_order_label": order})
        np.testing.assert_array_equal(out.loss, whole.loss)
        model.zero_grad()
        model.backward()
        np.testing.assert_allclose(model.grads.flat, gradients, rtol=1e-12, atol=1e-14)
    one = model(IDS, mask[None], position_ids=[3, 2, 1, 0], token_type_ids=[[1], [0]], grad=False)
    other = model(IDS, mask[None], position_ids=[[3, 2, 1, 0]] * 2, token_type_ids=[[1] * 4, [0] * 4], grad=False)
    np.testing.assert_array_equal(one.last_hidden_state, other.last_hidden_state)
    packed = model(IDS, mask[None], types, skip_padding=True, grad=False)
    np.testing.assert_allclose(packed.sop_logits, whole.sop_logits, rtol=1e-12)


def test_what_is_no_bool_switches_nothing():
    model = AlbertModel(small_config())
    for call, name in (
        (lambda: model.train("yes"), "mode"),
        (lambda: model.train(None), "mode"),
        (lambda: model.load_state_dict({}, strict="no"), "strict"),
        (lambda: model.resize_token_embeddings(9, mean_resizing="no"), "mean_resizing"),
    ):
        with pytest.raises(TypeError, match=f"{name} must be True or False"):
            call()
    assert model.training
    assert not model.train(np.bool_(False)).training


def test_bad_constructor_arguments_get_one_clear_error():
    with pytest.raises(ValueError, match="dtype='float16': allowed are float32 and float64"):
        AlbertModel(small_config(), dtype="float16")
    with pytest.raises(ValueError, match="backend='torch' is unknown"):
        AlbertModel(small_config(), backend="torch")
    with pytest.raises(TypeError, match=r"config must be an albert_np\.AlbertConfig, got one of builtins\.str"):
        AlbertModel("base-v2")
    with pytest.raises(ValueError, match="num_labels=3: sentence order prediction has 2"):
        AlbertForPreTraining(small_config(num_labels=3))


def test_param_store_maps_names_ties_and_spans_to_one_arena():
    layout = Layout({"a": (2, 3), "b": (2, 3), "c": (4,)}, ties={"alias": "a"}, spans={"ab": ["a", "b"]})
    store = ParamStore(layout, np.arange(16.0))
    assert list(store) == ["a", "b", "c"]
    assert len(store) == 3
    assert "alias" in store
    assert store["ab"].shape == (4, 3)
    store["alias"] += 100
    assert store.flat[:6].min() == 100
    assert (store["ab"][:2] == store["a"]).all()
    store["c"] = np.ones(4)
    assert store.flat[12:].tolist() == [1, 1, 1, 1]
    for value, shape in ((np.ones(1), r"\(1,\)"), (0.0, r"\(\)")):
        with pytest.raises(ValueError, match=rf"c has shape \(4,\), got {shape}"):
            store["c"] = value
    with pytest.raises(KeyError):
        store["d"]


def test_query_key_and_value_lie_next_to_each_other_in_every_layer():
    model = AlbertModel(small_config(num_hidden_layers=2, sharing="ffn", inner_group_num=2))
    for g in range(2):
        prefix = f"encoder.albert_layer_groups.{g}.albert_layers.1.attention."
        stacked = model.params[prefix + "query_key_value.weight"]
        for i, part in enumerate(("query", "key", "value")):
            assert (stacked[12 * i : 12 * i + 12] == model.params[f"{prefix}{part}.weight"]).all()


@pytest.mark.parametrize("vocab_size", [16, 40])
def test_resizing_keeps_what_the_kept_pieces_give(vocab_size):
    model = small_model(AlbertForPreTraining)
    config, before = model.config, model(IDS, MASK)
    logits = before.prediction_logits
    table = model.resize_token_embeddings(vocab_size)
    after = model(IDS, MASK)
    kept = min(vocab_size, 23)
    np.testing.assert_array_equal(before.last_hidden_state, after.last_hidden_state)
    np.testing.assert_array_equal(logits[..., :kept], after.prediction_logits[..., :kept])
    assert after.prediction_logits.shape[-1] == model.config.vocab_size == vocab_size
    assert table.weight is model.get_input_embeddings().weight
    assert config.vocab_size == 23
    model.backward(prediction_logits=np.ones_like(after.prediction_logits))
    assert model.grads["predictions.decoder.weight"].shape == (vocab_size, config.embedding_size)
    new = model.params["predictions.decoder.weight"][23:]
    assert (new.std(axis=1) > 0).all()


def test_resizing_away_the_padding_piece_is_refused():
    model = small_model(pad_token_id=22)
    with pytest.raises(ValueError, match="pad_token_id=22"):
        model.resize_token_embeddings(20)
    assert model.config.vocab_size == 23


@pytest.mark.parametrize(
    "cls, labels",
    [
        (AlbertForPreTraining, {"labels": np.full_like(IDS, -100), "sentence_order_label": [-100, -100]}),
        (AlbertForMaskedLM, {"labels": np.full_like(IDS, -100)}),
        (AlbertForSequenceClassification, {"labels": [-100, -100]}),
        (AlbertForTokenClassification, {"labels": np.full_like(IDS, -100)}),
        (AlbertForTokenClassification, {"labels": np.full_like(IDS, -100), "label_smoothing": 0.1}),
        (AlbertForQuestionAnswering, {"start_positions": [9, 9], "end_positions": [9, 9]}),
    ],
)
def test_a_batch_without_any_label_has_no_loss_and_no_gradient(cls, labels):
    model = small_model(cls)
    loss = model(IDS, MASK, **labels).loss
    model.backward()
    assert str(loss) == "0.0"  # and not -0.0
    assert not model.grads.flat.any()


def test_shapes_that_are_broadcast_have_the_gradients_of_the_whole():
    config = small_config()
    ids = np.array([[2, 5, 7, 3], [2, 6, 5, 3]])
    types, positions = np.array([[0, 0, 1, 1]]), np.array([[3, 2, 1, 0]])
    found = []
    for rows in (1, 2):
        model = randomize(AlbertModel(config, dtype="float64"))
        given = {"token_type_ids": types.repeat(rows, 0), "position_ids": positions.repeat(rows, 0)}
        y = model(ids, **given).last_hidden_state
        model.backward(last_hidden_state=np.cos(np.arange(y.size)).reshape(y.shape))
        found.append(model.grads.flat)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12, atol=1e-14)


def test_a_refused_backward_leaves_no_gradient():
    batch = small_batch(small_config())
    masked = {name: batch[name] for name in ("input_ids", "attention_mask")}
    model = AlbertForMaskedLM(small_config(), dtype="float64")
    logits = model(**masked).logits
    with pytest.raises(ValueError, match="backward from loss"):
        model.backward(1.0, logits=logits)
    assert not model.grads.flat.any()
    model = AlbertForPreTraining(small_config(), dtype="float64")
    model(**batch)
    with pytest.raises(ValueError, match="the gradient of prediction_logits must have shape"):
        model.backward(sop_logits=np.ones((3, 2)), prediction_logits=np.ones((3, 2)))
    assert not model.grads.flat.any()


def test_labels_are_checked_before_anything_is_computed():
    model = AlbertForPreTraining(small_config())
    batch = small_batch(model.config)
    model(**batch)
    state, cache = model.rng.bit_generator.state, model.cache
    with pytest.raises(ValueError, match=r"sentence_order_label\[0\] is 7"):
        model(**{**batch, "sentence_order_label": [7, 0, 0]})
    assert model.rng.bit_generator.state == state
    assert model.cache is cache


def test_no_special_token_is_cut_off():
    with pytest.raises(ValueError, match="vocab_size=2 would cut off bos_token_id=2"):
        AlbertModel(small_config()).resize_token_embeddings(2)


def test_a_dtype_that_is_none_is_refused_like_one_that_is_not_allowed():
    for dtype in ("float16", "foo", "float", "double", "auto"):
        with pytest.raises(ValueError, match=f"dtype='{dtype}': allowed are float32 and float64"):
            AlbertModel(small_config(), dtype=dtype)


@pytest.mark.parametrize("seed", [-1, 1.5, "x"])
def test_a_seed_that_is_none_is_named(seed):
    with pytest.raises(ValueError, match=f"seed={seed!r} must be a whole number of at least 0"):
        AlbertModel(small_config(), seed=seed)


@pytest.mark.parametrize(
    "precision, low, high", [("tf32", 1e-5, 3e-3), ("bfloat16", 1e-4, 3e-2), ("float16", 1e-5, 3e-3)]
)
def test_every_pass_of_a_model_is_made_in_its_precision(precision, low, high):
    config = small_config(num_hidden_groups=2, sharing="none")
    batch = small_batch(config)
    truth = gradients_of(randomize(AlbertForPreTraining(config, dtype="float64"), scale=0.3), batch)
    model = randomize(AlbertForPreTraining(config), scale=0.3)
    exact = gradients_of(model, batch)
    model.precision = precision
    rounded = gradients_of(model, batch)
    model.recompute = "layer"
    np.testing.assert_array_equal(gradients_of(model, batch), rounded)
    error = np.linalg.norm(rounded - truth) / np.linalg.norm(truth)
    assert low < error < high, error
    model.precision = "float32"
    np.testing.assert_array_equal(gradients_of(model, batch), exact)


def test_logits_that_are_read_later_have_the_models_precision():
    model = randomize(AlbertForPreTraining(small_config()), scale=0.3)
    ids = small_batch(model.config)["input_ids"]
    model.precision = "bfloat16"
    later = model.eval()(ids).prediction_logits
    with precision_of_products("bfloat16"):
        np.testing.assert_array_equal(model(ids).prediction_logits, later)


def gradients_of(model, batch):
    model.eval()(**batch)
    model.zero_grad()
    model.backward()
    return model.grads.flat.copy()


def test_a_precision_must_be_known_and_fit_the_dtype():
    model = AlbertForPreTraining(small_config())
    with pytest.raises(ValueError, match="precision='half': allowed are float32, tf32, bfloat16, float16"):
        model.precision = "half"
    model = AlbertForPreTraining(small_config(), dtype="float64")
    model.precision = "float32"
    with pytest.raises(ValueError, match="precision='tf32' rounds float32, and this model computes in float64"):
        model.precision = "tf32"
