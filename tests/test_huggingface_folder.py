import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining, AlbertModel
from albert_np.verify import randomize, small_config

CLASSES = [AlbertModel, AlbertForPreTraining, AlbertForMaskedLM]


@pytest.fixture
def folder(tmp_path):
    randomize(AlbertForPreTraining(small_config(num_hidden_layers=2, num_hidden_groups=2))).save_pretrained(tmp_path)
    return tmp_path


def edit(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("sharing", ["all", "attention", "ffn", "none"])
def test_saving_and_loading_gives_the_same_bits(cls, sharing, tmp_path):
    model = randomize(cls(small_config(sharing=sharing)))
    model.save_pretrained(tmp_path)
    again = cls.from_pretrained(tmp_path)
    assert again.config == model.config.from_dict(json.loads((tmp_path / "config.json").read_text()))
    assert again.config.sharing == sharing
    assert (again.params.flat == model.params.flat).all()
    assert not again.training


def test_names_are_hugging_faces_without_the_tied_decoder(folder):
    names = set(load_file(folder / "model.safetensors"))
    assert "predictions.decoder.weight" not in names
    assert not [name for name in names if "query_key_value" in name]
    assert len(names) == 7 + 2 * 16 + 2 + 5 + 2


def test_what_sharing_ties_is_written_out(tmp_path):
    AlbertModel(small_config(num_hidden_layers=3, sharing="attention")).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    first, last = (weights[f"encoder.albert_layer_groups.{g}.albert_layers.0.attention.query.weight"] for g in (0, 2))
    assert (first == last).all()


def test_a_model_loads_from_a_folder_of_another_class(folder):
    source = AlbertForPreTraining.from_pretrained(folder)
    bare = AlbertModel.from_pretrained(folder)
    for name in bare.params:
        assert (bare.params[name] == source.params["albert." + name]).all()
    masked = AlbertForMaskedLM.from_pretrained(folder)
    assert (masked.params["predictions.bias"] == source.params["predictions.bias"]).all()


def test_weights_of_a_missing_head_are_named_in_a_warning(tmp_path):
    AlbertModel(small_config()).save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"newly initialised: predictions\.dense\.weight, .*sop_classifier"):
        AlbertForPreTraining.from_pretrained(tmp_path)


def test_dtype_is_converted_on_loading(folder):
    double = AlbertForPreTraining.from_pretrained(folder, dtype="float64")
    assert double.dtype == np.float64
    double.save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float64"


def test_weights_and_config_that_disagree_are_listed_by_name(folder):
    def rename(weights):
        weights["albert.mystery"] = weights.pop("albert.embeddings.LayerNorm.bias")
        weights["predictions.bias"] = np.zeros(5, np.float32)

    edit(folder, rename)
    with pytest.raises(ValueError, match="do not fit") as caught:
        AlbertForPreTraining.from_pretrained(folder)
    message = str(caught.value)
    assert "missing: albert.embeddings.LayerNorm.bias" in message
    assert "unexpected: albert.mystery" in message
    assert "predictions.bias (5,) (expected (23,))" in message


def test_a_group_too_many_is_not_dropped_silently(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_groups": 1}))
    with pytest.raises(ValueError, match=r"unexpected: albert\.encoder\.albert_layer_groups\.1"):
        AlbertForPreTraining.from_pretrained(folder)


def test_weights_that_differ_are_not_tied_silently(tmp_path):
    randomize(AlbertModel(small_config(sharing="none"))).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "sharing": "ffn"}))
    with pytest.raises(ValueError, match=r"groups\.1.* differs from .*groups\.0.*, to which sharing ties it"):
        AlbertModel.from_pretrained(tmp_path)


def test_a_folder_without_its_files_is_refused_by_name(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        AlbertModel.from_pretrained(tmp_path / "nowhere")
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no model\.safetensors"):
        AlbertModel.from_pretrained(folder)


def test_a_truncated_file_is_refused_by_name(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read as safetensors"):
        AlbertModel.from_pretrained(folder)


def test_a_failed_save_leaves_the_old_files_whole(folder, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full_disk(arrays, path, metadata):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        AlbertForPreTraining(small_config()).save_pretrained(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
