"""A lab as other systems take it: nbgrader, Gradescope, Classroom 50, and the solution for those who teach."""

import json
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from albert_np.files import whole_folder
from albert_np.labs.autograder import Course, course_of
from albert_np.labs.nbgrader import CONFIG, nbgrader_source
from albert_np.labs.notebook import notebook_text
from albert_np.labs.points import Lab
from albert_np.labs.release import PACKAGE, release_path, source_path
from albert_np.labs.roster import Student
from albert_np.labs.source import read_source, solution_cells

__all__ = ["KINDS", "export_lab"]

KINDS = ("nbgrader", "gradescope", "solution", "classroom50")
SECONDS = 120  # that one cell of a solution may take
Files = dict[str, str | bytes]

SETUP = """\
#!/usr/bin/env bash
# Python 3.11 or newer, and NumPy, in an environment of their own.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=""
for name in python3 python3.14 python3.13 python3.12 python3.11; do
  if command -v "$name" && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then python=$name; break; fi
done
if [ -z "$python" ]; then
  apt-get update -q && apt-get install -y -q python3.11 python3.11-venv
  python=python3.11
elif ! "$python" -c 'import ensurepip'; then
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  apt-get update -q && apt-get install -y -q "python$version-venv"
fi
apt-get install -y -q bubblewrap || true  # grading says how well a submission is kept apart
"$python" -m venv "$root/venv"
"$root/venv/bin/pip" install -q 'numpy>=2.0,<3'
"""

RUN = """\
#!/usr/bin/env bash
# A failing result comes first: whatever ends the grading leaves it behind.
root=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$root/results"
chmod 700 "$root/results" 2> /dev/null
chmod 600 "$root/source/course.json" 2> /dev/null
cat > "$root/results/results.json" << 'END'
{"score": 0, "output": "The autograder did not come to its end. Tell your instructor; hand in again after that."}
END
export OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
exec "$root/venv/bin/python" "$root/source/grade.py" "$root"
"""

GRADE = """\
import sys
from pathlib import Path

root = Path(sys.argv[1])
sys.path.insert(0, str(root / "source"))

from albert_np.labs.autograder import grade_gradescope

grade_gradescope(
    root / "source", root / "submission", root / "submission_metadata.json", root / "results" / "results.json"
)
"""

AUTOGRADER = """\
import subprocess
import sys
from pathlib import Path

here = Path(__file__).resolve().parent
try:
    import numpy
except ImportError:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--user", "numpy>=2.0,<3"], check=True)
sys.path.insert(0, str(here))

from albert_np.labs.autograder import grade_classroom50

grade_classroom50(here, Path.cwd())
"""


def export_lab(
    lab: Lab, kind: str, folder: str | Path, roster: Mapping[str, Student] | None = None, secret: bytes | None = None
) -> list[str]:
    """Write a lab into a new folder for one of `KINDS`; return what to do with it, one line each.

    FileExistsError if the folder exists and is not empty. FileNotFoundError for nbgrader and solution where there are
    no sources. ValueError for a roster or secret that the kind has no use for, or one without the other.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}: allowed are {', '.join(KINDS)}")
    if kind in ("nbgrader", "solution") and (roster is not None or secret is not None):
        raise ValueError(f"{kind} has the same numbers for everybody: give no roster= and no secret_file=")
    if (roster is None) != (secret is None):
        raise ValueError("roster= and secret_file= give each student their numbers together: give both or neither")
    stem = release_path(lab.number).stem
    if kind == "nbgrader":
        files, then = _nbgrader(lab, stem)
    elif kind == "solution":
        files, then = _solution(lab, stem)
    else:
        files, then = (_gradescope if kind == "gradescope" else _classroom50)(lab, stem, course_of(lab, roster, secret))
    with whole_folder(folder) as hidden:
        for name, content in files.items():
            path = hidden / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [line.replace("FOLDER", str(folder)) for line in then]


def _nbgrader(lab: Lab, stem: str) -> tuple[Files, list[str]]:
    files: Files = {"nbgrader_config.py": CONFIG, f"source/{stem}/{stem}.ipynb": nbgrader_source(lab)}
    return files, [
        f"cd FOLDER; nbgrader generate_assignment {stem}, and later nbgrader autograde {stem} --no-execute",
        f"albert-np labs grade {lab.number} FOLDER/submitted --output graded",
        "albert-np labs gradebook graded --roster r.csv --nbgrader FOLDER/gradebook.db, which puts the points in",
    ]


def _solution(lab: Lab, stem: str) -> tuple[Files, list[str]]:
    """Run the solution; nbclient's error if a cell of it fails, ImportError without what runs notebooks."""
    cells = solution_cells(read_source(source_path(lab.number)))
    try:
        import nbclient
        import nbformat
    except ImportError as error:
        raise ImportError("running notebooks needs more: pip install 'albert-np[instructor]'") from error
    notebook = nbformat.reads(notebook_text(cells), as_version=4)
    nbclient.NotebookClient(notebook, timeout=SECONDS).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    return {f"{stem}_solution.ipynb": nbformat.writes(notebook) + "\n"}, [f"FOLDER/{stem}_solution.ipynb"]


def _gradescope(lab: Lab, stem: str, course: Course) -> tuple[Files, list[str]]:
    files: Files = {"setup.sh": SETUP, "run_autograder": RUN, "grade.py": GRADE, **_package(lab, course)}
    return {"autograder.zip": _zip(files)}, [
        "upload FOLDER/autograder.zip to a programming assignment; choose a base image with Python 3.11 or newer",
        f"its points are those by machine: {sum(e.points for e in lab.machine):g}; written answers are marked by hand",
    ]


def _classroom50(lab: Lab, stem: str, course: Course) -> tuple[Files, list[str]]:
    slug = stem.replace("_", "-")
    place = f"autograders/{slug}"
    nameless = [student | {"name": "", "email": ""} for student in course["students"]]  # for it is published
    package = _package(lab, course | {"students": nameless})
    files: Files = {f"{place}/{name}": content for name, content in package.items()}
    files[f"{place}/autograder.py"] = AUTOGRADER
    files[f"template/{stem}.ipynb"] = release_path(lab.number).read_bytes()
    return files, [
        f"FOLDER/{place}: copy it into your classroom's folder of the repository classroom50",
        f"FOLDER/template: the starter code of the assignment {slug}, whose runtime has Python 3.11 or newer",
        "the roster's ids are then the students' names on GitHub; ids and numbers can be read on the classroom's pages",
        "points are whole numbers there",
    ]


def _package(lab: Lab, course: Course) -> Files:
    """Return a copy of this package, with the one notebook that grading compares with, and `course.json`."""
    files: Files = {"course.json": json.dumps(course, indent=1, ensure_ascii=False) + "\n"}
    for path in _modules():
        files[f"albert_np/{path.relative_to(PACKAGE).as_posix()}"] = path.read_bytes()
    released = release_path(lab.number)
    files[f"albert_np/labs/released/{released.name}"] = released.read_bytes()
    return files


def _modules() -> Iterator[Path]:
    """Yield the modules of the package itself, not what an installed one carries beside them, such as notebooks."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in ("notebooks", "data"):
            yield path


def _zip(files: Mapping[str, str | bytes]) -> bytes:
    """Return a zip whose bytes follow from the files alone; scripts without an ending, or in shell, can be run."""
    from io import BytesIO

    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            runs = name.endswith(".sh") or "." not in name
            entry.external_attr = (stat.S_IFREG | (0o755 if runs else 0o644)) << 16
            archive.writestr(entry, content)
    return out.getvalue()
