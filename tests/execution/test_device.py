"""Which of a formula and its kernel computes, and what comes back."""

from typing import NamedTuple

import numpy as np
import pytest

from albert_np.backend import register
from albert_np.execution import kernel_for, on_device
from albert_np.execution.strict import StrictArray, boxed_backend


class BoxArray(StrictArray):
    pass


class ListArray(StrictArray):
    pass


class InnerCache(NamedTuple):
    x: object


class Cache(NamedTuple):
    inner: InnerCache
    number: float


class OuterCache(NamedTuple):
    caches: "list[LastCache]"


class LastCache(NamedTuple):
    x: object


@on_device(Cache)
def doubled(x, number=1.0):
    return x + x, Cache(InnerCache(x), number)


@on_device()
def halved(dy, cache):
    return dy / 2


@pytest.fixture
def device():
    asked = []

    def kernel(x, number=1.0):
        asked.append("doubled")
        return NotImplemented if number < 0 else (x * 2, ((x,), number))

    def back(dy, cache):
        asked.append("halved")
        return dy * cache.x

    backend = boxed_backend("box", BoxArray, {"doubled": kernel, "halved": back})
    register(backend)
    return backend, asked


def test_numpy_gets_the_formula(device):
    x = np.ones(3)
    y, cache = doubled(x)
    assert (y == 2).all()
    assert cache == Cache(InnerCache(x), 1.0)
    assert (halved(x, cache) == 0.5).all()
    assert halved(1.0, cache) == 0.5
    assert halved(np.float64(1), cache) == 0.5
    assert kernel_for(x, "doubled") is None
    assert device[1] == []


def test_a_kernel_computes_and_its_caches_get_their_types(device):
    backend, asked = device
    x = backend.from_numpy(np.full(3, 5.0))
    y, cache = doubled(x, number=3.0)
    assert (y.inner == 10).all()
    assert type(cache) is Cache
    assert type(cache.inner) is InnerCache
    assert (cache.inner.x, cache.number) == (x, 3.0)
    assert (halved(2.0, cache.inner).inner == 10).all()  # the array is in the cache
    assert asked == ["doubled", "halved"]


def test_lists_of_caches_and_caches_defined_later_get_their_types_too():
    @on_device(OuterCache)
    def taken(x):
        raise AssertionError("there is a kernel")

    backend = boxed_backend("box of lists", ListArray, {"taken": lambda x: (x, ([(x,), (x,)],))})
    register(backend)
    _, cache = taken(backend.from_numpy(np.ones(3)))
    assert [type(each) for each in (cache, *cache.caches)] == [OuterCache, LastCache, LastCache]


def test_where_a_kernel_does_not_serve_the_formula_does(device):
    backend, asked = device
    x = backend.from_numpy(np.ones(3))
    assert (doubled(x, -1.0)[0].inner == 2).all()
    assert asked == ["doubled"]


def test_a_decorated_formula_keeps_its_name_and_words():
    assert doubled.__name__ == "doubled"
    assert doubled.__wrapped__(1)[0] == 2
