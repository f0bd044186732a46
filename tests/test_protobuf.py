import random

import pytest

from albert_np.protobuf import read_fields, read_varint, write_fields


def test_fields_come_back_as_they_were_written():
    fields = [(1, 0), (2, 300), (15, 2**64 - 1), (16, b""), (3, b"\x00" * 200), (2**20, 1)]
    assert list(read_fields(write_fields(fields))) == fields
    assert write_fields([(1, 150), (2, b"testing")]) == bytes.fromhex("089601 120774657374696e67")
    assert list(read_fields(write_fields([(2, -0.5)]))) == [(2, b"\0\0\0\xbf")]
    assert list(read_fields(b"\x09" + bytes(8))) == [(1, bytes(8))]


@pytest.mark.parametrize(
    "message, error",
    [
        (b"\x08", "has no end"),
        (b"\x08" + b"\xff" * 11, "has no end"),
        (b"\x0b", "wire type 3"),
        (b"\x0d\0\0\0", "ends within a field"),
        (b"\x0a\x02\0", "ends within a field"),
        (b"\x0a" + b"\xff" * 9 + b"\x7f", "ends within a field"),
    ],
)
def test_a_damaged_message_is_refused(message, error):
    with pytest.raises(ValueError, match=error):
        list(read_fields(message))


def test_no_bytes_bring_the_reader_to_anything_but_a_value_error():
    rng = random.Random(0)
    for _ in range(5000):
        message = rng.randbytes(rng.randrange(40))
        try:
            sizes = [len(value) for _, value in read_fields(message) if isinstance(value, bytes)]
        except ValueError:
            continue
        assert sum(sizes) <= len(message)


def test_a_varint_tells_where_it_ends():
    assert read_varint(b"\x00\x96\x01\x05", 1) == (150, 3)
