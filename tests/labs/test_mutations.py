"""Damage at random to the files of a course, the same each time: it is read, or one error names the file."""

import json
import random
from functools import partial

import pytest
from toys.labs import plain, zipped
from toys.mutations import mutated, mutated_json

from albert_np.labs import open_lab
from albert_np.labs.marking import gradebook, read_marks
from albert_np.labs.notebook import read_cells
from albert_np.labs.points import Written
from albert_np.labs.roster import Student, read_roster
from albert_np.labs.source import Cell
from albert_np.labs.submissions import find_submissions

MUTATIONS = 80
LAB = open_lab("06")
QUESTION = next(exercise.id for exercise in LAB.exercises if isinstance(exercise, Written))
NOTEBOOK = plain([Cell("# a", False), Cell("x = 1", True)])
RESULT = {
    "lab": "06",
    "student": "k1",
    "name": "Ada",
    "points": 1.0,
    "of": 9.0,
    "written": {},
    "problem": "",
    "verdicts": [],
}


def files(folder):
    """Make what is handed in."""
    (folder / "results").mkdir()
    (folder / "results" / "k1.json").write_text(json.dumps(RESULT))
    (folder / "roster.csv").write_text("id,name,email\n" + "".join(f"k{i},Ada {i},a{i}@x\n" for i in range(9)))
    (folder / "marks.csv").write_text("id,question,points\n" + "".join(f"k{i},{QUESTION},1\n" for i in range(9)))
    (folder / "s.ipynb").write_text(NOTEBOOK)
    zipped(folder / "s.zip", {f"s{i}/lab.ipynb": NOTEBOOK for i in range(4)})


def read_zip(path):
    for submission in find_submissions(path, "06", "06_a_layer_of_your_own").submissions:
        assert submission.problem.isprintable()
        assert len(submission.problem) < 1000


KINDS = {
    "results/k1.json": (mutated_json, lambda path: gradebook(path.parents[1], LAB, {"k1": Student("k1")})),
    "roster.csv": (mutated, read_roster),
    "marks.csv": (mutated, partial(read_marks, lab=LAB)),
    "s.ipynb": (mutated_json, lambda path: read_cells(path.read_bytes(), path.name)),
    "s.zip": (mutated, read_zip),
}


@pytest.mark.parametrize("name", KINDS)
def test_damage_is_read_or_named(name, tmp_path):
    files(tmp_path)
    mutate, read = KINDS[name]
    path = tmp_path / name
    read(path)
    whole, rng, errors = path.read_bytes(), random.Random(name), []
    for _ in range(MUTATIONS):
        path.write_bytes(mutate(whole, rng))
        try:
            read(path)
        except ValueError as error:
            errors.append(error)
    assert len(errors) > MUTATIONS / 8
    for message in map(str, errors):
        assert path.name in message or str(tmp_path) in message
        assert message.isprintable()
        assert len(message) < 1000
