"""Fine-tuning killed before its file operations and at random moments ends as if never stopped, and leaves nothing.

Plain pytest kills a few times; ALBERT_NP_KILLS=40 kills that often in either way, and 0 before every operation.
"""

import os
import subprocess
import sys
from pathlib import Path

import albert_np

SCRIPT = Path(__file__).parents[1] / "toys" / "finetuning_kills.py"
PLACES = [str(Path(albert_np.__file__).parents[1]), str(SCRIPT.parents[1])]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(PLACES), "OPENBLAS_NUM_THREADS": "1"}


def test_killed_anywhere_the_run_ends_the_same_and_nothing_is_left(tmp_path):
    kills = os.environ.get("ALBERT_NP_KILLS", "3")
    command = [sys.executable, SCRIPT, tmp_path, "--operations", kills, "--moments", kills]
    made = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert made.returncode == 0, made.stdout + made.stderr
    assert " kills before " in made.stdout
    assert not list(tmp_path.glob("*/.lock"))
