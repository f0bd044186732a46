import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import toys.strict  # noqa: F401 — the backend of that name
from threadpoolctl import threadpool_info

from albert_np.execution.replicas import Replicas, _blas, available_threads, split
from albert_np.gradcheck import DROPOUT, randomize, small_batch, small_config
from albert_np.model import AlbertForPreTraining


def batch_and_counts(config, size=5):
    batch = small_batch(config, batch=size)
    counts = {"mlm_denominator": int((batch["labels"] != -100).sum()), "sop_denominator": size}
    return batch, counts


def losses(model, batch, counts, threads):
    def work(copy, part):
        out = copy(**part, **counts)
        copy.backward()
        return float(out.loss)

    model.zero_grad()
    return Replicas(model, threads).map(work, split(batch, threads))


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_together_have_the_gradient_of_the_whole_batch(threads):
    model = randomize(AlbertForPreTraining(small_config(), dtype="float64")).eval()
    batch, counts = batch_and_counts(model.config)
    model(**batch)
    model.backward()
    whole, expected = model(**batch).loss, model.grads.flat.copy()
    got = losses(model, batch, counts, threads)
    assert sum(got) == pytest.approx(whole, rel=1e-12)
    np.testing.assert_allclose(model.grads.flat, expected, rtol=1e-9, atol=1e-12)


def test_the_same_number_of_threads_gives_the_same_bits_with_dropout():
    def run():
        model = randomize(AlbertForPreTraining(small_config(**DROPOUT), seed=4)).train()
        batch, counts = batch_and_counts(model.config)
        first = losses(model, batch, counts, 2)
        return first, losses(model, batch, counts, 2), model.grads.flat.copy()

    first, second = run(), run()
    assert first[:2] == second[:2]
    assert first[0] != first[1]  # new masks at each pass
    assert (first[2] == second[2]).all()


def test_gradients_are_added_to_what_is_there():
    model = randomize(AlbertForPreTraining(small_config(), dtype="float64")).eval()
    batch, counts = batch_and_counts(model.config)
    replicas = Replicas(model, 2)

    def work(copy, part):
        copy(**part, **counts)
        copy.backward()

    replicas.map(work, split(batch, 2))
    once = model.grads.flat.copy()
    replicas.map(work, split(batch, 2))
    np.testing.assert_allclose(model.grads.flat, 2 * once, rtol=1e-12, atol=1e-14)


def test_a_replica_shares_weights_and_nothing_else():
    model = AlbertForPreTraining(small_config())
    other = model.replica()
    model.params.flat += 1
    assert (other.params.flat == model.params.flat).all()
    other.grads.flat += 1
    assert not model.grads.flat.any()
    assert other.rng.random() == model.rng.random()


def test_split_is_even_and_loses_nothing():
    batch = {"x": np.arange(7), "y": np.arange(14).reshape(7, 2)}
    parts = split(batch, 3)
    assert [len(part["x"]) for part in parts] == [2, 3, 2]
    assert (np.concatenate([part["y"] for part in parts]) == batch["y"]).all()
    assert len(split({"x": np.arange(2)}, 5)) == 2


def in_thread(work):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def blas_threads(*_):
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_the_blas_has_the_threads_that_are_left():
    before = blas_threads()
    replicas = Replicas(AlbertForPreTraining(small_config()), 2)
    assert set(replicas.map(blas_threads, [1, 2])[0]) == {1}
    assert set(replicas.map(blas_threads, [1])[0]) == {min(2, os.cpu_count())}
    assert blas_threads() == before


def test_limits_that_overlap_end_with_what_was_there_before():
    """Each took what another had set for what the BLAS had of its own, and left that behind for good."""
    before = blas_threads()
    model = AlbertForPreTraining(small_config())
    started, ended = threading.Barrier(4), threading.Barrier(4)

    def work(model, part):
        started.wait(20)
        found = blas_threads()
        ended.wait(20)
        return found

    runs = [Replicas(model, 2) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda each: each.map(work, [1, 2]), runs))
    assert {number for run in found for numbers in run for number in numbers} == {1}
    assert blas_threads() == before
    first, second = _blas.limited(2), _blas.limited(1)
    first.__enter__()
    assert set(blas_threads()) == {2}
    in_thread(second.__enter__)
    assert set(blas_threads()) == {1}
    first.__exit__(None, None, None)
    assert set(blas_threads()) == {1}
    in_thread(lambda: second.__exit__(None, None, None))
    assert blas_threads() == before


def test_copies_are_made_for_parts_that_there_are():
    """100,000 threads for a batch of five took a minute, and memory for as many models."""
    model = randomize(AlbertForPreTraining(small_config())).eval()
    replicas = Replicas(model, 100_000)
    batch, counts = batch_and_counts(model.config)
    parts = split(batch, replicas.threads)
    assert len(parts) == 5
    found = sum(replicas.map(lambda copy, part: float(copy(**part, **counts).loss), parts))
    assert found == pytest.approx(float(model(**batch, **counts).loss))
    assert len(replicas._copies) == 4


def test_one_model_in_several_threads_is_refused_where_it_gave_wrong_gradients():
    model = AlbertForPreTraining(small_config())
    batch, _ = batch_and_counts(model.config)
    model(**batch)
    in_thread(lambda: model(**batch))  # takes the place of the pass above
    with pytest.raises(RuntimeError, match=r"made by another thread: give each thread a model\.replica\(\)"):
        model.backward()
    assert not model.grads.flat.any()
    model(**batch)
    in_thread(lambda: model(**batch, grad=False))
    with pytest.raises(RuntimeError, match="needs a forward pass"):
        model.backward()


def test_two_backward_passes_of_one_model_at_once_are_refused(monkeypatch):
    model = AlbertForPreTraining(small_config())
    batch, _ = batch_and_counts(model.config)
    inside, go_on = threading.Event(), threading.Event()
    last_pass = model._last_pass

    def slow():
        inside.set()
        assert go_on.wait(20)
        return last_pass()

    def first():
        model(**batch)
        model.backward()

    monkeypatch.setattr(model, "_last_pass", slow, raising=False)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(first)
        assert inside.wait(20)
        with pytest.raises(RuntimeError, match="another thread is in a backward pass of this model"):
            model.backward()
        go_on.set()
        running.result()
    once = model.grads.flat.copy()
    model.zero_grad()
    model(**batch)
    model.backward()
    np.testing.assert_array_equal(model.grads.flat, once)


def test_split_is_even_in_real_tokens():
    def sizes(lengths, parts):
        mask = np.arange(9) < np.array(lengths)[:, None]
        return [len(part["attention_mask"]) for part in split({"attention_mask": mask}, parts)]

    assert sizes([9, 1, 1, 1, 1, 1], 2) == [1, 5]
    assert sizes([1, 1, 1, 1, 1, 9], 2) == [5, 1]
    assert sizes([9, 1, 1, 1, 1, 5], 6) == [1] * 6
    assert sizes([9, 9, 1, 1, 1], 4) == [1, 1, 1, 2]
    assert sizes([0, 0, 0], 2) == [2, 1]


def test_an_error_in_a_thread_comes_through():
    def work(copy, part):
        raise RuntimeError("broken part")

    with pytest.raises(RuntimeError, match="broken part"):
        Replicas(AlbertForPreTraining(small_config()), 2).map(work, [1, 2])


def test_bad_thread_counts_are_refused():
    assert available_threads() >= 1
    model = AlbertForPreTraining(small_config())
    with pytest.raises(ValueError, match="threads=0 must be a whole number of at least 1"):
        Replicas(model, 0)
    with pytest.raises(ValueError, match="threads=True must be a whole number of at least 1"):
        Replicas(model, True)
    assert Replicas(model, np.int64(2)).parts == 2
    with pytest.raises(ValueError, match="3 parts are too many for 2 threads"):
        Replicas(model, 2).map(lambda copy, part: None, [1, 2, 3])


def test_one_part_is_computed_by_the_thread_that_asks():
    model = AlbertForPreTraining(small_config())
    assert Replicas(model, 2).map(lambda copy, part: threading.get_ident(), [1]) == [threading.get_ident()]


def test_threads_are_refused_where_a_device_belongs_to_one_thread():
    model = AlbertForPreTraining(small_config(), backend="strict")
    with pytest.raises(ValueError, match="threads=2: with backend='strict', only threads=1"):
        Replicas(model, 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 warns of forks beside threads
@pytest.mark.parametrize("threads", [1, 2])
def test_threads_used_before_a_fork_work_in_the_child(threads):
    replicas = Replicas(randomize(AlbertForPreTraining(small_config())).eval(), threads)
    batch, counts = batch_and_counts(replicas.model.config)

    def work(model, part):
        return float(model(**part, **counts, grad=False).loss)

    expected = replicas.map(work, split(batch, threads), gradients=False)
    with _blas.limited(1):  # as if another thread were in a pass meanwhile
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # it used to wait forever
            os._exit(0 if replicas.map(work, split(batch, threads), gradients=False) == expected else 1)
        assert os.waitpid(child, 0)[1] == 0
