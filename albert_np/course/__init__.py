"""The course's self-checks: one module a notebook. A check takes the reader's own function and says what is wrong.

    >>> from albert_np.course import lesson05
    >>> lesson05.check_layer_norm_dx(my_layer_norm_dx)

Expected values come from the package, from finite differences, or from a case by hand. Where the environment variable
ALBERT_NP_CHECKS is "strict", a check that fails fails its cell: for those who grade notebooks by running them.
"""

import json
from pathlib import Path

from albert_np.course.report import CheckFailed, CheckReport, Finding, equal, holds, self_check
from albert_np.course.verification import cases, committed_model, upstream, verify_op
from albert_np.files import whole_folder
from albert_np.study import data_folder, shipped_folder

__all__ = [
    "CheckFailed",
    "CheckReport",
    "Finding",
    "cases",
    "committed_model",
    "copy_notebooks",
    "data_folder",
    "equal",
    "holds",
    "notebooks_folder",
    "self_check",
    "upstream",
    "verify_op",
]


def notebooks_folder() -> Path:
    """Return the folder of the notebooks."""
    return shipped_folder("notebooks")


def copy_notebooks(folder: str | Path, solutions: bool = False, executed: bool = False) -> list[Path]:
    """Copy the course into a new folder, which appears when it is whole; return the notebooks there, in their order.

    solutions: with a folder of solutions. executed: notebooks with what their cells gave, rather than not yet run.
    FileExistsError if something of that name exists: it may hold a reader's work, and is left as it is.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists and is left as it is; open it, or choose another name")
    source = notebooks_folder()
    needed = ["README.md", "[0-9][0-9]_*.ipynb", *(["solutions/lesson*.py"] if solutions else [])]
    with whole_folder(folder) as hidden:
        for path in (found for pattern in needed for found in source.glob(pattern)):
            target = hidden / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".ipynb" and not executed:
                text = _not_run(text)
            target.write_text(text, encoding="utf-8", newline="\n")
    return sorted(folder.glob("*.ipynb"))


def _not_run(text: str) -> str:
    """Return a notebook without what its cells gave."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
