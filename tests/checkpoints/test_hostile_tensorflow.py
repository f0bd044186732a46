"""TensorFlow checkpoints made to harm end in one ValueError that names the file; nothing large is allocated."""

import json
import re
import shutil
import time
import tracemalloc
from pathlib import Path

import pytest
from reference.tensorflow_cases import SIZES
from toys.tensorflow import (
    MAGIC,
    block,
    bundle,
    entry,
    footer,
    handle,
    header,
    message,
    number,
    sealed,
    table,
    tensor,
    varint,
    write_bundle,
)

from albert_np.checkpoints.bundle import list_bundle, read_tensors
from albert_np.checkpoints.tensorflow import find_tensorflow, read_tensorflow

REFERENCE = Path(__file__).parents[1] / "reference"

CHECKPOINT = REFERENCE / "tensorflow_checkpoints" / "bfloat16"
MAX_BYTES = 32 * 2**20
MAX_SECONDS = 20.0  # what takes half a second takes this long at most while allocations are traced on a busy machine

INDEX, DATA = "x.index", "x.data-00000-of-00001"
ENDLESS = b"\xff" * 10
HUGE = 2**63


def assert_refused(prefix, path, expected):
    """Assert that reading a bundle raises one ValueError that names `path`, quickly and in little memory."""
    tracemalloc.start()
    began = time.monotonic()
    try:
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))} cannot be read as .*{expected}") as caught:
            read_tensors(list_bundle(prefix))
    finally:
        seconds, (_, peak) = time.monotonic() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < MAX_BYTES
    assert seconds < MAX_SECONDS
    assert len(str(caught.value)) < 1000


def entries_of(value):
    return bundle({"a": value})


def with_handle(handle):
    """Write a table whose index block has one handle."""
    index = block(entry(b"z", handle))
    return sealed(block()) + sealed(index) + footer(len(sealed(block())), len(index))


def same_block_often():
    data = sealed(block(entry(b"", header())))
    index = block(*(entry(b"%05d" % i, handle(0, len(data) - 5)) for i in range(20_000)))
    return data + sealed(index) + footer(len(data), len(index))


def long_shared_keys():
    long = b"k" * 100_000
    rest = (entry((i).to_bytes(2, "big"), tensor(), shared=len(long)) for i in range(10_000))
    return table(block(entry(b"", header()), entry(long, tensor()), *rest))


def compressed():
    content = sealed(block(entry(b"", header())), compression=1)
    index = block(entry(b"z", handle(0, len(content) - 5)))
    return content + sealed(index) + footer(len(content), len(index))


def many_small_entries():
    """Write thousands of entries, the last of which is wrong."""
    keys = [bytes([1 + i // 126**2, 1 + i // 126 % 126, 1 + i % 126]) for i in range(30_000)]
    good = [entry(key[2:], b"\x08\x01", shared=2) if key[2] > 1 else entry(key, b"\x08\x01") for key in keys]
    return table(block(entry(b"", header()), *good, entry(b"\x7f", tensor(shard=1))))


AXES = b"".join(message(2, number(1, HUGE - 1)) for _ in range(40_000))

# An index, and what the error says.
INDEXES = {
    "empty": (b"", "does not end as TensorFlow's tables do"),
    "shorter than a footer": (MAGIC * 5, "does not end as"),
    "another magic number": (bundle({"a": tensor()})[:-1] + b"\0", "does not end as"),
    "a footer alone": (footer(0, 8), "bytes 0 to 8"),
    "a footer of endless numbers": (ENDLESS * 4 + MAGIC, "a number at byte 0 .* has no end"),
    "an index block beyond the file": (footer(2**40, 8), "it ends after 48 bytes, where a block"),
    "an index block at 2^63": (footer(HUGE, HUGE), "it ends after 48 bytes, where a block"),
    "an index block of 2^64 bytes": (footer(0, 2**64 - 1), "it ends after 48 bytes, where a block"),
    "a block beyond the file": (with_handle(handle(0, 2**40)), "where a block is expected"),
    "a block at a negative place": (with_handle(handle(-8, 8)), "where a block is expected"),
    "a handle without a size": (with_handle(b"\x00"), "a number at byte 1 of 1 has no end"),
    "an endless handle": (with_handle(ENDLESS), "has no end"),
    "the wrong bytes in a block": (b"?" + bundle({"a": tensor()})[1:], "the checksum of bytes 0 to"),
    "a compressed block": (compressed(), "it is compressed, which TensorFlow does not do"),
    "one block often": (same_block_often(), "its blocks overlap"),
    "a block without an end": (table(b""), "too short for what it says"),
    "2^32 restarts": (table(block(restarts=b"\xff" * 4)), "too short for what it says"),
    "restarts that reach into an entry": (
        table(block(entry(b"", header()), restarts=b"\2\0\0\0")),
        "not fit|too short",
    ),
    "a key that shares what is not there": (table(block(entry(b"a", b"", shared=1))), "does not fit"),
    "a key longer than the block": (table(block(varint(0) + varint(2**40) + varint(0))), "does not fit"),
    "a value longer than the block": (table(block(varint(0) + varint(0) + varint(HUGE))), "does not fit"),
    "an entry of endless numbers": (table(block(ENDLESS)), "has no end"),
    "falling keys": (table(block(entry(b"b", tensor()), entry(b"a", tensor()))), "its keys do not rise"),
    "a name twice": (table(block(entry(b"a", tensor())), block(entry(b"a", tensor()))), "its keys do not rise"),
    "long keys in few bytes": (long_shared_keys(), "bytes together"),
    "very many entries": (many_small_entries(), "lies in shard 1, and there are 1"),
    "more than an index needs": (bytes(2**19 + 1), "it has 524289 bytes; at most 524288 are read"),
    "no header": (table(block(entry(b"a", tensor()))), "lies in shard 0, and there are 0"),
    "a damaged header": (bundle({"a": tensor()}, b"\x08"), "has no end"),
    "big-endian numbers": (bundle({"a": tensor()}, header(big_endian=1)), "big-endian"),
    "a shard too many": (entries_of(tensor(shard=1)), "lies in shard 1, and there are 1"),
    "a negative shard": (entries_of(tensor(shard=-1)), "lies in shard 18446744073709551615"),
    "a name that is no text": (table(block(entry(b"", header()), entry(b"\xff", tensor()))), "utf-8"),
    "an unknown wire type": (entries_of(b"\x0b"), "a field of wire type 3"),
    "a field longer than its message": (entries_of(b"\x12\x7f"), "ends within a field"),
    "half a checksum": (entries_of(b"\x35\0\0"), "ends within a field"),
    "a message of 2^63 bytes": (entries_of(b"\x12" + varint(HUGE)), "ends within a field"),
    "a number for a shape": (entries_of(number(2, 7)), "a number where another belongs"),
    "a number for an axis": (entries_of(message(2, number(2, 7))), "a number where another belongs"),
    "text for an offset": (entries_of(message(4, b"0")), "bytes where a number belongs"),
    "65 axes": (entries_of(tensor((1,) * 65)), "has 65 axes; at most 64"),
    "40,000 axes": (entries_of(message(2, AXES)), "has 40000 axes; at most 64"),
}


@pytest.mark.parametrize("case", INDEXES)
def test_indexes(case, tmp_path):
    content, expected = INDEXES[case]
    (tmp_path / INDEX).write_bytes(content)
    (tmp_path / DATA).write_bytes(bytes(8))
    assert_refused(tmp_path / "x", tmp_path / INDEX, expected)


# Tensors over eight zero bytes, and what the error says.
TENSORS = {
    "a shape that needs more": ({"a": tensor((3,))}, "a has 8 bytes, not those of float32 \\(3,\\)"),
    "a shape that needs less": ({"a": tensor((1,))}, "not those of float32"),
    "no shape": ({"a": number(1, 1) + number(5, 8)}, r"not those of float32 \(\)"),
    "a negative axis": ({"a": tensor((-1, -2))}, "not those of float32"),
    "10^18 numbers": ({"a": tensor((10**9, 10**9))}, "not those of float32"),
    "a size that is 0 modulo 2^64": ({"a": tensor((2**32, 2**32), size=0)}, "not those of float32"),
    "64 huge axes": ({"a": tensor((2**62,) * 64)}, "not those of float32"),
    "more than the file": ({"a": tensor((4,), size=16)}, "it ends after 8 bytes, where a is expected from 0 to 16"),
    "petabytes": ({"a": tensor((2**50,), size=2**52)}, "it ends after 8 bytes, where a"),
    "a place beyond the file": ({"a": tensor(offset=8)}, "it ends after 8 bytes, where a is expected from 8 to 16"),
    "a huge place": ({"a": tensor(offset=HUGE)}, "it ends after 8 bytes"),
    "a negative place": ({"a": tensor(offset=-8)}, "it ends after 8 bytes"),
    "a negative size": ({"a": tensor(size=-8)}, "not those of float32"),
    "a place that is taken": ({"a": tensor(), "b": tensor()}, "b lies where another tensor does"),
    "places that overlap": ({"a": tensor(), "b": tensor((1,), offset=4, size=4, data=bytes(4))}, "b lies where"),
    "numbers widened a thousand times": (
        {f"v{i:04}": tensor((4,), dtype=14) for i in range(1000)},
        "v0001 lies where another tensor does",
    ),
    "another checksum": ({"a": tensor(data=b"different")}, "a is damaged, or not from the same save as the index"),
    "no checksum": ({"a": tensor()[:-5]}, "a is damaged"),
    "text": ({"a": tensor(dtype=7)}, "a is of type number 7 of TensorFlow's DataType; allowed are float32, "),
    "no type": ({"a": tensor(dtype=0)}, "a is of type number 0"),
    "a negative type": ({"a": tensor(dtype=-1)}, "a is of type number 18446744073709551615"),
    "slices": ({"a": tensor() + message(7, b"")}, "a is a partitioned variable"),
    "a very long name": ({"n" * 100_000: tensor(dtype=7)}, "n{80} is of type"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors(case, tmp_path):
    tensors, expected = TENSORS[case]
    write_bundle(tmp_path / "x", tensors)
    assert_refused(tmp_path / "x", tmp_path / DATA, expected)


def test_an_empty_shard(tmp_path):
    write_bundle(tmp_path / "x", {"a": tensor()}, b"")
    assert_refused(tmp_path / "x", tmp_path / DATA, "empty file")


@pytest.mark.parametrize("shards", [1, 2**31 - 1, 2**64 - 1])
def test_a_shard_that_is_missing(shards, tmp_path):
    (tmp_path / INDEX).write_bytes(bundle({"a": tensor()}, header(shards)))
    with pytest.raises(FileNotFoundError, match=rf"x\.data-00000-of-0*{shards} is missing, and tensors"):
        read_tensors(list_bundle(tmp_path / "x"))


def test_names_of_tensors_are_no_paths(tmp_path):
    names = ["../outside", "/etc/passwd", "a\0b"]
    write_bundle(tmp_path / "x", {n: tensor(offset=8 * i) for i, n in enumerate(sorted(names))}, bytes(24))
    entries = list_bundle(tmp_path / "x")
    assert {entry.shard for entry in entries.values()} == {str(tmp_path / DATA)}
    assert set(read_tensors(entries)) == set(names)
    assert {path.name for path in tmp_path.iterdir()} == {INDEX, DATA}


def damaged_copies(path, step):
    """Yield the file cut off and with one byte changed, at many places."""
    whole = path.read_bytes()
    for i in range(0, len(whole), step):
        for damaged in (whole[:i], whole[:i] + bytes([whole[i] ^ 0x10]) + whole[i + 1 :]):
            path.write_bytes(damaged)
            yield i, damaged
    path.write_bytes(whole)


@pytest.fixture
def copy(tmp_path):
    return Path(shutil.copytree(CHECKPOINT, tmp_path / "copy")) / "model.ckpt-7"


def test_an_index_cut_off_or_changed_anywhere_is_refused_or_means_the_same(copy):
    index = Path(f"{copy}.index")
    entries, size = list_bundle(copy), index.stat().st_size
    messages = []
    for i, damaged in damaged_copies(index, 3):
        try:
            got = list_bundle(copy)
        except ValueError as error:
            messages.append(str(error))
        else:  # the block of filters, and in the footer its handle and zeros, which nothing reads
            assert got == entries, i
            assert len(damaged) == size, i
            assert i > 0.9 * size
    assert len(messages) > 0.6 * size
    assert all(message.startswith(f"{index} cannot be read as a TensorFlow checkpoint: ") for message in messages)


def test_data_cut_off_or_changed_anywhere_is_refused(copy):
    data = Path(f"{copy}.data-00000-of-00001")
    entries = list_bundle(copy)
    for _ in damaged_copies(data, 41):
        with pytest.raises(ValueError, match=f"^{re.escape(str(data))} cannot be read as part of a Tensor"):
            read_tensors(entries)


def test_a_config_of_equal_sizes_makes_no_larger_identity_than_the_file_holds(tmp_path):
    query = "bert/encoder/transformer/group_0/inner_group_0/attention_1/self/query/kernel"
    write_bundle(tmp_path / "x", {query: tensor((2, 1))})
    sizes = {"embedding_size": 10**6, "hidden_size": 10**6, "num_attention_heads": 10}
    (tmp_path / "albert_config.json").write_text(json.dumps({**SIZES, **sizes}))
    assert len(read_tensorflow(tmp_path).weights) == 1


def test_a_huge_list_of_checkpoints_is_not_read(tmp_path):
    for name in ("a", "b"):
        write_bundle(tmp_path / name, {"x": tensor()})
    with open(tmp_path / "checkpoint", "wb") as file:
        file.write(b"\xff" * 2**16 + b'\nmodel_checkpoint_path: "a"\n')
        file.truncate(2**40)
    with pytest.raises(ValueError, match="holds several checkpoints"):
        find_tensorflow(tmp_path)
