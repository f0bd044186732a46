import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from toys.torch import plain_dict, storage, tensor, write_zip

from albert_np.checkpoints import open_checkpoint
from albert_np.gradcheck import randomize, small_config
from albert_np.model import AlbertForPreTraining, class_of, convert, model_classes

CLASSES = dict(model_classes())


@pytest.mark.parametrize("name", CLASSES)
def test_a_folder_is_read_as_the_class_it_was_saved_from(name, tmp_path):
    model = randomize(CLASSES[name](small_config()))
    model.save_pretrained(tmp_path / "a")
    assert class_of(open_checkpoint(tmp_path / "a")) is CLASSES[name]
    converted = convert(tmp_path / "a", tmp_path / "b")
    again = CLASSES[name].from_pretrained(tmp_path / "b")
    for other in (converted, again):
        assert (other.params.flat == model.params.flat).all()


def test_a_config_elsewhere_goes_with_tensorflows_checkpoints_alone(tmp_path):
    randomize(AlbertForPreTraining(small_config())).save_pretrained(tmp_path / "a")
    with pytest.raises(ValueError, match=r"config_path='.*config\.json' goes with a TensorFlow checkpoint"):
        convert(tmp_path / "a", tmp_path / "b", config_path=tmp_path / "a" / "config.json")
    assert not (tmp_path / "b").exists()


def test_heads_tell_the_class_where_the_config_does_not(tmp_path):
    tell = {"AlbertForTokenClassification", "AlbertForMultipleChoice"}  # a classifier, as for sequences
    for name, cls in CLASSES.items():
        randomize(cls(small_config())).save_pretrained(tmp_path / name)
        config = json.loads((tmp_path / name / "config.json").read_text())
        del config["architectures"]
        (tmp_path / name / "config.json").write_text(json.dumps(config))
        expected = "AlbertForSequenceClassification" if name in tell else name
        assert class_of(open_checkpoint(tmp_path / name)).__name__ == expected


@pytest.mark.parametrize("dtype, error", [("float64", 0), ("float16", 1e-3), ("bfloat16", 1e-2)])
def test_other_types_and_shards(dtype, error, tmp_path):
    model = randomize(AlbertForPreTraining(small_config()))
    model.save_pretrained(tmp_path / "a")
    convert(tmp_path / "a", tmp_path / "b", dtype=dtype, max_shard_bytes=1000)
    assert (tmp_path / "b" / "model.safetensors.index.json").is_file()
    again = AlbertForPreTraining.from_pretrained(tmp_path / "b", dtype="float64")
    np.testing.assert_allclose(again.params.flat, model.params.flat, rtol=error, atol=1e-6 if error else 0)
    assert json.loads((tmp_path / "b" / "config.json").read_text())["dtype"] == dtype


def test_pytorchs_format_becomes_safetensors(tmp_path):
    model = randomize(AlbertForPreTraining(small_config()))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "config.json").write_text(json.dumps(model.config.to_dict()))
    tensors, storages = {}, {}
    for i, (name, array) in enumerate(model.params.items()):
        strides = tuple(s // 4 for s in array.strides)
        tensors[name] = tensor(storage("Float", str(i), array.size), array.shape, strides)
        storages[str(i)] = array.tobytes()
    write_zip(tmp_path / "a" / "pytorch_model.bin", plain_dict(tensors), storages)
    assert (convert(tmp_path / "a", tmp_path / "b").params.flat == model.params.flat).all()
    assert (tmp_path / "b" / "model.safetensors").is_file()


def test_nothing_is_written_over_and_nothing_half(tmp_path):
    randomize(AlbertForPreTraining(small_config())).save_pretrained(tmp_path / "a")
    with pytest.raises(FileExistsError, match="is not an empty folder"):
        convert(tmp_path / "a", tmp_path / "a")
    with pytest.raises(ValueError, match="class_name='AlbertForEverything': allowed are AlbertForMaskedLM"):
        convert(tmp_path / "a", tmp_path / "b", class_name="AlbertForEverything")
    with pytest.raises(ValueError, match="int8"):
        convert(tmp_path / "a", tmp_path / "b", dtype="int8")
    assert not (tmp_path / "b").exists()


TENSORFLOW = Path(__file__).parents[1] / "reference" / "tensorflow_checkpoints"
HEADS = {
    "pretraining": "AlbertForPreTraining",
    "module": "AlbertForPreTraining",
    "three_shards": "AlbertForPreTraining",
    "bfloat16": "AlbertModel",
    "equal_sizes": "AlbertModel",
    "glue": "AlbertForSequenceClassification",
    "squad1": "AlbertForQuestionAnswering",
    "squad2": "AlbertForQuestionAnsweringV2",
}


@pytest.mark.parametrize("name", HEADS)
def test_googles_checkpoints_become_folders_of_the_class_that_their_heads_tell(name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = convert(TENSORFLOW / name, tmp_path / name)
    assert type(model).__name__ == HEADS[name]
    again = type(model).from_pretrained(tmp_path / name)  # without a warning
    assert (again.params.flat == model.params.flat).all()
    assert again.config.hidden_act == ("relu" if name == "module" else "gelu_new")


@pytest.mark.parametrize("name", [name for name, cls in HEADS.items() if not cls.endswith("V2")])
def test_converted_folders_are_whole_for_hugging_face(name, tmp_path, torch, transformers):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = convert(TENSORFLOW / name, tmp_path / name, dtype="float64")
    load = getattr(transformers, HEADS[name]).from_pretrained
    theirs, found = load(tmp_path / name, output_loading_info=True, dtype=torch.float64)
    assert not any(found[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    ids = np.array([[2, 5, 7, 3], [2, 9, 3, 0]])
    mask = (ids > 0).astype(int)
    expected = theirs.eval()(torch.from_numpy(ids), torch.from_numpy(mask), output_hidden_states=True)
    hidden = expected.hidden_states[-1].detach().numpy()
    np.testing.assert_allclose(model.eval()(ids, mask).last_hidden_state, hidden, rtol=1e-10, atol=1e-12)
