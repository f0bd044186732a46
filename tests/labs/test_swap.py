"""Replaced parts of ALBERT: right gradients, every way to run, saved and resumed, and never the original unasked."""

import copy
import json
import pickle
import warnings

import numpy as np
import pytest
from toys.changes import (
    ADAPTERS,
    ALIBI,
    CAPPED,
    CHANGES,
    PRE_NORM,
    RMS_NORM,
    SWIGLU,
    SWISH,
    WIRED,
    rms_norm_backward,
    rms_norm_forward,
    swiglu_backward,
)
from toys.training_process import make_trainer

from albert_np import AlbertConfig, layers, ops
from albert_np.changes import KEY, change_in_force
from albert_np.execution import Replicas, split
from albert_np.gradcheck import check_model, hugging_face_model, randomize, small_batch, small_config
from albert_np.labs import swap, swap_back
from albert_np.labs.change_file import ChangeFile
from albert_np.layers import norm_backward as early_norm_backward
from albert_np.layers import norm_forward as early_norm_forward
from albert_np.model import AlbertForPreTraining, AlbertForQuestionAnsweringV2, AlbertModel

ORIGINALS = dict(vars(layers))


@pytest.fixture(autouse=True)
def back_to_albert():
    yield
    swap_back()
    assert change_in_force() is None
    assert all(vars(layers)[name] is value for name, value in ORIGINALS.items())


def made(parts, dtype="float64", cls=AlbertForPreTraining, **sizes):
    """A model with random weights and a batch, under the change that is in force."""
    groups = {"num_hidden_layers": 4, "num_hidden_groups": 2} if "schedule" in parts else {}
    config = small_config(**groups, **sizes)
    return randomize(cls(config, dtype=dtype)), small_batch(config)


def loss_and_gradients(model, batch, **options):
    model.zero_grad()
    loss = float(model(**batch, **options).loss)
    model.backward()
    return loss, model.grads.flat.copy()


@pytest.mark.parametrize("name", CHANGES)
def test_gradients_of_a_changed_model_are_those_of_differences(name):
    with swap(**CHANGES[name]):
        model, batch = made(CHANGES[name])
        wrong = [row for row in check_model(model.eval(), batch, samples=2) if not row.ok]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_changes_the_loss_and_is_undone_to_the_bit(name):
    model, batch = made({}, num_hidden_layers=4, num_hidden_groups=2)
    before = loss_and_gradients(model.eval(), batch)
    with swap(**CHANGES[name]):
        other = AlbertForPreTraining(small_config(num_hidden_layers=4, num_hidden_groups=2), dtype="float64")
        for weight in (n for n in other.params if n in model.params and other.params[n].shape == model.params[n].shape):
            other.params[weight] = model.params[weight]
        begins_as_albert = name in ("adapters", "gated heads")
        assert (float(other.eval()(**batch).loss) == before[0]) == begins_as_albert
    after = loss_and_gradients(model, batch)
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])


@pytest.mark.parametrize("name", CHANGES)
def test_the_mlm_head_is_what_it_always_was(name):
    model, _ = made({}, hidden_act="relu")
    x = np.random.default_rng(0).standard_normal((5, model.config.hidden_size))

    def head_pass():
        logits, cache = layers.mlm_forward(x, model.params.scope("predictions."), model.config)
        model.zero_grad()
        dx = layers.mlm_backward(np.cos(logits), cache, model.grads.scope("predictions."))
        return logits, dx, model.grads.flat.copy()

    before = head_pass()
    with swap(**CHANGES[name]):
        for array, wanted in zip(head_pass(), before, strict=True):
            np.testing.assert_array_equal(array, wanted)


@pytest.mark.parametrize("name", CHANGES)
def test_recomputation_gives_the_same_bits(name):
    with swap(**CHANGES[name]):
        model, batch = made(CHANGES[name], hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)
        state = model.rng.bit_generator.state
        loss, gradients = loss_and_gradients(model, batch)
        model.recompute, model.rng.bit_generator.state = "layer", state
        again, recomputed = loss_and_gradients(model, batch)
    assert loss == again
    np.testing.assert_array_equal(gradients, recomputed)


@pytest.mark.parametrize("name", CHANGES)
def test_skipped_padding_and_unwanted_rows_give_the_same_gradients(name):
    with swap(**CHANGES[name]):
        model, batch = made(CHANGES[name])
        assert not batch["attention_mask"].all()
        batch["labels"] = np.where(batch["attention_mask"], batch["labels"], -100)
        loss, gradients = loss_and_gradients(model.eval(), batch)
        packed = loss_and_gradients(model, batch, skip_padding=True)
    assert packed[0] == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(packed[1], gradients, rtol=0, atol=1e-11 * abs(gradients).max())


@pytest.mark.parametrize("name", CHANGES)
def test_threads_share_a_batch(name):
    with swap(**CHANGES[name]):
        model, batch = made(CHANGES[name])
        batch["labels"] = np.where(batch["attention_mask"], batch["labels"], -100)
        counts = {"mlm_denominator": float((batch["labels"] != -100).sum()), "sop_denominator": len(batch["labels"])}
        loss, gradients = loss_and_gradients(model.eval(), {**batch, **counts})
        model.zero_grad()

        def work(one, part):
            part_loss = float(one(**part, **counts).loss)
            one.backward()
            return part_loss

        parts = split({name: np.asarray(value) for name, value in batch.items()}, 2)
        losses = Replicas(model, 2).map(work, parts)
    assert sum(losses) == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(model.grads.flat, gradients, rtol=0, atol=1e-12 * abs(gradients).max())


@pytest.mark.parametrize("name", CHANGES)
def test_float32_stays_float32(name):
    with swap(**CHANGES[name]):
        model, batch = made(CHANGES[name], dtype="float32")
        out = model(**batch)
        assert out.last_hidden_state.dtype == np.float32
        assert model.backward().dtype == np.float32


def test_padding_before_a_token_is_not_skipped_where_positions_count():
    mask = np.array([[1, 0, 1, 1], [1, 1, 1, 1]])
    ids = np.full((2, 4), 5)
    with swap(attention=ALIBI):
        model = AlbertModel(small_config()).eval()
        model(ids, mask)
        with pytest.raises(ValueError, match="skip_padding with attention replaced needs all padding at the end"):
            model(ids, mask, skip_padding=True)
    with swap(norm=RMS_NORM):
        AlbertModel(small_config()).eval()(ids, mask, skip_padding=True)


def test_own_parameters_are_in_the_model_and_what_they_replace_is_not():
    with swap(norm=RMS_NORM, feed_forward=SWIGLU):
        names = dict(AlbertForPreTraining(small_config()).params)
    layer = "albert.encoder.albert_layer_groups.0.albert_layers.0."
    H, I = small_config().hidden_size, small_config().intermediate_size  # noqa: E741
    assert names[f"{layer}ffn.gate"].shape == (I, H)
    assert names["albert.embeddings.LayerNorm.weight"].shape == (small_config().embedding_size,)
    assert not [n for n in names if n.startswith("albert.") and n.endswith("LayerNorm.bias")]
    assert not [n for n in names if "ffn_output" in n or n.endswith("ffn.weight")]
    assert "predictions.LayerNorm.bias" in names  # heads are as they were


@pytest.mark.parametrize("name", CHANGES)
def test_common_parameters_begin_alike_and_own_ones_as_declared(name):
    config = small_config(num_hidden_layers=4, num_hidden_groups=2)
    plain = AlbertForPreTraining(config, seed=3)
    with swap(**CHANGES[name]):
        model = AlbertForPreTraining(config, seed=3)
    common = [n for n in model.params if n in plain.params]
    assert len(common) > 20
    for weight in common:
        np.testing.assert_array_equal(model.params[weight], plain.params[weight], err_msg=weight)
    for weight in model.params.keys() - plain.params.keys():
        value = model.params[weight]
        assert (value == value.flat[0]).all() or 0.5 < value.std() / config.initializer_range < 2, weight
    assert model.rng.bit_generator.state == plain.rng.bit_generator.state  # the same dropout


def test_sharing_ties_what_belongs_to_the_shared_part():
    sizes = {"num_hidden_layers": 3, "num_hidden_groups": 0}
    with swap(feed_forward=SWIGLU):
        tied = AlbertModel(small_config(**sizes, sharing="ffn")).params
        untied = AlbertModel(small_config(**sizes, sharing="attention")).params
        assert [name.split(".")[2] for name in tied if name.endswith("ffn.gate")] == ["0"]
        assert [name.split(".")[2] for name in untied if name.endswith("ffn.gate")] == ["0", "1", "2"]
        first, last = (f"encoder.albert_layer_groups.{group}.albert_layers.0.ffn.gate" for group in (0, 2))
        assert np.shares_memory(tied[first], tied[last])


def test_a_schedule_uses_the_groups_in_its_own_order():
    with swap(schedule=(0, 1, 1, 2, 0, 1, 2)):
        config = small_config(num_hidden_layers=7, num_hidden_groups=3)
        model = AlbertModel(config)
        out = model(np.full((1, 3), 5))
        used = [call.prefix.split(".")[2] for call in model.cache.encoder.calls]
        assert used == list("0112012")
        assert [config.group_of(i) for i in range(7)] == [0, 1, 1, 2, 0, 1, 2]
        with pytest.raises(ValueError, match=r"num_hidden_layers=6, but schedule=.* is for 7 steps"):
            small_config(num_hidden_layers=6, num_hidden_groups=3)
        with pytest.raises(ValueError, match=r"num_hidden_groups=2, but schedule=.* uses groups \[0, 1, 2\]"):
            small_config(num_hidden_layers=7, num_hidden_groups=2)
        del out
    with pytest.raises(ValueError, match="num_hidden_groups=3 does not divide num_hidden_layers=7"):
        small_config(num_hidden_layers=7, num_hidden_groups=3)


# Never the original unasked.


def test_a_model_runs_under_the_change_that_it_was_made_with_alone():
    plain, batch = made({})
    with swap(norm=RMS_NORM) as change:
        model, _ = made({})
        model(**batch)
        with pytest.raises(ValueError, match=r"is ALBERT as it is, but swap\(norm=rms_norm_forward\) is in force"):
            plain(**batch)
    for use in (lambda: model(**batch), model.backward):
        with pytest.raises(ValueError, match=r"needs swap\(norm=rms_norm_forward\), and nothing is replaced"):
            use()
    with swap(norm=RMS_NORM, attention=CAPPED), pytest.raises(ValueError, match=r"in force is swap\(attention=cap"):
        model.backward()
    with change:
        model(**batch)
        model.backward()
    plain(**batch)


def test_copies_know_their_change():
    with swap(norm=RMS_NORM):
        model, batch = made({})
        loss = float(model.eval()(**batch).loss)
        for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model.replica()):
            assert float(other(**batch).loss) == loss
    with pytest.raises(ValueError, match="and nothing is replaced"):
        pickle.loads(pickle.dumps(model))(**batch)


def test_a_configuration_of_another_change_makes_no_model():
    with swap(norm=RMS_NORM):
        config = AlbertModel(small_config()).config
    for use in (AlbertModel, AlbertModel.parameter_shapes):
        with pytest.raises(ValueError, match="the configuration needs swap"):
            use(config)
    with swap(attention=ALIBI), pytest.raises(ValueError, match=r"in force is swap\(attention=alibi_forward"):
        AlbertModel(config)


def test_what_knows_albert_alone_refuses_a_change():
    from albert_np.explore import explore
    from albert_np.export import export_onnx

    with swap(norm=RMS_NORM):
        model, batch = made({})
        with pytest.raises(ValueError, match="the export to ONNX knows ALBERT as it is alone, not swap"):
            export_onnx(model, "unwritten.onnx")
        with pytest.raises(ValueError, match="the explorer knows ALBERT as it is alone"):
            explore(model, batch)


def test_hugging_face_is_no_twin_of_a_change(torch, transformers):
    with swap(norm=RMS_NORM), pytest.raises(ValueError, match="Hugging Face's PyTorch knows ALBERT as it is alone"):
        hugging_face_model("AlbertModel", small_config())


def test_attentions_are_shown_where_the_cache_has_them():
    ids = np.full((2, 4), 5)
    with swap(norm=RMS_NORM):
        assert len(AlbertModel(small_config())(ids, output_attentions=True).attentions) > 0
    with swap(attention=ALIBI):
        (first, *_) = AlbertModel(small_config()).eval()(ids, output_attentions=True).attentions
        np.testing.assert_allclose(first.sum(axis=-1), 1, rtol=1e-6)
    for parts, missing in (({"attention": CAPPED}, "dropped"), ({"layer": PRE_NORM}, "attention")):
        with (
            swap(**parts),
            pytest.raises(ValueError, match=f"output_attentions: the cache of swap.* no field `{missing}`"),
        ):
            AlbertModel(small_config())(ids, output_attentions=True)


def test_the_second_swap_of_a_part_counts_and_leaving_in_any_order_restores():
    first = swap(norm=RMS_NORM)
    second = swap(norm=(ops.layer_norm_forward, ops.layer_norm_backward), attention=ALIBI)
    assert change_in_force().described["norm"]["forward"] == "layer_norm_forward"
    assert repr(first) == "swap(norm=rms_norm_forward), in force"
    first.undo()
    assert set(change_in_force().described) == {"norm", "attention"}
    second.undo()
    assert repr(second) == "swap(norm=layer_norm_forward, attention=alibi_forward), not in force"


def test_the_original_pair_swapped_in_computes_the_same_bits():
    model, batch = made({})
    plain = loss_and_gradients(model.eval(), batch)
    with swap(
        norm=(ops.layer_norm_forward, ops.layer_norm_backward),
        attention=(ops.attention_forward, ops.attention_backward),
        layer=(copied_layer_forward, copied_layer_backward),
    ):
        other, _ = made({})
        changed = loss_and_gradients(other.eval(), batch)
    assert plain[0] == changed[0]
    np.testing.assert_array_equal(plain[1], changed[1])


def copied_layer_forward(x, pattern, p, config, rng=None):
    a, attention = layers.attention_branch_forward(x, pattern, p.scope("attention."), config, rng)
    h, attention_norm = layers.norm_forward(pattern.gather(x) + a, p.scope("attention.LayerNorm."), config)
    f, feed_forward = layers.feed_forward_branch_forward(h, p, config, rng)
    y, full = layers.norm_forward(h + f, p.scope("full_layer_layer_norm."), config)
    return y, layers.LayerCache(pattern, attention, attention_norm, feed_forward, full)


def copied_layer_backward(dy, cache, g):
    return ORIGINALS["layer_backward"](dy, cache, g)


# Saved, loaded, resumed.


def test_a_folder_says_what_change_it_needs(tmp_path):
    with swap(norm=RMS_NORM, feed_forward=SWIGLU):
        model, batch = made({})
        loss = float(model.eval()(**batch).loss)
        model.save_pretrained(tmp_path)
        loaded = AlbertForPreTraining.from_pretrained(tmp_path, dtype="float64")
        assert float(loaded(**batch).loss) == loss
    record = json.loads((tmp_path / "config.json").read_text())[KEY]
    assert record == {
        "feed_forward": {
            "forward": "swiglu_forward",
            "backward": "swiglu_backward",
            "parameters": {"gate": ["I", "H"], "value": ["I", "H"], "out": ["H", "I"]},
        },
        "norm": {
            "forward": "rms_norm_forward",
            "backward": "rms_norm_backward",
            "parameters": {"weight": ["W"]},
        },
    }
    wanted = r"needs swap\(feed_forward=swiglu_forward, norm=rms_norm_forward\), and nothing is replaced"
    with pytest.raises(ValueError, match=wanted):
        AlbertForPreTraining.from_pretrained(tmp_path)
    with swap(norm=RMS_NORM), pytest.raises(ValueError, match=r"in force is swap\(norm=rms_norm_forward\)"):
        AlbertModel.from_pretrained(tmp_path)


def test_a_folder_of_another_schedule_is_loaded_with_it_alone(tmp_path):
    with swap(schedule=(0, 1, 1)):
        model = AlbertModel(small_config(num_hidden_layers=3, num_hidden_groups=2))
        model.save_pretrained(tmp_path)
        loaded = AlbertModel.from_pretrained(tmp_path)
        np.testing.assert_array_equal(loaded.params.flat, model.params.flat)
    with pytest.raises(ValueError, match=r"needs swap\(schedule=\[0, 1, 1\]\), and nothing is replaced"):
        AlbertModel.from_pretrained(tmp_path)


def test_a_record_that_is_none_is_named(tmp_path):
    made({})[0].save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    for record in ("RMSNorm", [1], {"schedule": "01"}, {"schedule": [0, 1.5]}):
        (tmp_path / "config.json").write_text(json.dumps({**values, KEY: record}))
        with pytest.raises(ValueError, match=r"config.json: changed_parts=.*: must name parts"):
            AlbertModel.from_pretrained(tmp_path)


def test_weights_of_albert_fill_what_a_changed_model_has_in_common(tmp_path):
    plain, batch = made({})
    plain.save_pretrained(tmp_path)
    loss = float(plain.eval()(**batch).loss)
    with swap(layer=ADAPTERS), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = AlbertForPreTraining.from_pretrained(tmp_path, dtype="float64")
        assert float(model(**batch).loss) == loss
    words = " ".join(str(each.message) for each in said)
    assert "newly initialised" in words
    assert "adapter.down" in words
    assert "was trained as ALBERT is, without layer" in words
    with swap(norm=RMS_NORM), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        AlbertForPreTraining.from_pretrained(tmp_path)
    assert "LayerNorm.bias" in " ".join(str(each.message) for each in said)


@pytest.mark.parametrize("name", ["SwiGLU", "adapters"])
def test_training_goes_on_to_the_same_bits(name, tmp_path):
    with swap(**CHANGES[name]):
        whole = make_trainer(tmp_path / "whole")
        whole.train(4)
        make_trainer(tmp_path / "parts").train(2)
        resumed = make_trainer(tmp_path / "parts")
        assert resumed.resume() == 2
        resumed.train(4)
    np.testing.assert_array_equal(resumed.model.params.flat, whole.model.params.flat)
    assert [n for n in whole.model.params if n.endswith(("ffn.gate", "adapter.down"))]


def test_a_run_of_a_changed_model_is_not_resumed_without_the_change(tmp_path):
    with swap(norm=RMS_NORM):
        make_trainer(tmp_path).train(1)
    with pytest.raises(
        ValueError, match=r"model.config.changed_parts.norm.forward was 'rms_norm_forward', is 'absent'"
    ):
        make_trainer(tmp_path).resume()


def test_a_wiring_of_functions_is_the_layer_of_blocks():
    with swap(layer=PRE_NORM):
        block, batch = made({})
        expected = loss_and_gradients(block.eval(), batch)
    with swap(wiring=WIRED):
        wired, _ = made({})
        wired.params.flat[...] = block.params.flat  # of one layout: one own parameter of H, in the same place
        got = loss_and_gradients(wired.eval(), batch)
        assert len(wired(**batch, output_attentions=True).attentions) > 0
    assert got[0] == expected[0]
    np.testing.assert_array_equal(got[1], expected[1])


def only_forward(dy, cache, attention, feed_forward, norm_1, norm_2):
    return dy, dy[0, 0]


def twice_back(dy, cache, attention, feed_forward, norm_1, norm_2):
    return norm_1(norm_1(dy)), dy[0, 0]


def narrow_wiring(x, scale, attention, feed_forward, norm_1, norm_2):
    return attention(x[..., :2]), None


@pytest.mark.parametrize(
    "pair, message",
    [
        ((WIRED[0], only_forward), "only_forward does not go back through attention, feed_forward, norm_1, norm_2"),
        ((WIRED[0], twice_back), "twice_back goes back through norm_1 too often"),
        ((narrow_wiring, only_forward), r"narrow_wiring: the argument of attention has shape \(.*, 2\), expected"),
    ],
)
def test_a_wiring_goes_back_through_what_it_went_through(pair, message):
    with swap(wiring=(*pair, WIRED[2])):
        model, batch = made({})
        with pytest.raises(ValueError, match=message):
            loss_and_gradients(model, batch)


# Errors, by name.


def wrong(**changes):
    """RMSNorm with a mistake."""
    functions = {"forward": rms_norm_forward, "backward": rms_norm_backward, **changes}
    return {"norm": (functions["forward"], functions["backward"], {"weight": (("W",), 1.0)})}


def no_cache(x, weight, eps):
    return x


def no_return(x, weight, eps):
    pass


def too_narrow(x, weight, eps):
    return x[..., :1], None


def in_float64(x, weight, eps):
    y, cache = rms_norm_forward(x, weight, eps)
    return y.astype(np.float64), cache


def one_gradient(dy, cache):
    return dy


def three_gradients(dy, cache):
    return dy, dy, dy


def nothing_back(dy, cache):
    pass


def unsummed(dy, cache):
    return dy, dy * cache[0]


def a_list_in_it(dy, cache):
    return dy, [0.0]


@pytest.mark.parametrize(
    "parts, message",
    [
        (wrong(forward=no_cache), r"swap\(norm=…\): no_cache returned one ndarray, expected y and cache"),
        (wrong(forward=no_return), r"no_return returned None: is a `return` missing\?, expected y and cache"),
        (wrong(forward=too_narrow), r"too_narrow: y has shape \(.*, 1\), expected"),
        (wrong(forward=in_float64), r"in_float64: y is float64, expected float32"),
        (wrong(backward=one_gradient), r"one_gradient returned 1 gradients, expected 2: dx, dweight"),
        (wrong(backward=three_gradients), r"three_gradients returned 3 gradients, expected 2: dx, dweight"),
        (wrong(backward=nothing_back), r"nothing_back returned None: is a `return` missing\?, expected 2: dx, dweight"),
        (wrong(backward=unsummed), r"swap\(norm=…\): unsummed: dweight has shape \(.*\), expected \(\d+,\)"),
        (wrong(backward=a_list_in_it), r"a_list_in_it: dweight is a list, expected an array of shape"),
    ],
)
def test_what_a_function_gives_is_named_where_it_does_not_fit(parts, message):
    with swap(**parts):
        model, batch = made({}, dtype="float32")
        with pytest.raises((TypeError, ValueError), match=message):
            loss_and_gradients(model, batch)


def takes_bias(x, weight, bias, eps):
    return x, None


def turned_around(x, value, gate, out):
    return x, None


def early_layer_forward(x, pattern, p, config, rng=None):
    return early_helper(x, p, config), None


def early_helper(x, p, config):
    return early_norm_forward(x, p.scope("full_layer_layer_norm."), config)[0]


def early_layer_backward(dy, cache, g):
    return early_norm_backward(dy, cache, g)


@pytest.mark.parametrize(
    "parts, error, message",
    [
        ({}, ValueError, r"swap\(\) replaces nothing: give one of norm, activation, attention, .* schedule"),
        ({"norm": rms_norm_forward}, TypeError, r"norm=.*: must be \(forward, backward\), or"),
        ({"norm": (1, 2)}, TypeError, r"norm=\(1, 2\): must be"),
        (
            wrong(forward=takes_bias),
            TypeError,
            r"norm=….: takes_bias must take \(x, weight, eps\), it takes \(x, weight",
        ),
        (wrong(backward=no_cache), TypeError, r"no_cache must take \(dy, cache\), it takes \(x, weight, eps\)"),
        (
            {"feed_forward": (turned_around, swiglu_backward, SWIGLU[2])},
            TypeError,
            r"turned_around must take \(x, gate, value, out\), it takes \(x, value, gate, out\)",
        ),
        ({"norm": (rms_norm_forward, rms_norm_backward, ["weight"])}, TypeError, "parameters are .'weight'., expected"),
        (
            {"norm": (*RMS_NORM[:2], {"weight": ("W",)})},
            ValueError,
            r"parameter weight=\('W',\): must be \(shape, start\)",
        ),
        ({"norm": (*RMS_NORM[:2], {"weight": (("Q",), 1)})}, ValueError, r"must be \(shape, start\), a shape of whole"),
        ({"norm": (*RMS_NORM[:2], {"a b": (("W",), 1)})}, ValueError, "'a b' is no name of a parameter"),
        ({"activation": SWISH, "feed_forward": SWIGLU}, ValueError, "activation= has its place in what feed_forward="),
        ({"wiring": WIRED, "layer": PRE_NORM}, ValueError, "layer= and wiring= have the same place"),
        (
            {"wiring": (WIRED[0], swiglu_backward, WIRED[2])},
            TypeError,
            r"must take \(dy, cache, attention, feed_forward, norm_1",
        ),
        ({"schedule": (0, 2)}, ValueError, r"schedule=\(0, 2\): must give each layer step its group"),
        (
            {"norm": RMS_NORM, "layer": (early_layer_forward, early_layer_backward)},
            ValueError,
            r"swap\(layer=…\): early_layer_forward uses norm_forward as it was before the swap: .* layers.norm_forward",
        ),
    ],
)
def test_a_swap_that_cannot_be_is_named_and_changes_nothing(parts, error, message):
    with pytest.raises(error, match=message):
        swap(**parts)
    assert change_in_force() is None


def test_functions_without_a_signature_are_taken_at_their_word():
    class Remote:
        def __init__(self, function):
            self.function = function

        def __call__(self, *arguments):
            return self.function(*arguments)

    with swap(norm=(Remote(rms_norm_forward), Remote(rms_norm_backward), {"weight": (("W",), 1.0)})):
        model, batch = made({})
        assert model.config.extra[KEY]["norm"]["forward"] == "Remote"
        assert all(row.ok for row in check_model(model.eval(), batch, samples=1))


def test_heads_with_a_norm_of_their_own_keep_it():
    with swap(norm=RMS_NORM):
        names = AlbertForQuestionAnsweringV2(small_config(num_labels=2)).params
    assert "end_logits.LayerNorm.bias" in names


def test_adapters_begin_as_albert():
    config = small_config()
    ids = np.arange(5, 9)[None]
    plain = AlbertModel(config, seed=1).eval()(ids).last_hidden_state
    with swap(layer=ADAPTERS):
        assert np.array_equal(AlbertModel(config, seed=1).eval()(ids).last_hidden_state, plain)


def test_config_keeps_its_extra_fields_beside_the_record():
    with swap(norm=RMS_NORM):
        model = AlbertModel(AlbertConfig(**{**small_config().to_dict(), "note": "mine"}))
    assert model.config.extra.keys() >= {"note", KEY}


@pytest.mark.parametrize(
    "source, said",
    [
        ("x = (\n", "line 1: '\\(' was never closed"),
        ("x = 1\0", "null byte"),
        (f"x = {'-' * 200_000}1", "nested|complex"),
    ],
)
def test_a_change_that_is_not_python_is_named(source, said, tmp_path):
    path = tmp_path / "change.py"
    path.write_text(source)
    with pytest.raises(ValueError, match=rf"^change\.py.*{said}"):
        ChangeFile.read(path)
