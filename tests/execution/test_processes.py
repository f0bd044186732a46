"""Functions in processes of their own: the same results in the same order, bounded, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toys import processes as toys

import albert_np
from albert_np.execution import Processes, available_threads, peak_memory
from albert_np.execution import processes as processes_module

PATHS = [str(Path(albert_np.__file__).parents[1]), str(Path(toys.__file__).parents[1])]
posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(processes, seconds=60):
    end = time.monotonic() + seconds
    while any(map(is_alive, processes)):
        assert time.monotonic() < end, "a process is still there"
        time.sleep(0.05)


@pytest.mark.parametrize("count", [1, 3])
def test_results_come_in_the_order_of_the_items(count):
    with Processes(count) as processes:
        for items in (0, 1, 7, 40):
            squares = [number**2 for number in range(items)]
            assert list(processes.map(toys.square, range(items))) == squares
            assert list(processes.map(str, processes.map(toys.square, range(items)))) == [*map(str, squares)]


def test_a_few_items_or_one_process_are_worked_on_here():
    many = processes_module.WORTH_STARTING
    with Processes(1) as one, Processes(2) as two:
        assert set(one.map(toys.process_id, range(50))) == {os.getpid()}
        assert set(two.map(toys.process_id, range(many - 1))) == {os.getpid()}
        assert two.peak_memory() == peak_memory()  # of this process alone
        others = set(two.map(toys.process_id, range(50)))
        assert os.getpid() not in others
        assert 1 <= len(others) <= 2
        if peak_memory() is not None:
            assert 10e6 < two.peak_memory() - peak_memory() < 2e9
    wait_until_gone(others)


def test_items_are_read_no_further_ahead_than_is_worked_on():
    items = iter(range(100))
    with Processes(2) as processes:
        for done, _ in enumerate(processes.map(toys.square, items), 1):
            read = 100 - items.__length_hint__()
            assert read <= max(processes_module.WORTH_STARTING, done + processes_module.AHEAD * 2)
    assert done == read == 100


def test_a_process_has_one_thread_for_what_it_does():
    with Processes(2) as processes:
        assert set(processes.map(threads_there, range(20))) == {1}
    assert available_threads() >= 1


def threads_there(item):
    return available_threads()


def test_an_error_keeps_its_type_and_says_where_it_was_raised():
    with Processes(2) as processes:
        results = processes.map(toys.refuse_three, range(50))
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="three is refused") as caught:
            next(results)
        assert str(caught.value) == "three is refused"
        assert "in refuse_three" in caught.value.__notes__[0]
        with pytest.raises(RuntimeError, match="Unpicklable: 0 is refused"):
            list(processes.map(toys.refuse_in_a_strange_way, range(50)))
        with pytest.raises(TypeError, match=r"function=<function .* cannot be pickled: only what a module defines can"):
            list(processes.map(lambda number: number, range(50)))
        assert list(processes.map(toys.square, range(20))) == [number**2 for number in range(20)]


def test_what_a_function_prints_does_not_spoil_its_answer(capfd):
    with Processes(2) as processes:
        assert list(processes.map(toys.print_much, range(10))) == list(range(10))


@posix
def test_a_killed_process_is_an_error_and_the_others_end():
    with Processes(2) as processes:
        others = set(processes.map(toys.process_id, range(20)))
        with pytest.raises(ChildProcessError, match="ended by SIGKILL"):
            list(processes.map(toys.die_at_nine, range(50)))
    wait_until_gone(others)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_processes_end_when_the_work_is_given_up(error):
    def items():
        yield from range(20)
        raise error

    def work(others):
        with Processes(2) as processes:
            others.update(processes.map(toys.process_id, items()))

    others = set()
    with pytest.raises(error):
        work(others)
    wait_until_gone(others)
    with Processes(2) as processes:
        stopped = processes.map(toys.process_id, range(100))
        others = {next(stopped) for _ in range(3)}
        stopped.close()
    wait_until_gone(others)


def test_a_count_below_one_is_refused():
    with pytest.raises(ValueError, match="count=0 must be at least 1"):
        Processes(0)


# A script that does not ask whether it is the main program, as `multiprocessing` would need.
SCRIPT = """
import sys, time
sys.path[:0] = sys.argv[1:]
from albert_np.execution import Processes
from toys.processes import process_id
def slowly():
    for number in range(10**9):
        time.sleep(0.001)
        yield number
print("started", flush=True)
with Processes(2) as processes:
    seen = set()
    for process in processes.map(process_id, slowly()):
        if process not in seen:
            seen.add(process)
            print(process, flush=True)
"""


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_a_program_that_is_stopped(number):
    command = [sys.executable, "-c", SCRIPT, *PATHS]
    program = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert program.stdout.readline() == "started\n"
    others = [int(program.stdout.readline()) for _ in range(2)]
    os.killpg(program.pid, number)  # as a terminal sends Ctrl-C: to the program and to what it started
    error = program.stderr.read()
    program.stdout.close()
    program.stderr.close()
    assert program.wait(60) == -number
    wait_until_gone(others)
    assert error.count("Traceback") == (number == signal.SIGINT), error  # the program's own alone
