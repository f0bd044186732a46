"""Fine-tuning killed before its file operations and at random moments; each time it must end as if never stopped.

    PYTHONPATH=.:tests python tests/toys/finetuning_kills.py FOLDER --operations 20 --moments 5

Runs are made in FOLDER by forked processes, each of which prepares the run if it is not there and trains it to the end.
--operations: before so many file operations, spread over all there are, 0 for every one; in half of the trials the
resumed process is killed too. --moments: at so many random moments. Prints how many kills landed; exit status 1, with
what differs, if a run does not end as the uninterrupted one, or leaves anything behind.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
import warnings
from pathlib import Path

import safetensors.numpy  # noqa: F401  here and below: imported once, not in each forked process
import sentencepiece  # noqa: F401
import sklearn.metrics  # noqa: F401
import threadpoolctl  # noqa: F401
from toys.tasks import examples, model_folder

from albert_np.tasks import FineTuningRecipe, FineTuningRun, prepare_finetuning, task_settings
from albert_np.training import read_metrics

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")
WRITING = os.O_WRONLY | os.O_RDWR


def train(output, start):
    """Prepare the run if it is not there, and train it to the end."""
    warnings.simplefilter("ignore")
    if not output.exists():
        task = task_settings("classification", steps=6, batch_size=8, learning_rate=5e-3, dropout=0.1)
        recipe = FineTuningRecipe(threads=1, evaluate_every=2)
        made = examples("classification", 24), examples("classification", 12, seed=1)
        prepare_finetuning(output, task, *made, start, recipe=recipe)
    FineTuningRun(output).train(resume=True)


def fork(output, start, dies_at=0):
    """Train in a forked process, which kills itself before its file operation of that number; return its id."""
    child = os.fork()
    if child:
        return child
    count = 0

    def watch(event, arguments):
        nonlocal count
        changes = event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING)
        if changes and isinstance(arguments[0], str | os.PathLike):
            count += 1
            if count == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    status = 1
    try:
        train(output, start)
        if dies_at < 0:
            output.with_suffix(".count").write_text(str(count))
        status = 0
    except BaseException as error:  # whatever it is, the child must not run on as its parent
        print(f"{output}: {error!r}", flush=True)
    finally:
        os._exit(status)


def was_killed(child):
    """Wait for a process; say whether it was killed. Exit with an error if it failed."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGKILL):
        sys.exit(f"a resumed run failed with status {status}")
    return status != 0


def contents(output):
    """Return all that a finished run holds, without what is a matter of time."""
    found = {}
    for path in sorted(output.rglob("*")):
        name = path.relative_to(output).as_posix()
        if path.is_dir():
            found[name] = None
        elif path.name == "metrics.jsonl":
            found[name] = [{k: v for k, v in r.items() if "second" not in k} for r in read_metrics(path)]
        elif path.name == "trainer.json":
            found[name] = json.loads(path.read_text())
            found[name]["state"].pop()  # seconds
        elif path.name == "manifest.json":
            files = json.loads(path.read_text())["files"]
            found[name] = {k: v["sha256"] for k, v in files.items() if k != "trainer.json"}
        else:
            found[name] = path.read_bytes()
    return found


def check(output, expected):
    """Exit with an error if a run does not hold what it should, or anything lies beside it."""
    found = contents(output)
    differing = sorted(n for n in found.keys() | expected.keys() if found.get(n, "-") != expected.get(n, "-"))
    beside = [path.name for path in output.parent.iterdir() if path.name.startswith(f".partial-{output.name}")]
    if differing or beside:
        sys.exit(f"{output}: {', '.join(differing + beside)}")
    shutil.rmtree(output)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--operations", type=int, default=0)
    arguments.add_argument("--moments", type=int, default=0)
    arguments.add_argument("--seed", type=int, default=None)
    options = arguments.parse_args()
    folder, start = options.folder, model_folder(options.folder / "model")
    chance = random.Random(options.seed)
    began = time.monotonic()
    assert not was_killed(fork(folder / "whole", start, dies_at=-1))
    length = time.monotonic() - began
    expected = contents(folder / "whole")
    total = int((folder / "whole.count").read_text())
    places = range(1, total + 1)
    if options.operations:
        places = [1 + i * total // options.operations for i in range(options.operations)]
    kills = 0
    for place in places:
        output = folder / f"operation-{place}"
        kills += was_killed(fork(output, start, place))
        if place % 2:
            kills += was_killed(fork(output, start, chance.randrange(1, total // 2)))
        was_killed(fork(output, start))
        check(output, expected)
    landed = 0
    for i in range(options.moments):
        output = folder / f"moment-{i}"
        child = fork(output, start)
        time.sleep(chance.uniform(0, length / 2))
        os.kill(child, signal.SIGKILL)
        landed += was_killed(child)
        was_killed(fork(output, start))
        check(output, expected)
    print(f"{kills} kills before {len(places)} of {total} file operations, {landed} of {options.moments} at random")


if __name__ == "__main__":
    main()
