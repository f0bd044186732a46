"""Build the course: every NN_name.py of this folder becomes an executed NN_name.ipynb beside it.

    python notebooks/build.py            build all
    python notebooks/build.py 03 05      build some
    python notebooks/build.py --check    run all, and fail where an .ipynb is not what its .py says, is too large, or
                                         holds a figure without caption and alt text, or out of turn
    python notebooks/build.py --compare  run nothing, and fail where an .ipynb is not what its .py says

All fail when data/ has grown too large.

Two builds of one source give the same cells: ids are numbers, and no time or version is kept.
"""

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbclient
import nbformat
from traitlets.config import Config

FOLDER = Path(__file__).parent
DATA = FOLDER.parent / "data"
LIMIT = 300_000  # bytes of a notebook
DATA_LIMIT = 6_000_000  # bytes of all that the notebooks read and the README shows
SECONDS = 600  # that one cell may take


def source_of(path: Path) -> nbformat.NotebookNode:
    notebook = jupytext.read(path, fmt="py:percent")
    for i, cell in enumerate(notebook.cells):
        cell.id = f"cell-{i:03d}"
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def executed(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    with tempfile.TemporaryDirectory() as sockets:  # files rather than ports, which others on the machine could read
        config = Config(KernelManager={"transport": "ipc", "ip": f"{sockets}/kernel"})
        resources = {"metadata": {"path": str(FOLDER)}}
        nbclient.NotebookClient(notebook, timeout=SECONDS, resources=resources, config=config).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def problems_of(path: Path, notebook: nbformat.NotebookNode) -> list[str]:
    """Return what is wrong with a built notebook, beside a cell that fails, which stops the build."""
    problems, numbers = [], []
    if len(nbformat.writes(notebook)) > LIMIT:
        problems.append(f"{path.name} has {len(nbformat.writes(notebook)):,} bytes, more than {LIMIT:,}")
    for i, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if any(kind.startswith("image/") for kind in data):
                problems.append(
                    f"{path.name}, cell {i}: a picture without number, caption and alt text; use plots.show"
                )
            numbers += re.findall(r"<figcaption><b>Figure ([^<]*)</b>", data.get("text/html", ""))
            if output.output_type == "stream" and output.name == "stderr":
                problems.append(f"{path.name}, cell {i} writes to stderr: {output.text[:200]}")
    expected = [f"{int(path.name[:2])}.{i + 1}" for i in range(len(numbers))]
    if numbers != expected:
        problems.append(f"{path.name} has the figures {', '.join(numbers)}; number them {', '.join(expected)}")
    return problems


def drift_of(path: Path, notebook: nbformat.NotebookNode) -> list[str]:
    """Return that the committed notebook has other cells than its source, if so."""
    built = path.with_suffix(".ipynb")
    if not built.is_file():
        return [f"{built.name} is missing: run notebooks/build.py"]
    cells = [(cell.cell_type, cell.source) for cell in nbformat.read(built, as_version=4).cells]
    if cells != [(cell.cell_type, cell.source) for cell in notebook.cells]:
        return [f"{built.name} is not what {path.name} says: run notebooks/build.py"]
    return []


def size_problems() -> list[str]:
    """Return that the data has grown too large to travel with the package, if so."""
    size = sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file())
    return [f"{DATA.name} has {size:,} bytes, more than {DATA_LIMIT:,}"] if size > DATA_LIMIT else []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--compare", action="store_true", help="write and run nothing")
    parser.add_argument("numbers", nargs="*", help="such as 03")
    options = parser.parse_args()
    paths = [p for p in sorted(FOLDER.glob("[0-9][0-9]_*.py")) if not options.numbers or p.name[:2] in options.numbers]
    if not paths:
        parser.error(f"no notebook in {FOLDER} has one of the numbers {', '.join(options.numbers)}")
    problems = size_problems()
    beginning = time.perf_counter()
    for path in paths:
        started = time.perf_counter()
        notebook = source_of(path)
        problems += drift_of(path, notebook) if options.check or options.compare else []
        if options.compare:
            continue
        notebook = executed(notebook)
        problems += problems_of(path, notebook)
        if not options.check:
            nbformat.write(notebook, path.with_suffix(".ipynb"))
        print(f"{path.stem:<40}{time.perf_counter() - started:6.1f} s", flush=True)
    if not options.compare:
        print(f"{'together':<40}{time.perf_counter() - beginning:6.1f} s", flush=True)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
