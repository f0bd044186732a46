"""Processes killed at random moments: what resumes is the uninterrupted run, bit for bit.

Plain pytest kills a few times; ALBERT_NP_KILLS=20 kills as often as it says.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from toys.training_process import TOTAL_STEPS

import albert_np
from albert_np.training import latest_checkpoint, read_metrics

SCRIPT = Path(__file__).parents[1] / "toys" / "training_process.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(albert_np.__file__).parents[1])}
KILLS = int(os.environ.get("ALBERT_NP_KILLS", "3"))


def start(run, *options):
    """Start the training process and wait until it is about to train."""
    command = [sys.executable, SCRIPT, run, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    if process.stdout.readline() != "ready\n":
        pytest.fail(process.communicate()[1])
    return process


def finish(process, expected=0):
    output, errors = process.communicate(timeout=120)
    assert process.returncode == expected, errors
    return output


def kill(process, run, records, delay=0.0):
    """Kill the process some time after the run's log has so many records; return whether it was still running."""
    log = run / "metrics.jsonl"
    while process.poll() is None and records and (not log.exists() or log.read_text().count("\n") < records):
        time.sleep(0.001)
    time.sleep(delay)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The run that all others must equal."""
    run = tmp_path_factory.mktemp("uninterrupted")
    finish(start(run))
    return run


def assert_same_run(run, expected):
    folders = latest_checkpoint(run), latest_checkpoint(expected)
    assert [folder.name for folder in folders] == [f"step-{TOTAL_STEPS:08d}"] * 2
    for name in ("model.safetensors", "optimizer.safetensors"):
        ours, theirs = (load_file(folder / name) for folder in folders)
        assert ours.keys() == theirs.keys()
        for key, array in ours.items():
            np.testing.assert_array_equal(array, theirs[key], err_msg=key)
    trainers = [json.loads((folder / "trainer.json").read_text()) for folder in folders]
    for trainer in trainers:
        trainer["state"].pop()  # seconds
    assert trainers[0] == trainers[1]
    logs = [read_metrics(Path(folder) / "metrics.jsonl") for folder in (run, expected)]
    for log in logs:
        assert [record["step"] for record in log] == list(range(1, TOTAL_STEPS + 1))
        for record in log:
            del record["seconds"], record["tokens_per_second"]
    assert logs[0] == logs[1]
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == sorted(
        path.name for path in (expected / "checkpoints").iterdir()
    )


def test_killed_at_random_moments_the_run_ends_the_same(tmp_path, uninterrupted):
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    landed = 0
    for i in range(KILLS):
        run = tmp_path / str(i)
        process = start(run, "--seconds-per-step", "0.005")
        landed += kill(process, run, moments.randrange(TOTAL_STEPS), delay=moments.uniform(0, 0.03))
        finish(start(run))
        assert_same_run(run, uninterrupted)
    print(f"{landed} of {KILLS} kills landed inside training (seed {seed})")
    assert landed, f"seed {seed}"


def test_killed_again_and_again_the_run_still_ends_the_same(tmp_path, uninterrupted):
    for records in (5, 11, 17):
        kill(start(tmp_path), tmp_path, records)
    finish(start(tmp_path))
    assert_same_run(tmp_path, uninterrupted)


@pytest.mark.parametrize("moment", ["writing", "removing"])
def test_killed_inside_a_checkpoint_the_run_ends_the_same(tmp_path, uninterrupted, moment):
    finish(start(tmp_path, "--die-while", moment), expected=-signal.SIGKILL)
    left = [path.name for path in (tmp_path / "checkpoints").iterdir()]
    assert any(name.startswith(".partial-") for name in left)
    finish(start(tmp_path))
    assert_same_run(tmp_path, uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_resumed_run_ends_the_same(tmp_path, uninterrupted, number):
    process = start(tmp_path, "--seconds-per-step", "0.2")
    log = tmp_path / "metrics.jsonl"
    while not log.exists() or log.read_text().count("\n") < 5:
        time.sleep(0.01)
    process.send_signal(number)
    output = finish(process, expected=3)
    folder = latest_checkpoint(tmp_path)
    assert f"{number.name} after step {int(folder.name[5:])}" in output
    assert str(folder) in output
    assert 5 <= int(folder.name[5:]) < TOTAL_STEPS
    finish(start(tmp_path))
    assert_same_run(tmp_path, uninterrupted)
