"""What users of Hugging Face reach for works under its name, or an AttributeError says where it is."""

import json

import numpy as np
import pytest

from albert_np.gradcheck import inputs_of, randomize, small_batch, small_config
from albert_np.model import (
    AlbertForMaskedLM,
    AlbertForMultipleChoice,
    AlbertForPreTraining,
    AlbertForQuestionAnswering,
    AlbertForQuestionAnsweringV2,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    AlbertModel,
)

IDS = np.array([[2, 5, 7, 3], [2, 9, 3, 0]])
WORDS = "embeddings.word_embeddings.weight"


def small_model(cls=AlbertModel, **changes):
    return randomize(cls(small_config(**changes), dtype="float64")).eval()


@pytest.mark.parametrize(
    "cls, labels, names",
    [
        (AlbertModel, {}, ("last_hidden_state", "pooler_output")),
        (AlbertForPreTraining, {}, ("prediction_logits", "sop_logits")),
        (
            AlbertForPreTraining,
            {"labels": IDS, "sentence_order_label": [0, 1]},
            ("loss", "prediction_logits", "sop_logits"),
        ),
        (AlbertForMaskedLM, {"labels": IDS}, ("loss", "logits")),
        (AlbertForSequenceClassification, {"labels": [0, 1]}, ("loss", "logits")),
        (AlbertForTokenClassification, {}, ("logits",)),
        (
            AlbertForQuestionAnswering,
            {"start_positions": [1, 2], "end_positions": [1, 2]},
            ("loss", "start_logits", "end_logits"),
        ),
        (
            AlbertForQuestionAnsweringV2,
            {"start_positions": [1, 2], "end_positions": [1, 2], "is_impossible": [0, 0]},
            ("loss", "start_logits", "end_logits", "cls_logits"),
        ),
    ],
)
def test_outputs_are_read_by_number_and_by_name_in_hugging_faces_order(cls, labels, names):
    out = small_model(cls)(IDS, **labels)
    assert out.keys() == names
    assert len(out) == len(names)
    assert out[0] is getattr(out, names[0])
    assert out[names[-1]] is out[-1] is getattr(out, names[-1])
    for one, other in zip(out.to_tuple(), [getattr(out, name) for name in names], strict=True):
        assert one is other
    assert [id(x) for x in out] == [id(x) for x in out[:]] == [id(value) for _, value in out.items()]
    assert list({**out}) == list(dict(out)) == list(names)
    assert names[0] in out
    assert "hidden_states" not in out
    with pytest.raises(KeyError, match=f"hidden_states: this output has {names[0]}"):
        out["hidden_states"]


def test_an_output_unpacks_into_its_arrays():
    loss, logits = small_model(AlbertForMaskedLM)(IDS, labels=IDS)
    assert logits.shape == (2, 4, 23)
    assert loss.shape == ()


def test_logits_that_nobody_asks_for_are_not_computed():
    out = small_model(AlbertForMaskedLM)(IDS, labels=IDS, output_hidden_states=True)
    assert out[0] is out["loss"] is out.loss
    assert out.keys() == ("loss", "logits", "hidden_states")
    assert len(out[-1]) == 3
    assert "logits" not in vars(out)
    assert out[1].shape == (2, 4, 23)


def test_what_a_call_shows_is_as_the_config_says_if_the_call_does_not():
    model = small_model(output_hidden_states=True, output_attentions=True)
    out = model(IDS)
    assert len(out.hidden_states) == len(out.attentions) + 1 == 3
    assert model(IDS, output_attentions=False, grad=False).attentions is None
    assert model(IDS, output_hidden_states=False).keys() == ("last_hidden_state", "pooler_output", "attentions")
    assert small_model()(IDS).hidden_states is None


@pytest.mark.parametrize("cls", [AlbertForPreTraining, AlbertModel])
def test_a_state_dict_loads_into_another_model(cls):
    model, other = small_model(cls, sharing="ffn"), cls(small_config(sharing="ffn"), seed=1)
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(other.params.flat, model.params.flat.astype(np.float32))
    assert dict(model.named_parameters()).keys() == model.params.keys()
    assert model.num_parameters() == sum(weight.size for weight in model.parameters())
    other.load_state_dict({name: weight.tolist() for name, weight in model.params.items()})


def test_a_state_dict_that_does_not_fit_is_refused_before_anything_is_written():
    model = small_model(AlbertForMaskedLM)
    before = model.params.flat.copy()
    state = {name: weight + 1 for name, weight in model.state_dict().items()}
    decoder = "predictions.decoder.weight"
    with pytest.raises(TypeError, match="state must be a dict name → array, got a list"):
        model.load_state_dict([1])
    for changes, message in (
        ({"mystery": np.ones(2)}, "unexpected: mystery"),
        ({"predictions.bias": np.ones(2)}, r"of another shape: predictions\.bias \(2,\) \(expected \(23,\)\)"),
        ({decoder: state[decoder] + 1}, f"{decoder} differs from albert.{WORDS}, to which the config ties it"),
        ({"predictions.bias": [[1, 2], [3]]}, "its rows have 1 to 2 numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            model.load_state_dict(state | changes)
    with pytest.raises(ValueError, match=r"missing: predictions\.dense\.bias"):
        model.load_state_dict({name: weight for name, weight in state.items() if name != "predictions.dense.bias"})
    np.testing.assert_array_equal(model.params.flat, before)
    found = model.load_state_dict({"predictions.dense.bias": np.zeros(6), "mystery": np.ones(2)}, strict=False)
    assert not model.params["predictions.dense.bias"].any()
    assert found.unexpected_keys == ["mystery"]
    assert found.missing_keys == [name for name in model.params if name != "predictions.dense.bias"]


def test_the_names_that_a_state_dict_lacks_are_counted_once_where_they_are_tied():
    model = small_model(AlbertForMaskedLM)
    state = model.state_dict()
    assert model.load_state_dict(state) == ([], [])
    del state["predictions.decoder.weight"], state["predictions.bias"]  # as safetensors store them
    assert model.load_state_dict(state, strict=False) == ([], [])


def test_the_table_of_words_looks_ids_up():
    model = small_model(AlbertForMaskedLM)
    words = model.get_input_embeddings()
    assert words.weight is model.params[f"albert.{WORDS}"]
    embeds = model(inputs_embeds=words(IDS)).last_hidden_state
    np.testing.assert_array_equal(embeds, model(IDS).last_hidden_state)


def test_modes_and_places_by_their_pytorch_names():
    model = small_model()
    assert model.train().training
    assert not model.train(False).training
    model(IDS)
    model.grads.flat[...] = 1
    assert model.to("cpu") is model.to("numpy") is model
    assert model.grads.flat.all()
    with pytest.raises(ValueError, match="backend='tpu' is unknown"):
        model.to("tpu")


@pytest.mark.parametrize(
    "name, hint",
    [
        ("cuda", r'model\.to\("cupy"\)'),
        ("gradient_checkpointing_enable", 'model.recompute = "layer"'),
        ("get_output_embeddings", r'model\.params\["predictions\.decoder\.weight"\]'),
        ("albert", r'model\.params\.scope\("albert\."\)'),
        ("predictions", r'model\.params\.scope\("predictions\."\)'),
        ("num_labels", r"model\.config\.num_labels"),
        ("requires_grad_", r"the optimizer's: AdamW\(…, frozen=names\)"),
    ],
)
def test_what_has_another_name_here_is_told(name, hint):
    model = small_model(AlbertForMaskedLM)
    assert not hasattr(model, name)
    with pytest.raises(AttributeError, match=f"AlbertForMaskedLM has no attribute '{name}'; here that is {hint}"):
        getattr(model, name)
    with pytest.raises(AttributeError, match=r"no attribute 'nothing'$"):
        _ = model.nothing


def test_the_size_of_files_is_given_as_hugging_face_does(tmp_path):
    model = small_model()
    for size in (3000, "3KB", "3 kb"):
        model.save_pretrained(tmp_path / str(size), max_shard_size=size)
        files = sorted((tmp_path / str(size)).glob("*.safetensors"))
        assert len(files) > 1
    model.save_pretrained(tmp_path / "one", max_shard_size="5GB")
    assert (tmp_path / "one" / "model.safetensors").exists()
    with pytest.raises(ValueError, match="max_shard_size='5XB': must be a number of bytes, or one with KB"):
        model.save_pretrained(tmp_path / "two", max_shard_size="5XB")
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("cls", [AlbertForTokenClassification, AlbertForMultipleChoice])
def test_a_head_of_another_size_is_made_anew_if_that_is_allowed(cls, tmp_path):
    model = small_model(AlbertForSequenceClassification, num_labels=3)
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"shape \(ignore_mismatched_sizes=True makes them anew\): classifier\.bias"):
        cls.from_pretrained(tmp_path, num_labels=5)
    with pytest.warns(UserWarning, match=r"of another shape in .*newly initialised: classifier\.bias \(3,\)"):
        other = cls.from_pretrained(tmp_path, num_labels=5, ignore_mismatched_sizes=True)
    assert other.config.id2label[4] == "LABEL_4"
    name = f"albert.{WORDS}"
    np.testing.assert_array_equal(other.params[name], model.params[name].astype(np.float32))


def test_what_no_model_has_is_left_out_with_a_warning_that_names_it(tmp_path):
    model = small_model(AlbertForSequenceClassification)
    model.save_pretrained(tmp_path)
    state = {**model.params, "adapter.weight": np.ones(3)}
    from safetensors.numpy import save_file

    save_file(state, tmp_path / "model.safetensors")
    with pytest.warns(UserWarning, match=r"but in no model, so not used: adapter\.weight$"):
        AlbertForSequenceClassification.from_pretrained(tmp_path)


def test_arguments_that_are_neither_loading_nor_config_are_refused(tmp_path):
    small_model().save_pretrained(tmp_path)
    with pytest.raises(TypeError, match="num_heads=3: neither an argument nor a field of AlbertConfig"):
        AlbertModel.from_pretrained(tmp_path, num_heads=3)
    with pytest.raises(TypeError, match="takes no torch_dtype='float32': here that is dtype="):
        AlbertModel.from_pretrained(tmp_path / "gone", torch_dtype="float32")
    with pytest.raises(TypeError, match=r"AlbertModel's call takes no return_dict=False: leave it out: .*to_tuple\(\)"):
        small_model()(IDS, return_dict=False)


def test_a_config_that_is_given_takes_the_place_of_the_stored_one(tmp_path):
    model = small_model(AlbertForSequenceClassification)
    model.save_pretrained(tmp_path, dtype="float64")
    config = small_config(num_labels=2, hidden_act="relu")
    other = AlbertForSequenceClassification.from_pretrained(
        tmp_path, dtype="float64", config=config, hidden_dropout_prob=0.5
    )
    assert (other.config.hidden_act, other.config.hidden_dropout_prob) == ("relu", 0.5)
    assert config.hidden_dropout_prob == small_config().hidden_dropout_prob
    np.testing.assert_array_equal(other.params.flat, model.params.flat)
    with pytest.raises(TypeError, match=r"config must be an albert_np\.AlbertConfig, got one of builtins\.dict"):
        AlbertModel.from_pretrained(tmp_path / "gone", config={"num_labels": 2})


@pytest.mark.parametrize(
    "cls, changes, message",
    [
        (AlbertForSequenceClassification, {"num_labels": 5}, r"classifier\.bias \(2,\) \(the config means \(5,\)\)"),
        (AlbertForMaskedLM, {"tie_word_embeddings": False}, r"decoder\.weight missing \(the config means \(23, 6\)\)"),
        (AlbertModel, {"num_hidden_groups": 2}, r"albert_layer_groups\.1\..* missing"),
        (AlbertModel, {"hidden_act": "none"}, r"hidden_act='none': allowed are"),
    ],
)
def test_a_config_that_left_its_weights_is_not_saved_with_them_nor_resized(cls, changes, message, tmp_path):
    model = small_model(cls)
    for name, value in changes.items():
        setattr(model.config, name, value)
    with pytest.raises(ValueError, match=message):
        model.save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()
    with pytest.raises(ValueError, match=message):
        model.resize_token_embeddings(30)
    assert model.get_input_embeddings().weight.shape == (23, 6)


def test_what_shared_weights_fit_as_well_is_saved(tmp_path):
    model = small_model()
    model.config.num_hidden_layers, model.config.num_labels = 5, 7
    model.save_pretrained(tmp_path)
    config = AlbertModel.from_pretrained(tmp_path).config
    assert (config.num_hidden_layers, config.num_labels) == (5, 7)


@pytest.mark.parametrize("cls", [AlbertForMaskedLM, AlbertForPreTraining])
def test_an_untied_decoder_has_a_weight_and_a_gradient_of_its_own(cls, tmp_path):
    model = small_model(cls, tie_word_embeddings=False)
    words, decoder = f"albert.{WORDS}", "predictions.decoder.weight"
    assert not np.array_equal(model.params[words], model.params[decoder])
    batch = inputs_of(model, small_batch(model.config))
    model(**batch)
    model.backward()
    assert not model.grads[words][model.config.pad_token_id].any()  # no decoder adds to it
    assert model.grads[decoder][model.config.pad_token_id].any()
    model.save_pretrained(tmp_path, dtype="float64")
    again = cls.from_pretrained(tmp_path, dtype="float64")
    np.testing.assert_array_equal(again.params.flat, model.params.flat)
    (tmp_path / "config.json").write_text(
        json.dumps({**json.loads((tmp_path / "config.json").read_text()), "tie_word_embeddings": True})
    )
    with pytest.raises(ValueError, match=rf"{decoder} differs from {words}, to which the config ties it"):
        cls.from_pretrained(tmp_path)


def test_an_untied_checkpoint_of_hugging_faces_reads_the_decoders_bias(tmp_path):
    """transformers 5 then stores two biases, and its forward pass reads the decoder's."""
    model = small_model(AlbertForMaskedLM, tie_word_embeddings=False)
    model.save_pretrained(tmp_path, dtype="float64")
    from safetensors.numpy import save_file

    state = {name: np.array(weight) for name, weight in model.state_dict().items()}
    assert "predictions.decoder.bias" in state
    state["predictions.bias"] += 1
    save_file(state, tmp_path / "model.safetensors")
    again = AlbertForMaskedLM.from_pretrained(tmp_path, dtype="float64")
    np.testing.assert_array_equal(again(IDS).logits, model(IDS).logits)


def test_new_rows_are_drawn_around_the_mean_of_the_old():
    model = small_model(AlbertForMaskedLM)
    name = f"albert.{WORDS}"
    old, bias = model.params[name].copy(), model.params["predictions.bias"].copy()
    model.resize_token_embeddings(2023, pad_to_multiple_of=64)
    assert model.config.vocab_size == 2048
    new = model.params[name][23:]
    np.testing.assert_array_equal(model.params[name][:23], old)
    covariance = np.cov(old.T, ddof=0)
    np.testing.assert_allclose(np.cov(new.T), 1e-9 * covariance, atol=2e-10 * covariance.max())
    np.testing.assert_allclose(new.mean(axis=0), old.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(model.params["predictions.bias"][23:], bias.mean(), atol=1e-8)
    assert model.resize_token_embeddings(pad_to_multiple_of=100).weight.shape == (2100, 6)
    model.resize_token_embeddings(2200, mean_resizing=False)
    assert model.params[name][2100:].std() == pytest.approx(model.config.initializer_range, rel=0.2)
    with pytest.raises(ValueError, match="pad_to_multiple_of=0 must be a whole number of at least 1"):
        model.resize_token_embeddings(30, pad_to_multiple_of=0)


@pytest.mark.parametrize("size", ["9", 0, -1, True, 2.0])
def test_a_vocabulary_of_no_whole_number_is_refused(size):
    model = AlbertModel(small_config())
    with pytest.raises(ValueError, match=r"vocab_size=.* must be a whole number"):
        model.resize_token_embeddings(size)
