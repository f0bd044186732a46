"""Messages: what is sent comes back; what is no message is refused, whatever it says."""

import random
import socket
import struct
import threading
import time

import hypothesis.extra.numpy as npst
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from albert_np.labs import wire
from albert_np.labs.wire import WireError

DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?"),
    npst.complex_number_dtypes(endianness="?"),
)
ARRAYS = npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(st.characters()), st.binary()
)
VALUES = st.recursive(
    st.one_of(PLAIN, ARRAYS, ARRAYS.map(np.transpose), ARRAYS.filter(np.size).map(lambda array: array.flat[0])),
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(st.text(st.characters()), inner),
        st.dictionaries(st.one_of(st.integers(), st.none(), st.tuples(st.integers(), st.text())), inner),
    ),
    max_leaves=8,
)


def coded(value):
    header, pieces = wire.encode(value)
    return header, bytearray(b"".join(pieces))


def assert_same(got, value):
    assert type(got) is type(value)
    if isinstance(value, list | tuple):
        assert len(got) == len(value)
        for one, other in zip(got, value, strict=True):
            assert_same(one, other)
    elif isinstance(value, dict):
        assert list(got) == list(value)
        for key, other in value.items():
            assert_same(got[key], other)
    elif isinstance(value, np.ndarray | np.generic):
        assert (got.shape, got.dtype, got.tobytes()) == (value.shape, value.dtype, value.tobytes())
    elif isinstance(value, complex | float):
        assert repr(got) == repr(value)
    else:
        assert got == value


@settings(max_examples=60)
@given(VALUES)
def test_what_is_sent_comes_back(value):
    assert_same(wire.decode(*coded(value)), value)


def test_a_generator_goes_on_where_it_was():
    rng = np.random.default_rng(3)
    rng.integers(0, 9, dtype=np.uint32)  # leaves half a number over
    got = wire.decode(*coded([rng]))[0]
    assert got.bit_generator.state == rng.bit_generator.state
    np.testing.assert_array_equal(got.normal(size=5), rng.normal(size=5))


def test_an_array_is_a_copy_that_can_be_written_to_if_the_other_can():
    array = np.arange(3.0)
    got = wire.decode(*coded(array))
    got[0] = 5
    assert array[0] == 0
    array.flags.writeable = False
    assert not wire.decode(*coded(array)).flags.writeable


class Text(str):
    pass


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Text("a"),
        {b"a": 2},
        {frozenset(): 2},
        np.array([None]),
        np.array(["a"]),
        np.datetime64("2020"),
        np.ma.array([1.0]),
        np.random.Generator(np.random.MT19937(0)),
        np.zeros(2, [("a", float)]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_of_another_kind_needs_a_reference(value):
    with pytest.raises(WireError, match="cannot be passed"):
        wire.encode([value])
    header, pieces = wire.encode([value], lambda value: ["kept", 3])
    assert wire.decode(header, b"".join(pieces), lambda reference: tuple(reference)) == [("kept", 3)]


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def endless():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value", [nested(60), endless(), [0] * 10**6, "x" * 2**20], ids="deep endless long text".split()
)
def test_a_value_without_bounds_is_refused_by_who_sends_it(value):
    with pytest.raises(WireError):
        wire.encode(value)


BAD = {
    "no JSON": (b"{", b""),
    "bytes": (b"\xff\xfe\x00", b""),
    "nested": (b"[" * 10**5, b""),
    "nested and closed": (b"[" * 200 + b"]" * 200, b""),
    "no kind": (b'{"pickle": 1}', b""),
    "two kinds": (b'{"tuple": [], "list": []}', b""),
    "no list": (b'{"tuple": 3}', b""),
    "an array of objects": (b'{"array": ["|O", [1], true]}', bytes(8)),
    "a dtype that is a list": (b'{"array": [["<f8"], [1], true]}', bytes(8)),
    "less data": (b'{"array": ["<f8", [2], true]}', bytes(8)),
    "more data": (b'{"array": ["<f8", [2], true]}', bytes(17)),
    "a negative length": (b'{"array": ["<f8", [-1, -1], true]}', bytes(8)),
    "a length that is none": (b'{"array": ["<f8", [1.0], true]}', bytes(8)),
    "a truth for a length": (b'{"array": ["<f8", [true], true]}', bytes(8)),
    "a vast shape": (b'{"array": ["<f8", [%d, %d], true]}' % (2**61, 2**61), bytes(8)),
    "a vast shape of nothing": (b'{"array": ["<f8", [0, %d, %d], true]}' % (2**61, 2**61), b""),
    "a shape of many axes": (b'{"array": ["<f8", %s, true]}' % str([1] * 1000).encode(), bytes(8)),
    "a boolean of 2": (b'{"array": ["|b1", [1], true]}', b"\x02"),
    "an integer that is none": (b'{"int": "spam"}', b""),
    "an integer of a list": (b'{"int": [1]}', b""),
    "half a complex number": (b'{"complex": [1.0]}', b""),
    "a generator of nothing": (b'{"generator": []}', b""),
    "a generator that is none": (b'{"generator": [-1, 1, 0, 0]}', b""),
    "bytes of no length": (b'{"bytes": null}', b""),
    "a key that is a list": (b'{"pairs": [[[1], 2]]}', b""),
    "a pair of three": (b'{"pairs": [[1, 2, 3]]}', b""),
    "pairs that are none": (b'{"pairs": [1]}', b""),
    "a dtype that there is not": (b'{"dtype": "|O"}', b""),
    "a type that is a list": (b'{"type": []}', b""),
    "a reference that is none": (b'{"other": 3}', b""),
    "a reference to nothing": (b'{"other": ["handle", 1]}', b""),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_message_is_refused(name):
    with pytest.raises(WireError):
        wire.decode(*BAD[name])


EXAMPLE = {
    "id": 7,
    "result": (np.arange(6.0).reshape(2, 3), [np.float32(2), 1j, "text", b"bytes", True, None, -(2**80)]),
    "seconds": 0.25,
    "changed": [[np.array([[True, False]]), np.random.default_rng(0), np.zeros((0, 3), ">i2")], {"eps": 1e-6}],
}


def mutated(rng, header, data):
    """Change some bytes, cut, repeat, or put in what JSON may hold; of the header, the data or both."""
    header, data = bytearray(header), bytearray(data)
    for _ in range(rng.randint(1, 4)):
        part = header if rng.random() < 0.8 else data
        place = rng.randrange(len(part) + 1)
        match rng.randrange(5):
            case 0:
                part[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del part[place : place + rng.randint(1, 9)]
            case 2:
                part[place:place] = part[place : place + rng.randint(1, 40)]
            case 3:
                part[place:place] = rng.choice(
                    [b"[", b"]", b"{", b"}", b'"', b",", b"null", b"1e999", b"-1", b"9" * 30]
                )
            case 4:
                part[place : place + rng.randint(1, 3)] = str(rng.choice([0, -1, 2**31, 2**63, 10**400, 0.5])).encode()
    return bytes(header), data


def test_a_damaged_message_is_a_message_or_refused():
    rng = random.Random(0)
    whole = coded(EXAMPLE)
    refused = 0
    for _ in range(2000):
        try:
            wire.decode(*mutated(rng, *whole))
        except WireError:
            refused += 1
    assert refused > 1000


@pytest.fixture
def ends():
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_a_large_message_goes_through_a_connection_in_pieces(ends):
    value = np.random.default_rng(0).standard_normal(10**6)
    thread = threading.Thread(target=wire.send, args=(ends[0], wire.encode(value)))
    thread.start()
    got = wire.decode(*wire.receive(ends[1], 2**24, time.monotonic() + 20))
    thread.join()
    np.testing.assert_array_equal(got, value)


@pytest.mark.parametrize(
    "sent, error",
    [
        (b"", EOFError),
        (b"anp1", EOFError),
        (b"x" * 16, WireError),
        (struct.pack("!4sIQ", b"anp1", 2**30, 0), WireError),
        (struct.pack("!4sIQ", b"anp1", 2, 2**60) + b"[]", WireError),
        (struct.pack("!4sIQ", b"anp1", 2**20, 2**24), EOFError),
    ],
)
def test_what_comes_over_a_connection_is_checked_before_it_is_read(ends, sent, error):
    ends[0].sendall(sent)
    ends[0].close()
    with pytest.raises(error):
        wire.receive(ends[1], 2**24, time.monotonic() + 20)


def test_waiting_ends(ends):
    with pytest.raises(TimeoutError):
        wire.receive(ends[1], 2**24, time.monotonic() + 0.05)
    with pytest.raises(TimeoutError):
        wire.send(ends[0], wire.encode(np.zeros(2**22)), time.monotonic() + 0.05)
