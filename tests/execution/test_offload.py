"""Inputs of layer steps go to the host and back on a stream of their own: in order, overlapping, with equal bits."""

import numpy as np
import pytest
from toys.streams import played_backend

from albert_np import backend as backends
from albert_np.execution import all_arrived, brought_back, handed_out, passed_through
from albert_np.gradcheck import DROPOUT, small_batch, small_config
from albert_np.model import AlbertForPreTraining


@pytest.fixture(params=[False, True], ids=["late", "early"])
def played(request, monkeypatch):
    backend = played_backend(request.param)
    monkeypatch.setitem(backends._backends, "moved", backend)
    return backend


def gradients(backend, offload):
    model = AlbertForPreTraining(small_config(num_hidden_layers=4, **DROPOUT), backend=backend, seed=3).train()
    model.recompute, model.offload = "layer", offload
    for seed in range(2):  # the second pass finds the first one's memory
        model(**small_batch(model.config, seed))
        model.backward()
    return model.backend.to_numpy(model.grads.flat)


def test_gradients_are_the_same_to_the_bit_whenever_copies_are_made(played):
    found = gradients("moved", "inputs")
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, gradients("numpy", "none"))
    assert played.xp.cuda.log.count("copy in") == played.xp.cuda.log.count("copy out") == 2 * 4


def test_the_next_array_is_on_its_way_while_one_is_in_use(played):
    arrays = [played.from_numpy(np.full(3, float(i))) for i in range(3)]
    log = played.xp.cuda.log
    away = [handed_out(x) for x in arrays]
    assert [type(x) for x in away] == [np.ndarray] * 3
    assert log == [
        "copy out",
        "wait",
        "copy out",
        "wait",
        "copy out",
    ]  # each waits for the one before, which is long done
    log.clear()
    for number, x in zip((2, 1, 0), brought_back(away, played), strict=True):
        log.append(f"use {number}")
        np.testing.assert_array_equal(x.inner, float(number))
    copies = [each for each in log if each != "wait"]
    assert copies == ["copy in", "copy in", "use 2", "copy in", "use 1", "use 0"]
    assert "wait" in log[: log.index("use 2")]


def test_what_passes_through_is_written_back_while_the_next_is_on_its_way(played):
    hosts = [np.arange(9.0), np.arange(9.0) + 100]
    places = [slice(0, 4), slice(4, 6), slice(7, 9)]  # what lies between them stays
    log = played.xp.cuda.log
    for number, (x, y) in enumerate(passed_through(hosts, places, played)):
        log.append(f"use {number}")
        x += 1000 * (number + 1)
        y *= 0
    first, second, third = "copy in copy in", "copy in copy in", "copy in copy in"
    back = "copy out copy out"
    order = f"{first} {second} use 0 {back} {third} use 1 {back} use 2 {back}"
    assert " ".join(each for each in log if each != "wait") == order
    all_arrived(played)
    added = np.array([1000, 1000, 1000, 1000, 2000, 2000, 0, 3000, 3000])
    np.testing.assert_array_equal(hosts[0], np.arange(9.0) + added)
    np.testing.assert_array_equal(hosts[1], [0, 0, 0, 0, 0, 0, 106, 0, 0])
    assert [*passed_through(hosts, [], played)] == []


def test_what_is_left_unread_keeps_its_memory_until_it_has_arrived(played):
    away = [handed_out(played.from_numpy(np.arange(3.0))) for _ in range(3)]
    arriving = brought_back(away, played)
    next(arriving)
    arriving.close()  # as where a backward pass fails: the next array is still on its way
    again = handed_out(played.from_numpy(np.arange(5.0)))
    (back,) = brought_back([again], played)
    np.testing.assert_array_equal(back.inner, np.arange(5.0))


def test_arrays_that_stayed_are_given_back_as_they_are(played):
    arrays = [played.from_numpy(np.arange(3.0)) for _ in range(3)]
    assert [*brought_back(arrays, played)] == arrays[::-1]
    assert [*brought_back([], played)] == []
    assert played.xp.cuda.log == []
