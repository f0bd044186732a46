"""Build the course: every NN_name.py of this folder becomes an executed NN_name.ipynb beside it.

    python notebooks/build.py            build all
    python notebooks/build.py 03 05      build some
    python notebooks/build.py --check    run all, and fail where an .ipynb is not what its .py says, is too large, or
                                         holds a figure without a text for those who cannot see it

Two builds of one source give the same cells: ids are numbers, and no time or version is kept.
"""

import argparse
import sys
import time
from pathlib import Path

import jupytext
import nbclient
import nbformat

FOLDER = Path(__file__).parent
LIMIT = 300_000  # bytes of a notebook
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
    nbclient.NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(FOLDER)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def problems_of(path: Path, notebook: nbformat.NotebookNode) -> list[str]:
    """Return what is wrong with a built notebook, beside a cell that fails, which stops the build."""
    problems = []
    if len(nbformat.writes(notebook)) > LIMIT:
        problems.append(f"{path.name} has {len(nbformat.writes(notebook)):,} bytes, more than {LIMIT:,}")
    for i, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            image = "image/png" in output.get("data", {})
            if image and not output.metadata.get("image/png", {}).get("alt"):
                problems.append(f"{path.name}, cell {i}: a figure without alt text; show it with plots.showing.show")
            if output.output_type == "stream" and output.name == "stderr":
                problems.append(f"{path.name}, cell {i} writes to stderr: {output.text[:200]}")
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("numbers", nargs="*", help="such as 03")
    options = parser.parse_args()
    paths = [p for p in sorted(FOLDER.glob("[0-9][0-9]_*.py")) if not options.numbers or p.name[:2] in options.numbers]
    if not paths:
        parser.error(f"no notebook in {FOLDER} has one of the numbers {', '.join(options.numbers)}")
    problems: list[str] = []
    for path in paths:
        started = time.perf_counter()
        notebook = source_of(path)
        problems += drift_of(path, notebook) if options.check else []
        notebook = executed(notebook)
        problems += problems_of(path, notebook)
        if not options.check:
            nbformat.write(notebook, path.with_suffix(".ipynb"))
        print(f"{path.stem:<40}{time.perf_counter() - started:6.1f} s", flush=True)
    print(*problems, sep="\n", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
