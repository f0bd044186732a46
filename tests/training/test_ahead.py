"""Batches made ahead: the same ones, a bounded number of them, errors in their place, and no thread left behind."""

import os
import signal
import threading
import time
from collections import Counter

import numpy as np
import pytest
from toys.training_process import RandomData, make_trainer

from albert_np.training import TrainingInterrupted
from albert_np.training import trainer as trainer_module
from albert_np.training.ahead import ahead_of


class Counted:
    """Batch n is n², its position n; remembers who asked for what, and refuses 7 once."""

    def __init__(self):
        self.asked = []
        self.threads = set()
        self.refuses = True

    def batch_at(self, position):
        self.asked.append(position)
        self.threads.add(threading.current_thread())
        if position == 7 and self.refuses:
            self.refuses = False
            raise ValueError("seven is refused")
        return position**2, position + 1


def of_batches():
    return [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_batches_are_those_of_the_data_in_whatever_order_they_are_asked_for(count):
    data = Counted()
    order = [0, 1, 2, 3, 3, 20, 21, 22, 5, 6, 30, 31]
    with ahead_of(data, count) as ahead:
        assert [ahead.batch_at(position) for position in order] == [(n**2, n + 1) for n in order]
    assert threading.main_thread() not in data.threads
    assert len(data.threads) == 1
    assert not of_batches()


def test_no_more_than_so_many_are_made_ahead():
    data = Counted()
    with ahead_of(data, 2) as ahead:
        for position in (0, 1, 2):
            ahead.batch_at(position)
            end = time.monotonic() + 60
            while len(data.asked) < position + 3 and time.monotonic() < end:
                time.sleep(0.001)
            time.sleep(0.02)
            assert data.asked == list(range(position + 3))


def test_an_error_comes_when_its_batch_is_asked_for_and_can_be_asked_for_again():
    with ahead_of(Counted(), 3) as ahead:
        assert [ahead.batch_at(position)[0] for position in range(7)] == [n**2 for n in range(7)]
        with pytest.raises(ValueError, match="seven is refused"):
            ahead.batch_at(7)
        assert [ahead.batch_at(position)[0] for position in (7, 8)] == [49, 64]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_the_thread_ends_with_the_block_however_that_ends(error):
    def work():
        with ahead_of(Counted(), 3) as ahead:
            ahead.batch_at(0)
            assert of_batches()
            raise error

    with pytest.raises(error):
        work()
    assert not of_batches()


def weights(trainer):
    return trainer.model.params.flat.copy()


@pytest.mark.parametrize("accumulation", [1, 3])
def test_training_ahead_gives_the_same_weights_and_goes_on_from_an_interruption(tmp_path, accumulation):
    plain, ahead, stopped, resumed = (
        make_trainer(tmp_path / name, accumulation=accumulation, ahead=name != "plain")
        for name in ("plain", "ahead", "stopped", "stopped")
    )
    for trainer in (plain, ahead):
        trainer.train(6)
        assert not of_batches()
    np.testing.assert_array_equal(weights(ahead), weights(plain))

    def stop_at_three(record):
        if record["step"] == 3:
            os.kill(os.getpid(), signal.SIGINT)

    stopped.on_step = stop_at_three
    with pytest.raises(TrainingInterrupted):
        stopped.train(6)
    assert not of_batches()
    assert resumed.resume() == 3
    resumed.train(6)
    np.testing.assert_array_equal(weights(resumed), weights(plain))


class Failing(RandomData):
    """Data that cannot make the batch of example 20."""

    def batch_at(self, position):
        if position.example == 20:
            raise ValueError("example 20 is damaged")
        return super().batch_at(position)


def test_a_batch_that_fails_stops_training_at_its_own_update(tmp_path):
    seen = []
    trainer = make_trainer(tmp_path, accumulation=2, ahead=True, on_step=seen.append)
    trainer.data = Failing(4)
    with pytest.raises(ValueError, match="example 20 is damaged"):
        trainer.train(6)
    assert [record["step"] for record in seen] == [1, 2]  # of 8 examples each: the third needs the batch
    assert trainer.state.step == 2
    assert not of_batches()


def test_by_default_batches_are_made_ahead_where_a_processor_is_left(tmp_path, monkeypatch):
    made = Counter()

    def counted(data, count):
        made[count] += 1
        return ahead_of(data, count)

    monkeypatch.setattr(trainer_module, "ahead_of", counted)
    monkeypatch.setattr(trainer_module, "available_threads", lambda: 2)
    for threads, ahead in ((1, None), (2, None), (1, False), (2, True)):
        make_trainer(tmp_path / f"{threads} {ahead}", accumulation=2, threads=threads, ahead=ahead).train(1)
    assert made == {2: 2}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks of POSIX")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_trainer_of_before_a_fork_trains_ahead_in_the_child(tmp_path):
    here, there = (make_trainer(tmp_path / name, ahead=True) for name in ("here", "there"))
    here.train(2)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            there.train(2)
            status = int(not np.array_equal(weights(there), weights(here)) or bool(of_batches()))
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
