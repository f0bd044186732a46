"""Exports: what other systems get, run as they run it where that needs nothing more."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from toys.labs import changed, plain, solved, stub, write

from albert_np.labs import open_lab
from albert_np.labs.export import KINDS, export_lab
from albert_np.labs.nbgrader import nbgrader_source
from albert_np.labs.notebook import read_cells
from albert_np.labs.points import Written
from albert_np.labs.release import release_path
from albert_np.labs.roster import Student

NUMBER = "02"
SECRET = b"0123456789abcdef"
ROSTER = {"k1": Student("k1", "Ada", "ada@example.org")}
OF = sum(e.points for e in open_lab(NUMBER).machine)
MISTAKE = ("np.mean(dx_hat * x_hat", "np.mean(dy * x_hat")
LOSS = next(f.points for f in open_lab(NUMBER).machine[0].findings if f.name == "dx")


def test_two_exports_of_gradescope_are_equal_to_the_byte_and_hold_no_secret_and_no_solution(tmp_path):
    for name in "ab":
        export_lab(open_lab(NUMBER), "gradescope", tmp_path / name, ROSTER, SECRET)
    a, b = ((tmp_path / name / "autograder.zip").read_bytes() for name in "ab")
    assert a == b
    with zipfile.ZipFile(tmp_path / "a" / "autograder.zip") as archive:
        names = archive.namelist()
        everything = b"".join(archive.read(name) for name in names)
        modes = {name: archive.getinfo(name).external_attr >> 16 & 0o777 for name in names}
    assert SECRET not in everything
    assert b"dx_hat - x_hat * np.mean" not in everything
    assert [name for name in names if name.endswith(".ipynb")] == [
        f"albert_np/labs/released/{release_path(NUMBER).name}"
    ]
    assert (modes["setup.sh"], modes["run_autograder"], modes["grade.py"]) == (0o755, 0o755, 0o644)


@pytest.fixture(scope="module")
def autograder(tmp_path_factory):
    """A folder like Gradescope's /autograder after setup.sh, in a place that everybody may read."""
    root = tmp_path_factory.mktemp("gradescope")
    export_lab(open_lab(NUMBER), "gradescope", root / "zip", ROSTER, SECRET)
    with zipfile.ZipFile(root / "zip" / "autograder.zip") as archive:
        archive.extractall(root / "autograder" / "source")
    base = root / "autograder"
    shutil.copy(base / "source" / "run_autograder", base / "run_autograder")
    python = write(base / "venv" / "bin" / "python", f'#!/bin/sh\nexec "{sys.executable}" -I "$@"\n')
    for path in (python, base / "run_autograder"):
        path.chmod(0o755)
    return base


def run_autograder(base, cells, tmp_path, metadata=None, as_nobody=False):
    root = tmp_path / "autograder"
    shutil.copytree(base, root)
    if cells is not None:
        write(root / "submission" / "lab.ipynb", plain(cells) if isinstance(cells, list) else cells)
    (root / "submission").mkdir(exist_ok=True)
    write(root / "submission_metadata.json", json.dumps(metadata or {}))
    command = [str(root / "run_autograder")]
    if as_nobody:
        command = ["unshare", "--user", *command]  # nobody's number and no privilege, but the files stay in reach
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    return json.loads((root / "results" / "results.json").read_text()), done


METADATA = {"users": [{"email": "ADA@example.org", "id": 7, "name": "Somebody"}]}


def test_gradescope_gets_the_points_of_each_finding(autograder, tmp_path):
    result, done = run_autograder(autograder, changed(solved(NUMBER), *MISTAKE), tmp_path, METADATA)
    assert done.returncode == 0, done.stderr
    assert result["score"] == OF - LOSS == sum(test["score"] for test in result["tests"])
    assert sum(test["max_score"] for test in result["tests"]) == OF
    (wrong,) = [test for test in result["tests"] if test["score"] < test["max_score"]]
    assert wrong["output"]
    assert "roster" not in result["output"]


def test_gradescope_grades_as_an_unprivileged_user_too(autograder, tmp_path):
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    result, done = run_autograder(autograder, solved(NUMBER), tmp_path, METADATA, as_nobody=is_root)
    assert done.returncode == 0, done.stderr
    assert result["score"] == OF


@pytest.mark.parametrize("cells, said", [(None, "there is no notebook"), ("{", "cannot be read: save it again")])
def test_gradescope_says_what_cannot_be_read(autograder, tmp_path, cells, said):
    result, done = run_autograder(autograder, cells, tmp_path, {"users": [{"email": "x@y"}]})
    assert done.returncode == 0, done.stderr
    assert result["score"] == 0
    assert said in " ".join(result["output"].split())
    assert "not on the roster" in result["output"]
    assert str(tmp_path) not in result["output"]


def test_gradescope_has_a_failing_result_where_grading_ends_before_its_end(autograder, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(autograder, base)
    (base / "source" / "grade.py").write_text("raise SystemExit(3)")
    result, done = run_autograder(base, solved(NUMBER), tmp_path)
    assert done.returncode == 3
    assert result["score"] == 0
    assert "Tell your instructor" in result["output"]


def test_classroom50_gets_its_result(tmp_path):
    export_lab(open_lab(NUMBER), "classroom50", tmp_path / "out", ROSTER, SECRET)
    assert (tmp_path / "out" / "template" / release_path(NUMBER).name).is_file()
    script = next(
        path for path in (tmp_path / "out").rglob("autograder.py") if path.parent.parent.name == "autograders"
    )
    assert "example.org" not in (script.parent / "course.json").read_text()  # it is published
    write(tmp_path / "checkout" / "lab.ipynb", plain(solved(NUMBER)))
    told = {
        "CLASSROOM": "c",
        "ASSIGNMENT": "a",
        "SUBMISSION_TAG": "t",
        "COMMIT_URL": "u",
        "RELEASE_URL": "r",
        "USERNAME": "k1",
    }
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path / "checkout", env=os.environ | told, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "checkout" / "result.json").read_text())
    assert (result["schema"], result["classroom"], result["review"]) == ("classroom50/result/v1", "c", "u")
    assert result["score"] == result["max-score"] == OF
    assert all(test["passed"] for test in result["tests"])
    assert "points" in (tmp_path / "checkout" / "release-body.md").read_text()


@pytest.mark.parametrize("number", ["02", "06"])
def test_nbgraders_source_has_a_cell_of_points_for_each_exercise(number):
    lab = open_lab(number)
    content = json.loads(nbgrader_source(lab))
    marks = [cell["metadata"]["nbgrader"] for cell in content["cells"] if cell["metadata"]]
    points = {mark["grade_id"]: mark["points"] for mark in marks if mark["grade"]}
    assert points == {exercise.id: exercise.points for exercise in lab.exercises}
    assert len({mark["grade_id"] for mark in marks}) == len(marks)
    by_hand = {mark["grade_id"] for mark in marks if mark["grade"] and mark["solution"]}
    assert by_hand == {exercise.id for exercise in lab.exercises if isinstance(exercise, Written)}
    assert not any("{{" in "".join(cell["source"]) for cell in content["cells"])


def test_the_solution_is_a_notebook_that_has_been_run(tmp_path):
    pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    export_lab(open_lab(NUMBER), "solution", tmp_path / "out")
    (path,) = (tmp_path / "out").iterdir()
    content = json.loads(path.read_text())
    assert any(cell.get("outputs") for cell in content["cells"])
    assert "rrms" in "".join(cell.source for cell in read_cells(path.read_bytes(), path.name))


def test_wrong_exports_are_refused(tmp_path):
    lab = open_lab(NUMBER)
    with pytest.raises(ValueError, match="allowed are nbgrader"):
        export_lab(lab, "paper", tmp_path / "out")
    for kind in KINDS:
        with pytest.raises(ValueError, match="roster="):
            export_lab(lab, kind, tmp_path / "out", ROSTER)
    assert not any(tmp_path.iterdir())


@pytest.mark.instructor
def test_nbgrader_takes_our_points_through_the_bridge(tmp_path, monkeypatch):
    """Generate, hand in, autograde without running, grade, bridge, feedback; then the points that nbgrader has."""
    from nbgrader.api import Gradebook

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # it calls alembic
    lab, stem = open_lab(NUMBER), release_path(NUMBER).stem
    course = tmp_path / "course"
    export_lab(lab, "nbgrader", course)

    def done(*command):
        result = subprocess.run([sys.executable, "-m", *command], cwd=course, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr

    done("nbgrader", "generate_assignment", stem)
    released = course / "release" / stem / f"{stem}.ipynb"
    text = released.read_text()
    assert "dx_hat - x_hat * np.mean" not in text
    assert "NotImplementedError" in text
    classes = {"right": solved(NUMBER), "mistake": changed(solved(NUMBER), *MISTAKE), "stub": stub(NUMBER)}
    for id, cells in classes.items():
        handed = json.loads(text)
        for cell in handed["cells"]:
            for other in cells:
                if (
                    other.kind == "answer"
                    and cell["metadata"].get("nbgrader", {}).get("grade_id") == f"answer-{other.id}"
                ):
                    cell["source"] = other.source
        write(course / "submitted" / id / stem / f"{stem}.ipynb", json.dumps(handed))
    done("nbgrader", "autograde", stem, "--create", "--no-execute")
    done("albert_np", "labs", "grade", NUMBER, "submitted", "--output", "graded", "--isolation", "none")
    write(course / "r.csv", "id\nright\nmistake\nstub\n")
    question = next(exercise for exercise in lab.exercises if isinstance(exercise, Written))
    write(course / "marks.csv", f"id,question,points\nright,{question.id},{question.points}\n")
    bridge = "albert_np labs gradebook graded --roster r.csv --written marks.csv --nbgrader gradebook.db"
    done(*bridge.split())
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        scores = {s.student.id: s.score for s in book.assignment_submissions(stem)}
        shown = book.find_comment("answer-rms_norm_backward", stem, stem, "mistake").comment
    assert scores == {"right": OF + question.points, "mistake": OF - LOSS, "stub": 0}
    assert shown.startswith("dx: ")
    done("nbgrader", "generate_feedback", stem)
    pages = list((course / "feedback").rglob("*.html"))
    assert len(pages) == 3
    assert not any("dx_hat - x_hat * np.mean" in path.read_text() for path in pages if "stub" in str(path))
