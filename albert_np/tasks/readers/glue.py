"""Where the files of a task lie in a folder: GLUE's, or one with parts to train with and to evaluate on."""

import os
from pathlib import Path

__all__ = ["glue_files", "task_files"]

FOLDERS = {
    "cola": "CoLA",
    "sts-b": "STS-B",
    "sst-2": "SST-2",
    "mnli": "MNLI",
    "qnli": "QNLI",
    "qqp": "QQP",
    "rte": "RTE",
    "mrpc": "MRPC",
    "wnli": "WNLI",
}
FILES = {"train": "train.tsv", "eval": "dev.tsv", "test": "test.tsv"}
MNLI_FILES = {
    "train": "train.tsv",
    "eval": "dev_matched.tsv",
    "eval_mismatched": "dev_mismatched.tsv",
    "test": "test_matched.tsv",
    "test_mismatched": "test_mismatched.tsv",
}


def glue_files(folder: str | os.PathLike[str], task_name: str) -> dict[str, Path]:
    """Return the files of a GLUE task by what they are for: "train", "eval" and those of "test" that are there.

    folder: GLUE's (with CoLA, MNLI, … in it) or the task's own. "eval" is what GLUE calls dev; of MNLI it is the
    matched part, and "eval_mismatched" the other. Test files have no labels.

    Raises ValueError for a task that GLUE does not have, FileNotFoundError if train or eval is missing.
    """
    if task_name not in FOLDERS:
        raise ValueError(f"task_name={task_name!r} must be one of {', '.join(FOLDERS)}")
    inside = Path(folder) / FOLDERS[task_name]
    root = inside if inside.is_dir() else Path(folder)
    named = {use: root / name for use, name in (MNLI_FILES if task_name == "mnli" else FILES).items()}
    for use in ("train", "eval"):
        if not named[use].is_file():
            raise FileNotFoundError(f"{task_name} needs {named[use]}, which is not there")
    return {use: path for use, path in named.items() if path.is_file()}


def task_files(folder: str | os.PathLike[str], task_name: str) -> dict[str, Path]:
    """Return where the data of any task lie in a folder: "train" and, if there are some to evaluate on, "eval".

    Of GLUE's tasks as `glue_files`. Of others, the folder `train` and the first of `dev`, `validation` and `test` in
    it, as RACE and IMDB have them; if these are not there, the folder itself is "train".
    """
    if task_name in FOLDERS:
        return glue_files(folder, task_name)
    root = Path(folder)
    asked = [root / name for name in ("dev", "validation", "test") if (root / name).is_dir()]
    if not asked or not (root / "train").is_dir():
        return {"train": root}
    return {"train": root / "train", "eval": asked[0]}
