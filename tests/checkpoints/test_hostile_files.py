"""Files made to harm end in one ValueError that names them: nothing is executed, nothing large is allocated."""

import json
import re
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file
from toys.torch import (
    call,
    name,
    number,
    ordered_dict,
    pickled,
    plain_dict,
    storage,
    tensor,
    text,
    tuple_of,
    write_before_1_6,
    write_zip,
)

from albert_np.checkpoints.huggingface import read_config, read_weights

MAX_BYTES = 64 * 2**20
MAX_SECONDS = 20.0  # what takes half a second takes this long at most while allocations are traced on a busy machine

EIGHT = np.arange(8, dtype=np.float32).tobytes()
WHERE = storage("Float", "0", 8)
DEEP = "[" * 100_000


def assert_refused(read, path, message):
    """Assert that `read` of the file's folder raises one ValueError that names it, quickly and in little memory."""
    tracemalloc.start()
    began = time.monotonic()
    try:
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))}.*{message}") as caught:
            read(path.parent)
    finally:
        seconds, (_, peak) = time.monotonic() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < MAX_BYTES + path.stat().st_size
    assert seconds < MAX_SECONDS
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()
    assert {other.name for other in path.parent.iterdir()} <= {path.name, "part.safetensors"}


def header(**entries):
    return json.dumps(entries).encode()


def entry(begin, end, shape=(1,), dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors(encoded, numbers=bytes(8), length=None):
    return struct.pack("<Q", len(encoded) if length is None else length) + encoded + numbers


LONG = header(a=entry(0, 8, (2,)), __metadata__={"x": "y" * 2**20})
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 47000000\n"
TWICE = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'
SAFETENSORS = {
    "empty": b"",
    "shorter than a length": b"\x08\0\0",
    "a header that ends early": safetensors(header(a=entry(0, 8, (2,))))[:40],
    "a length beyond the file": safetensors(b"{}", length=2**40),
    "the largest length": safetensors(b"{}", length=2**64 - 1),
    "no JSON": safetensors(b"\xff" * 64),
    "a list": safetensors(b"[]"),
    "deep nesting": safetensors(DEEP.encode()),
    "deep nesting in an entry": safetensors(b'{"a":' + DEEP.encode()),
    "an entry without a shape": safetensors(header(a={"dtype": "F32", "data_offsets": [0, 8]})),
    "offsets beyond the file": safetensors(header(a=entry(0, 16, (4,)))),
    "offsets that overlap": safetensors(header(a=entry(0, 8, (2,)), b=entry(4, 8))),
    "offsets with a hole": safetensors(header(a=entry(4, 8))),
    "offsets in reverse": safetensors(header(a=entry(8, 0, (2,)))),
    "a negative offset": safetensors(header(a=entry(-8, 0, (2,)))),
    "numbers nobody owns": safetensors(header(a=entry(0, 4))),
    "a shape that needs more bytes": safetensors(header(a=entry(0, 8, (3,)))),
    "a negative shape": safetensors(header(a=entry(0, 8, (-1, -2)))),
    "10^18 numbers": safetensors(header(a=entry(0, 8, (10**9, 10**9)))),
    "a size that overflows": safetensors(header(a=entry(0, 8, (2**33, 2**33)))),
    "more axes than NumPy has": safetensors(header(a=entry(0, 8, (2,) + (1,) * 70))),
    "an unknown type": safetensors(header(a=entry(0, 8, (1,), "F128"))),
    "a type that a terminal obeys": safetensors(header(a=entry(0, 8, (2,), "\x1b[31m"))),
    "a type that NumPy has not": safetensors(header(a=entry(0, 8, (8,), "F8_E4M3"))),
    "one name twice": safetensors(TWICE),
    "a header beyond all sense": safetensors(LONG),
    "a pointer": POINTER,
    "a web page": b"<!DOCTYPE html><html>",
    "a list for an entry": safetensors(header(a=["F32", [2], [0, 8]])),
    "an object for a type": safetensors(header(a=entry(0, 8, (2,), {"F32": None}))),
}


@pytest.mark.parametrize("case", SAFETENSORS)
def test_safetensors(case, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(SAFETENSORS[case])
    assert_refused(read_weights, path, "cannot be read as safetensors: ")


def test_what_safetensors_ignores_is_ignored(tmp_path):
    encoded = header(__metadata__=None, a=entry(0, 8, (2,)) | {"colour": "red"})
    (tmp_path / "model.safetensors").write_bytes(safetensors(encoded))
    assert read_weights(tmp_path)["a"].tolist() == [0, 0]


BESIDE = "only the name of a weights file beside it is allowed"
INDEXES = {
    "no JSON": (b"{", "is not valid JSON"),
    "no text": (b"\xff\xfe", "is not valid JSON"),
    "deep nesting": (DEEP.encode(), "is not valid JSON"),
    "a list": (b"[]", "must hold a JSON object, got a list"),
    "no map": (b"{}", "weight_map is missing"),
    "a list for a map": (b'{"weight_map": ["part.safetensors"]}', "weight_map is a list; allowed is an object"),
    "a number for a file": ({"x": 7}, r"weight_map\['x'\] is 7; allowed is text"),
    "a list for a file": ({"x": ["part.safetensors"]}, r"weight_map\['x'\] is a list; allowed is text"),
    "a folder above": ({"x": "../part.safetensors"}, BESIDE),
    "an absolute path": ({"x": "/part.safetensors"}, BESIDE),
    "a folder below": ({"x": "folder/part.safetensors"}, BESIDE),
    "a path of Windows": ({"x": "..\\part.safetensors"}, BESIDE),
    "a drive of Windows": ({"x": "C:part.safetensors"}, BESIDE),
    "the folder itself": ({"x": ".."}, BESIDE),
    "no name": ({"x": ""}, BESIDE),
    "a null byte": ({"x": "part.safetensors\0"}, BESIDE),
    "another kind of file": ({"x": "part.safetensors", "y": "config.json"}, BESIDE),
    "a very long name": ({"x": "/" * 10**6}, BESIDE),
    "a name too long for a file": ({"x": "p" * 300 + ".safetensors"}, BESIDE),
    "a very long name of a tensor": ({"x" * 10**6: "part.safetensors"}, "disagree .*: x, 'x{80}'$"),
    "a tensor's name of two lines": ({"x\ny": "part.safetensors"}, r"disagree .*: x, 'x\\ny'$"),
    "a tensor that is not there": ({"x": "part.safetensors", "y": "part.safetensors"}, "disagree .*: y$"),
    "no tensors": ({}, "weight_map names no tensor"),
    "the wrong names": ({"z": "part.safetensors"}, "disagree .*: x, z$"),
}


@pytest.mark.parametrize("case", INDEXES)
def test_indexes(case, tmp_path):
    content, message = INDEXES[case]
    path = tmp_path / "model.safetensors.index.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps({"weight_map": content}).encode())
    save_file({"x": np.ones(2, np.float32)}, tmp_path / "part.safetensors")
    assert_refused(read_weights, path, message)


def test_a_tensor_in_two_files_is_refused(tmp_path):
    for file in ("a.safetensors", "b.safetensors"):
        save_file({"x": np.ones(2, np.float32)} | {file: np.ones(1)}, tmp_path / file)
    files = {"x": "a.safetensors", "a.safetensors": "a.safetensors", "b.safetensors": "b.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    with pytest.raises(ValueError, match=r"index\.json and b\.safetensors disagree about where these are: x$"):
        read_weights(tmp_path)


def test_a_file_that_an_index_lists_and_nobody_has_is_named(tmp_path):
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {"x": "part.bin"}}))
    with pytest.raises(FileNotFoundError, match=r"index\.json lists part\.bin, which is missing"):
        read_weights(tmp_path)


def test_links_are_followed_since_the_hubs_cache_is_made_of_them(tmp_path):
    save_file({"x": np.ones(2, np.float32)}, tmp_path / "blob")
    folder = tmp_path / "snapshot"
    folder.mkdir()
    (folder / "part.safetensors").symlink_to("../blob")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": "part.safetensors"}}))
    assert read_weights(folder)["x"].tolist() == [1, 1]


def view(*arguments):
    return plain_dict({"x": tensor(*arguments)})


GOOD = view(WHERE, (2, 4), (4, 1))
HUGE = 10**30

# The pickle of an archive, and what the error says.
PICKLES = {
    "os.system": (call("os.system", text("touch executed")), "refuses os.system"),
    "os.system inside the weights": (
        ordered_dict({"x": tensor(WHERE, (8,), (1,)), "y": call("posix.system", text("touch executed"))}),
        "refuses posix.system",
    ),
    "eval": (call("builtins.eval", text("open('executed', 'w')")), "refuses builtins.eval"),
    "getattr": (
        call("builtins.getattr", name("torch._utils._rebuild_tensor_v2"), text("__globals__")),
        "refuses builtin",
    ),
    "a dotted name": (
        call("torch._utils._rebuild_parameter.__globals__"),
        "refuses torch._utils._rebuild_parameter.__g",
    ),
    "torch.hub.load": (call("torch.hub.load", text("somebody/model")), "refuses torch.hub.load"),
    "torch.load": (call("torch.serialization.load", text("other.bin")), "refuses torch.serialization.load"),
    "numpy's pickles": (call("numpy.core.multiarray._reconstruct"), "refuses numpy.core"),
    "a whole model": (name("transformers.models.albert.AlbertModel") + b")\x81", "refuses transformers.*state_dict"),
    "a very long name": (name("a." + "b" * 10**5), "refuses a.bbbb"),
    "a name that a terminal obeys": (name("a.\x1b[31m"), r"refuses a\.\\x1b\[31m"),
    "a name from the stack": (text("os") + text("system") + b"\x93", "refuses the pickle instruction STACK_GLOBAL"),
    "an old object": (b"(" + text("x") + b"ios\nsystem\n", "refuses the pickle instruction INST"),
    "a new object": (name("collections.OrderedDict") + b")\x81", "refuses the pickle instruction NEWOBJ"),
    "an object of a class": (b"(" + name("collections.OrderedDict") + b"o", "refuses the pickle instruction OBJ"),
    "an extension": (b"\x82\x01", "refuses the pickle instruction EXT1"),
    "a huge number": (b"\x8b" + (2**31 - 1).to_bytes(4, "little"), "not enough data"),
    "a huge text": (b"X" + b"\xff" * 4 + b"abc", "expected"),
    "a huge decimal": (b"I" + b"9" * 10**5 + b"\n", "limit"),
    "a dict of commands": (call("collections.OrderedDict", text("x")), "refuses to call collections.OrderedDict"),
    "a tensor of text": (
        call("torch._utils._rebuild_tensor_v2", text("x")),
        "refuses to call torch._utils._rebuild_ten",
    ),
    "a parameter of text": (
        call("torch._utils._rebuild_parameter", text("x")),
        "refuses to call torch._utils._rebuild_p",
    ),
    "a call of text": (text("collections.OrderedDictionary") + b")R", "refuses to call"),
    "a call of a list": (b"]" + b")R", "refuses to call list"),
    "a storage by name": (text("0") + b"Q", "refuses a reference"),
    "a storage of functions": (
        tuple_of(text("storage"), name("collections.OrderedDict"), text("0"), text("cpu"), number(8)) + b"Q",
        "damaged",
    ),
    "another process's module": (tuple_of(text("module"), text("x")) + b"Q", "refuses a reference"),
    "an empty stack": (b"R", "damaged"),
    "nothing": (b"", "damaged"),
    "a mark that is not there": (b"}u", "damaged"),
    "a memo that is not there": (b"h\x07", "damaged"),
    "an unknown instruction": (b"\xff", "opcode"),
    "half an item": (b"}(" + text("x") + b"u", "longer|shorter"),
    "items for a list": (b"](" + text("x") + text("y") + b"u", "damaged"),
    "a number for a name": (b"}(" + number(1) + number(2) + b"u", "a key must be text"),
    "a deep tuple for a name": (b"})" + b"\x85" * 10**5 + number(1) + b"s", "a key must be text"),
    "a deep tuple": (b")" + b"\x85" * 10**5, "it holds a tuple"),
    "a deep list": (b"](" * 10**5 + b"e" * 10**5, "it holds a list"),
    "a list that holds itself": (b"]q\x00h\x00a", "it holds a list"),
    "lists of lists of lists": (b"]q\x00" + b"(h\x00h\x00t" * 5 * 10**4, "it holds a tuple"),
    "an endless memo": (b"]" + b"".join(b"r" + struct.pack("<I", i) for i in range(10**5)), "it holds a list"),
    "a list of tensors": (b"](" + tensor(WHERE, (8,), (1,)) + b"e", "it holds a list"),
    "a number among the tensors": (plain_dict({"x": tensor(WHERE, (8,), (1,)), "epoch": number(3)}), "epoch is a int"),
    "a shape beyond the storage": (view(WHERE, (9,), (1,)), "x is not a view of its storage of 8 numbers"),
    "an offset beyond the storage": (view(WHERE, (8,), (1,), 1), "x is not a view"),
    "an offset before the storage": (view(WHERE, (4,), (1,), -1), "x is not a view"),
    "a stride beyond the storage": (view(WHERE, (2, 2), (7, 1)), "x is not a view"),
    "a negative stride": (view(WHERE, (8,), (-1,), 7), "x is not a view"),
    "a negative shape": (view(WHERE, (-2, -4), (4, 1)), "x is not a view"),
    "one number a billion times": (view(WHERE, (10**9,), (0,)), "x is not a view"),
    "a shape of 10^30": (view(WHERE, (HUGE,), (1,)), "x is not a view"),
    "an offset of 10^30": (view(WHERE, (1,), (1,), HUGE), "x is not a view"),
    "no numbers, 10^30 times": (view(WHERE, (0, HUGE), (1, 1)), "dimension"),
    "a stride of 10^30 that is not used": (view(WHERE, (1,), (HUGE,)), "dimension"),
    "fewer strides than axes": (view(WHERE, (2, 4), (1,)), "x is not a view"),
    "more axes than NumPy has": (view(WHERE, (HUGE,) * 15_000, (1,) * 15_000), "x is not a view"),
    "text for a shape": (
        plain_dict(
            {"x": call("torch._utils._rebuild_tensor_v2", WHERE, number(0), *[tuple_of(text("8"))] * 2, b"N", b"N")}
        ),
        "x is not a view",
    ),
    "a storage that is larger": (view(storage("Float", "0", 9), (8,), (1,)), "storage 0 should have 36 bytes, .* 32"),
    "a storage that is smaller": (view(storage("Float", "0", 7), (7,), (1,)), "storage 0 should have 28 bytes"),
    "a storage of another type": (view(storage("Double", "0", 8), (8,), (1,)), "storage 0 should have 64 bytes"),
    "a negative storage": (view(storage("Float", "0", -8), (8,), (1,)), "storage 0 should have -32 bytes"),
    "a huge storage": (view(storage("Float", "0", HUGE), (8,), (1,)), "storage 0 should have"),
    "a missing storage": (view(storage("Float", "1", 8), (8,), (1,)), "storage 1 should have 32 bytes, .* none"),
    "a storage that is a path": (view(storage("Float", "../data.pkl", 8), (8,), (1,)), "should have 32 bytes, .* none"),
    "a type of its own": (view(storage("Quaternion", "0", 8), (8,), (1,)), "refuses torch.QuaternionStorage"),
}


@pytest.mark.parametrize("case", PICKLES)
def test_pickles(case, tmp_path, monkeypatch):
    root, message = PICKLES[case]
    monkeypatch.chdir(tmp_path)
    write_zip(tmp_path / "pytorch_model.bin", root, {"0": EIGHT})
    assert_refused(read_weights, tmp_path / "pytorch_model.bin", f"cannot be read as a PyTorch file: .*({message})")


def deflated(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickled(view(storage("Float", "0", 2**24), (2**24,), (1,))))
        archive.writestr("archive/data/0", bytes(2**26))


def twice(path):
    write_zip(path, GOOD, {"0": EIGHT, "1": EIGHT})
    path.write_bytes(path.read_bytes().replace(b"data/1", b"data/0"))


def overlapping(path):
    """Two entries of the directory point to the same bytes."""
    write_zip(path, GOOD, {"0": EIGHT, "1": EIGHT})
    content = bytearray(path.read_bytes())
    first, second = (content.rindex(b"archive/data/" + key) - 46 for key in (b"0", b"1"))
    content[second + 42 : second + 46] = content[first + 42 : first + 46]
    path.write_bytes(content)


def patched(offset, value):
    """Overwrite part of the directory's entry of the storage."""

    def write(path):
        write_zip(path, GOOD, {"0": EIGHT})
        content = bytearray(path.read_bytes())
        begin = content.rindex(b"archive/data/0") - 46 + offset
        content[begin : begin + len(value)] = value
        path.write_bytes(content)

    return write


def cut(begin, end):
    def write(path):
        write_zip(path, GOOD, {"0": EIGHT})
        path.write_bytes(path.read_bytes()[begin:end])

    return write


def archive(**entries):
    return lambda path: write_zip(path, GOOD, {"0": EIGHT}, **entries)


def before_1_6(root, storages, **options):
    return lambda path: write_before_1_6(path, root, storages, **options)


OLD = view(storage("Float", "0", 8, b"N"), (8,), (1,))

# What writes an archive, and what the error says.
ARCHIVES = {
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "no archive": (lambda path: path.write_bytes(b"GIF89a" + bytes(99)), "torch.save did not write it"),
    "a bare pickle": (lambda path: path.write_bytes(pickled(call("os.system"))), "torch.save did not write it"),
    "a truncated archive": (cut(0, -9), "not a zip file"),
    "an archive without its beginning": (cut(70, None), "torch.save did not write it"),
    "an archive without its middle": (lambda path: (cut(0, 99)(path), path.write_bytes(path.read_bytes() * 2)), "zip"),
    "no pickle": (lambda path: zipfile.ZipFile(path, "w").writestr("archive/version", "3"), "holds no data.pkl"),
    "a zip bomb": (deflated, "data.pkl is compressed or encrypted"),
    "compressed numbers": (patched(10, b"\x08\x00"), "data/0 is compressed or encrypted"),
    "an unknown compression": (patched(10, b"\x63\x00"), "data/0 is compressed or encrypted"),
    "encrypted numbers": (patched(8, b"\x01\x00"), "data/0 is compressed or encrypted"),
    "more numbers than the file": (patched(20, struct.pack("<II", 2**31, 2**31)), "it ends after"),
    "numbers that reach into the directory": (patched(24, struct.pack("<I", 64)), "storage 0 should have 32 bytes"),
    "an entry beyond the file": (patched(42, struct.pack("<I", 2**31)), "twice, or lies where another one does"),
    "an entry in the middle of another": (patched(42, struct.pack("<I", 5)), "twice, or lies where another one does"),
    "entries that overlap": (overlapping, "twice, or lies where another one does"),
    "a name that is there twice": (twice, "twice, or lies where another one does"),
    "a large pickle": (lambda path: write_zip(path, b"(" * 10**7, {}), "data.pkl has 10000003 bytes; at most"),
    "the other order of bytes": (archive(byteorder=b"big"), "not little-endian"),
    "no order of bytes": (archive(byteorder=b"\xff" * 99), "not little-endian"),
    "TorchScript": (archive(**{"constants.pkl": pickled(b")")}), "TorchScript"),
    "before 1.6: the other order of bytes": (
        before_1_6(OLD, {"0": (8, EIGHT)}, little_endian=False),
        "not little-endian",
    ),
    "before 1.6: cut": (before_1_6(OLD, {"0": (8, EIGHT[:-1])}), "it ends after"),
    "before 1.6: no storages": (before_1_6(OLD, {}), "storage 0 should have 32 bytes, and there are none"),
    "before 1.6: a storage of nobody": (before_1_6(OLD, {"1": (8, EIGHT)}), "list of storages"),
    "before 1.6: a smaller storage": (before_1_6(OLD, {"0": (7, EIGHT)}), "storage 0 should have 32 bytes"),
    "before 1.6: a negative storage": (before_1_6(OLD, {"0": (-8, EIGHT)}), "bytes .* are expected"),
    "before 1.6: a huge storage": (before_1_6(OLD, {"0": (2**63 - 1, EIGHT)}), "it ends after"),
    "before 1.6: os.system": (before_1_6(call("os.system", text("touch executed")), {}), "refuses os.system"),
    "before 1.6: a large pickle": (before_1_6(b"(" * 10**7, {}), "no end|exhausted"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_archives(case, tmp_path, monkeypatch):
    write, message = ARCHIVES[case]
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pytorch_model.bin"
    write(path)
    assert_refused(read_weights, path, f"cannot be read as a PyTorch file: .*({message})")


def test_an_archive_that_these_were_made_from_is_read(tmp_path):
    archive(byteorder=b"little")(tmp_path / "pytorch_model.bin")
    assert read_weights(tmp_path)["x"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    before_1_6(OLD, {"0": (8, EIGHT)})(tmp_path / "pytorch_model.bin")
    assert read_weights(tmp_path)["x"].tolist() == list(range(8))


@pytest.mark.parametrize("damage", range(40))
def test_random_damage_ends_in_a_value_error_or_in_arrays(damage, tmp_path):
    rng = np.random.default_rng(damage)
    path = tmp_path / "pytorch_model.bin"
    (archive() if damage % 2 else before_1_6(OLD, {"0": (8, EIGHT)}))(path)
    whole = path.read_bytes()
    for _ in range(25):
        content = np.frombuffer(whole, np.uint8).copy()
        where = rng.integers(len(content), size=rng.integers(1, 4))
        content[where] = rng.integers(256, size=len(where))
        path.write_bytes(content.tobytes())
        try:
            assert all(isinstance(array, np.ndarray) for array in read_weights(tmp_path).values())
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017


CONFIGS = {
    "empty": (b"", "not valid JSON"),
    "no JSON": (b"{'model_type': 'albert'}", "not valid JSON"),
    "no text": (b"\xff\xfe\x00", "not valid JSON"),
    "deep nesting": (b'{"a":' + DEEP.encode(), "not valid JSON"),
    "a number of a million digits": (b'{"hidden_size": ' + b"9" * 10**6 + b"}", "not valid JSON"),
    "a list": (b"[]", "must hold a JSON object, got a list"),
    "another model": (b'{"model_type": "bert"}', "model_type='bert'"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_configs(case, tmp_path):
    content, message = CONFIGS[case]
    (tmp_path / "config.json").write_bytes(content)
    assert_refused(read_config, tmp_path / "config.json", message)


@pytest.mark.parametrize(
    "values",
    [
        {"hidden_size": "768"},
        {"hidden_size": -768},
        {"hidden_size": 1e3},
        {"hidden_size": None},
        {"num_hidden_layers": 10**30, "num_hidden_groups": 7},
        {"layer_norm_eps": float("inf")},
        {"hidden_dropout_prob": [0.1]},
        {"hidden_act": {"name": "gelu"}},
        {"id2label": 5},
        {"pad_token_id": "0"},
    ],
)
def test_config_values(values, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=next(iter(values))):
        read_config(tmp_path)
