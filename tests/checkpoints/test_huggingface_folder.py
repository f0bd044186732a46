import functools
import json
import mmap
import os
from contextlib import suppress

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from toys.torch import plain_dict, storage, tensor, write_zip

from albert_np.checkpoints import huggingface
from albert_np.checkpoints.huggingface import read_config, read_folder, read_weights, write_folder
from albert_np.gradcheck import randomize, small_config
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining, AlbertForSequenceClassification, AlbertModel

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

    def full_disk(path, arrays, dtype):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(huggingface, "write_safetensors", full_disk)
    with pytest.raises(OSError, match="No space left"):
        AlbertForPreTraining(small_config()).save_pretrained(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def some_weights():
    rng = np.random.default_rng(0)
    return {"a": rng.normal(size=(4, 3)), "b": rng.normal(size=7), "c": rng.normal(size=(2, 5)), "d": np.zeros(())}


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("max_shard_bytes", [None, 50])
def test_weights_are_written_in_the_asked_type_in_one_file_or_several(dtype, max_shard_bytes, tmp_path):
    weights = some_weights()
    write_folder(tmp_path, small_config(), "AlbertModel", weights, dtype, max_shard_bytes)
    read = read_weights(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == dtype
    assert (tmp_path / "model.safetensors").exists() == (max_shard_bytes is None)
    for name, array in weights.items():
        assert read[name].dtype == dtype
        np.testing.assert_array_equal(read[name], array.astype(dtype))


def test_bfloat16_rounds_to_nearest_even_and_keeps_what_is_not_finite(tmp_path):
    given = [1, 1 + 2**-8, 1 + 2**-8 + 2**-20, 1 + 3 * 2**-8, -1 - 2**-8, 2**-133, -0.0, np.inf, -np.inf, np.nan]
    expected = [1, 1, 1 + 2**-7, 1 + 2**-6, -1, 2**-133, -0.0, np.inf, -np.inf, np.nan]
    patterns = np.array([0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF], np.uint32).view(np.float32)  # NaNs that rounding ruins
    write_folder(tmp_path, small_config(), "X", {"x": np.array(given, np.float32), "nan": patterns}, "bfloat16")
    read = read_weights(tmp_path)
    np.testing.assert_array_equal(read["x"], expected)
    assert np.signbit(read["x"][6])
    assert np.isnan(read["nan"]).all()


@pytest.mark.parametrize("dtype, largest", [("float16", 65504.0), ("bfloat16", 3.3895313892515355e38)])
def test_a_number_too_large_for_the_type_is_refused_by_name(dtype, largest, tmp_path):
    write_folder(tmp_path, small_config(), "X", {"fits": np.array([largest, -np.inf])}, dtype)
    before = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(ValueError, match=rf"^large does not fit {dtype}: it holds numbers as large as 3\.4e\+38"):
        write_folder(tmp_path, small_config(), "X", {"fits": np.ones(2), "large": np.array([1, -3.4e38])}, dtype)
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_arrays_are_read_only_views_of_the_mapped_file(tmp_path):
    write_folder(tmp_path, small_config(), "X", some_weights())
    array = base = read_weights(tmp_path)["a"]
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap.mmap)
    assert not array.flags.writeable


def test_types_and_sizes_that_cannot_be_written_are_refused(tmp_path):
    folder = tmp_path / "new"
    with pytest.raises(ValueError, match=r"dtype='int8': allowed are float64, float32, float16, bfloat16"):
        write_folder(folder, small_config(), "X", some_weights(), "int8")
    with pytest.raises(ValueError, match=r"max_shard_bytes=0: must be a whole number of at least 1"):
        write_folder(folder, small_config(), "X", some_weights(), max_shard_bytes=0)
    assert not folder.exists()


@pytest.mark.parametrize("weights", [{}, {"a": np.ones(2, complex)}, {"a": np.array(["x"])}])
def test_what_are_no_weights_is_refused_with_nothing_written(weights, tmp_path):
    with pytest.raises(ValueError, match=r"weights are empty|a is of type .*: only real numbers can be written"):
        write_folder(tmp_path / "out", small_config(), "X", weights, "float32")
    assert not list(tmp_path.iterdir())


def test_files_hold_at_most_what_was_asked_and_the_index_adds_up(tmp_path):
    write_folder(tmp_path, small_config(), "X", some_weights(), "float32", 72)
    names = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 4 * (12 + 7 + 10 + 1)
    assert index["weight_map"] == {"a": names[0], "b": names[1], "c": names[1], "d": names[1]}
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == names


@pytest.mark.parametrize("then", [None, 60, 100])
@pytest.mark.parametrize("first", [None, 60])
def test_files_of_an_earlier_layout_go(first, then, tmp_path):
    write_folder(tmp_path, small_config(), "X", some_weights(), "float32", first)
    later = {name: np.asarray(array + 1) for name, array in some_weights().items()}
    write_folder(tmp_path, small_config(), "X", later, "float64", then)
    read = read_weights(tmp_path)
    for name in later:
        np.testing.assert_array_equal(read[name], later[name])
    index = tmp_path / "model.safetensors.index.json"
    listed = set(json.loads(index.read_text())["weight_map"].values()) if index.exists() else {"model.safetensors"}
    assert {path.name for path in tmp_path.glob("*.safetensors")} == listed
    assert not list(tmp_path.glob(".*"))


class Killed(BaseException):
    """What nothing handles."""


@pytest.mark.parametrize("first, then", [(None, None), (60, None), (None, 60), (60, 40)])
def test_a_save_over_another_model_that_is_killed_never_leaves_a_mixture(first, then, tmp_path, monkeypatch):
    operations = [(os, "replace"), (os, "unlink"), (os, "rmdir")]
    originals = {name: getattr(module, name) for module, name in operations}
    old, new = (
        (small_config(layer_norm_eps=eps), {name: w + eps for name, w in some_weights().items()}) for eps in (0.5, 0.25)
    )
    seen = set()
    for last in range(20):
        folder, left = tmp_path / str(last), iter(range(last))

        def step(name, *arguments, left=left, **options):
            if next(left, None) is None:
                raise Killed
            return originals[name](*arguments, **options)

        write_folder(folder, old[0], "X", old[1], max_shard_bytes=first)
        with monkeypatch.context() as patch:
            for module, name in operations:
                patch.setattr(module, name, functools.partial(step, name))
            with suppress(Killed):
                write_folder(folder, new[0], "X", new[1], max_shard_bytes=then)
        if not (folder / "config.json").exists():
            with pytest.raises(FileNotFoundError, match=r"holds no config\.json"):
                read_folder(folder)
            seen.add("nothing")
        else:
            _, _, config, weights, _ = read_folder(folder)
            right = old if config.layer_norm_eps == 0.5 else new
            assert {n: w.tolist() for n, w in weights.items()} == {n: w.tolist() for n, w in right[1].items()}
            seen.add(config.layer_norm_eps)
    assert seen == {"nothing", 0.5, 0.25}
    write_folder(folder, old[0], "X", old[1], max_shard_bytes=first)
    assert not list(folder.glob(".*"))


def test_a_folder_whose_writer_was_killed_says_so(tmp_path):
    (tmp_path / ".partial-files").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds no config\.json; a model was being written there when"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    "prefix, maker", [("module.", "DataParallel"), ("_orig_mod.", "compile"), ("bert.", "save the")]
)
@pytest.mark.parametrize("trunk", ["albert.", ""])
def test_names_saved_from_within_something_else_are_told_by_their_beginning(prefix, maker, trunk, tmp_path):
    weights = {f"{prefix}{trunk}embeddings.word_embeddings.weight": np.zeros((2, 2), np.float32)}
    write_folder(tmp_path, small_config(), "X", weights)
    with pytest.raises(ValueError, match=rf"model\.safetensors begin with '{prefix}'.*{maker}"):
        read_weights(tmp_path)


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\nb", "a" * 201, "\u2028"])
def test_a_name_that_no_tensor_has_is_refused(name, tmp_path):
    write_folder(tmp_path, small_config(), "X", {name: np.zeros(2)})
    with pytest.raises(ValueError, match=r"\.safetensors holds a tensor named '[!-~]+'…: allowed are 200 characters"):
        read_weights(tmp_path)


def test_one_file_of_a_model_is_not_its_folder(folder):
    for name in ("model.safetensors", "config.json"):
        with pytest.raises(NotADirectoryError, match=rf"{name} is one file of a model; give the folder"):
            read_weights(folder / name)


def test_files_are_readable_by_those_whom_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        write_folder(tmp_path, small_config(), "X", some_weights(), max_shard_bytes=60)
    finally:
        os.umask(before)
    assert {oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {"0o640"}


def test_safetensors_come_before_pytorchs_format_and_one_file_before_several(tmp_path):
    for number, name in enumerate(["model.safetensors", "part.safetensors"]):
        save_file({"x": np.full(1, number, np.float32)}, tmp_path / name)
    for number, name in enumerate(["pytorch_model.bin", "part.bin"], 2):
        value = np.full(1, number, np.float32).tobytes()
        write_zip(tmp_path / name, plain_dict({"x": tensor(storage("Float", "0", 1), (1,), (1,))}), {"0": value})
    for kind in ("model.safetensors", "pytorch_model.bin"):
        part = "part." + kind.rpartition(".")[2]
        (tmp_path / f"{kind}.index.json").write_text(json.dumps({"weight_map": {"x": part}}))
    order = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"]
    for number, name in enumerate(order):
        assert read_weights(tmp_path)["x"] == number
        (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match="holds no " + " nor ".join(order) + "$"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    "file, hint", [("tf_model.h5", "tf_model.h5 is not read"), ("model.ckpt-best.index", "`albert-np convert`")]
)
def test_other_frameworks_files_are_named_where_they_are_all_there_is(file, hint, tmp_path):
    (tmp_path / file).touch()
    with pytest.raises(FileNotFoundError, match=hint):
        read_weights(tmp_path)


@pytest.mark.parametrize("layout", ["tf", "flax"])
def test_safetensors_laid_out_for_another_framework_are_refused(layout, tmp_path):
    save_file({"albert/embeddings/weight:0": np.ones(1)}, tmp_path / "model.safetensors", {"format": layout})
    with pytest.raises(ValueError, match=rf"model\.safetensors .*: its weights are laid out for {layout}; "):
        read_weights(tmp_path)


def test_old_names_are_read_as_current_ones_and_stored_constants_are_left_out(tmp_path):
    old = ["LayerNorm.gamma", "LayerNorm.beta", "full_layer_layer_norm.gamma", "gamma", "embeddings.position_ids"]
    save_file({name: np.ones(1) for name in old}, tmp_path / "model.safetensors")
    current = {"LayerNorm.weight", "LayerNorm.bias", "full_layer_layer_norm.weight", "gamma"}
    assert set(read_weights(tmp_path)) == current


def test_an_old_and_a_new_name_of_one_weight_are_refused(tmp_path):
    save_file({"LayerNorm.gamma": np.ones(1), "LayerNorm.weight": np.ones(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"model\.safetensors holds LayerNorm\.weight twice"):
        read_weights(tmp_path)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("max_shard_bytes", [None, 2000])
def test_hugging_face_loads_what_we_write(dtype, max_shard_bytes, tmp_path, torch, transformers):
    model = randomize(AlbertForPreTraining(small_config()))
    write_folder(tmp_path, model.config, "AlbertForPreTraining", dict(model.params), dtype, max_shard_bytes)
    theirs, info = transformers.AlbertForPreTraining.from_pretrained(
        tmp_path, dtype=getattr(torch, dtype), output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    for name, value in theirs.named_parameters():
        assert torch.equal(value, torch.from_numpy(model.params[name]).to(getattr(torch, dtype))), name


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("cls", CLASSES)
def test_we_load_what_hugging_face_writes(dtype, cls, tmp_path, torch, transformers):
    config = small_config(num_hidden_layers=2, num_hidden_groups=2).to_dict()
    theirs = getattr(transformers, cls.__name__)(transformers.AlbertConfig(**config)).to(getattr(torch, dtype))
    theirs.save_pretrained(tmp_path, max_shard_size="4KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    ours = cls.from_pretrained(tmp_path)
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.params[name], value.float().numpy(), err_msg=name)


def test_we_load_the_pytorch_files_that_hugging_face_writes(tmp_path, transformers):
    hub = pytest.importorskip("huggingface_hub")
    theirs = transformers.AlbertForPreTraining(transformers.AlbertConfig(**small_config().to_dict()))
    theirs.config.save_pretrained(tmp_path)
    hub.save_torch_state_dict(theirs.state_dict(), tmp_path, max_shard_size="4KB", safe_serialization=False)
    assert (tmp_path / "pytorch_model.bin.index.json").exists()
    ours = AlbertForPreTraining.from_pretrained(tmp_path)
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.params[name], value.numpy(), err_msg=name)


@pytest.mark.parametrize("changes", [{"vocab_size": 10**8}, {"hidden_size": 12 * 10**4}, {"num_hidden_layers": 10**4}])
def test_sizes_that_the_weights_do_not_have_are_refused_before_anything_is_made(folder, changes):
    config = json.loads((folder / "config.json").read_text())
    changes |= {"num_hidden_groups": 10**4} if "num_hidden_layers" in changes else {}
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(ValueError, match="do not fit"):
        AlbertModel.from_pretrained(folder)


def test_fields_can_be_changed_on_loading(folder):
    with pytest.warns(UserWarning, match="newly initialised: classifier"):
        model = AlbertForSequenceClassification.from_pretrained(folder, num_labels=3, classifier_dropout_prob=0.5)
    assert model.params["classifier.weight"].shape[0] == 3
    assert model.config.classifier_dropout_prob == 0.5
