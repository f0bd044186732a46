"""What classes hand in is found: whose it is, which of several attempts, and what was left aside is said."""

import io
import os
import zipfile

import pytest
from toys.labs import plain, write, zipped

from albert_np.labs import submissions
from albert_np.labs.roster import Student
from albert_np.labs.source import Cell
from albert_np.labs.submissions import find_submissions

NOTEBOOK = plain([Cell("x = 1", True)])
OTHER = plain([Cell("x = 2", True)])
STEM = "02_norms_and_losses"

GRADESCOPE = """---
submission_41:
  :submitters:
  - :name: Ada Lovelace
    :sid: '815'
    :email: ada@example.org
  :created_at: 2026-10-01 10:00:00.000000000 Z
  :score: 0.0
submission_42:
  :submitters:
  - :name: Ada Lovelace
    :sid: '815'
    :email: ada@example.org
  :created_at: 2026-10-02 09:00:00.000000000 Z
  :history: []
submission_43:
  :submitters:
  - :name: Emmy Noether
    :sid: ''
    :email: emmy@example.org
  :created_at: 2026-10-01 10:00:00.000000000 Z
"""

KINDS = {  # name → files, then id → the file that is taken
    "flat": ({"s1.ipynb": NOTEBOOK, "s2.py": "x = 1"}, {"s1": "s1.ipynb", "s2": "s2.py"}),
    "folders": ({"s1/lab.ipynb": NOTEBOOK, "s2/x/lab.ipynb": NOTEBOOK}, {"s1": "s1/lab.ipynb", "s2": "s2/x/lab.ipynb"}),
    "nbgrader": (
        {f"submitted/s1/{STEM}/{STEM}.ipynb": NOTEBOOK, "submitted/s1/05_attention/05_attention.ipynb": OTHER},
        {"s1": f"submitted/s1/{STEM}/{STEM}.ipynb"},
    ),
    "moodle": (
        {
            "Ada Lovelace_1234567_assignsubmission_file_/lab.ipynb": NOTEBOOK,
            "Emmy Noether_76_assignsubmission_file/deep/lab.ipynb": NOTEBOOK,
            "Emmy Noether_76_assignsubmission_onlinetext/onlinetext.html": "<p>",
            "Z É_5_assignsubmission_file_lab.ipynb": NOTEBOOK,
        },
        {
            "1234567": "Ada Lovelace_1234567_assignsubmission_file_/lab.ipynb",
            "76": "Emmy Noether_76_assignsubmission_file/deep/lab.ipynb",
            "5": "Z É_5_assignsubmission_file_lab.ipynb",
        },
    ),
    "canvas": (
        {
            "lovelaceada_345_6789_lab.ipynb": OTHER,
            "lovelaceada_LATE_345_7001_lab-1.ipynb": NOTEBOOK,
            "noetheremmy_346_6001_lab.ipynb": NOTEBOOK,
        },
        {"345": "lovelaceada_LATE_345_7001_lab-1.ipynb", "346": "noetheremmy_346_6001_lab.ipynb"},
    ),
    "gradescope": (
        {
            "assignment_9_export/submission_metadata.yml": GRADESCOPE,
            "assignment_9_export/submission_41/lab.ipynb": OTHER,
            "assignment_9_export/submission_42/lab.ipynb": NOTEBOOK,
            "assignment_9_export/submission_43/lab.ipynb": NOTEBOOK,
        },
        {
            "815": "assignment_9_export/submission_42/lab.ipynb",
            "emmy@example.org": "assignment_9_export/submission_43/lab.ipynb",
        },
    ),
}


def taken(found):
    return {s.id: s.path for s in found.submissions}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("as_zip", [False, True])
def test_each_students_file_is_found(kind, as_zip, tmp_path):
    files, expected = KINDS[kind]
    if as_zip:
        place = zipped(tmp_path / "all.zip", files)
    else:
        place = tmp_path / "all"
        for name, text in files.items():
            write(place / name, text)
    found = find_submissions(place, "02", STEM)
    assert taken(found) == expected
    assert not [s.problem for s in found.submissions if s.problem]
    for s in found.submissions:
        assert s.cells[0].source == "x = 1"
        assert len(s.sha256) == 64


def test_an_earlier_attempt_is_said(tmp_path):
    found = find_submissions(zipped(tmp_path / "c.zip", KINDS["canvas"][0]), "02", STEM)
    (ada,) = [s for s in found.submissions if s.id == "345"]
    assert ada.aside == ("lovelaceada_345_6789_lab.ipynb (an earlier attempt)",)
    assert ada.name == "lovelaceada"


def test_of_two_attempts_in_a_folder_the_later_one_counts(tmp_path):
    for name, time in (("a.ipynb", 2_000_000), ("b.ipynb", 1_000_000)):
        os.utime(write(tmp_path / "s1" / name, NOTEBOOK), (time, time))
    found = find_submissions(tmp_path, "02", STEM)
    assert taken(found) == {"s1": "s1/a.ipynb"}
    assert found.submissions[0].aside == ("s1/b.ipynb (an earlier attempt)",)


def test_a_zip_that_a_student_handed_in_is_opened(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("my work/lab.ipynb", NOTEBOOK)
        archive.writestr("deeper.zip", b"PK")
        archive.writestr("__MACOSX/my work/._lab.ipynb", "x")
    place = zipped(
        tmp_path / "c.zip", {"lovelaceada_345_6789_lab.zip": inner.getvalue(), "noether_7_8_x.zip": b"no zip"}
    )
    found = find_submissions(place, "02", STEM)
    assert taken(found) == {"345": "lovelaceada_345_6789_lab/my work/lab.ipynb"}
    assert any("zip too deep" in line for line in found.remarks)
    assert any("noether_7_8_x.zip is not a whole zip" in line for line in found.remarks)


def test_the_id_can_be_found_by_an_expression(tmp_path):
    for name in ("group 3/x_k123.ipynb", "group 3/y_k124.ipynb", "group 3/nobody.ipynb"):
        write(tmp_path / name, NOTEBOOK)
    found = find_submissions(tmp_path, "02", STEM, r"_(k\d+)\.")
    assert set(taken(found)) == {"k123", "k124"}
    assert any("nobody.ipynb: --student-from finds no student" in line for line in found.remarks)
    with pytest.raises(ValueError, match="no group"):
        find_submissions(tmp_path, "02", STEM, "k")
    with pytest.raises(ValueError, match="not a regular expression"):
        find_submissions(tmp_path, "02", STEM, "(k")


def test_exports_are_matched_with_a_roster(tmp_path):
    roster = {s.id: s for s in (Student("k1", "Ada Lovelace", "ada@example.org"), Student("k2", "Noether, Emmy"))}
    files = {
        "lovelaceada_345_1_lab.ipynb": NOTEBOOK,
        "Emmy Noether_76_assignsubmission_file_/lab.ipynb": NOTEBOOK,
        "nobody_9_2_lab.ipynb": NOTEBOOK,
    }
    found = find_submissions(zipped(tmp_path / "c.zip", files), "02", STEM, roster=roster)
    assert set(taken(found)) == {"k1", "k2", "9"}
    assert any("nobody on the roster is nobody" in line for line in found.remarks)


def test_one_damaged_file_costs_no_other(tmp_path):
    write(tmp_path / "s1.ipynb", "{")
    write(tmp_path / "s2.ipynb", NOTEBOOK)
    first, second = find_submissions(tmp_path, "02", STEM).submissions
    assert "s1.ipynb is not a notebook" in first.problem
    assert not first.cells
    assert not second.problem


def test_an_entry_without_a_name_costs_no_other(tmp_path):
    path = zipped(tmp_path / "a.zip", {"s1.ipynb": NOTEBOOK, "xy": NOTEBOOK, ".": NOTEBOOK})
    data = path.read_bytes()
    place = data.rindex(b"PK\1\2", 0, data.rindex(b"PK\1\2"))  # of xy in the directory: its name gets no length
    length = data[place + 28 : place + 30]
    assert length == b"\2\0"
    path.write_bytes(data[: place + 28] + b"\0\0\2\0" + data[place + 32 :])
    assert taken(find_submissions(path, "02", STEM)) == {"s1": "s1.ipynb"}


def test_names_that_lead_out_and_links_are_left_out(tmp_path):
    place = zipped(
        tmp_path / "c.zip",
        {"../../s3.ipynb": NOTEBOOK, "/s4.ipynb": NOTEBOOK, "C:/s5.ipynb": NOTEBOOK, "s1.ipynb": NOTEBOOK},
    )
    found = find_submissions(place, "02", STEM)
    assert taken(found) == {"s1": "s1.ipynb"}
    assert sum("leads out" in line for line in found.remarks) == 3
    folder = tmp_path / "f"
    secret = write(tmp_path / "secret.ipynb", NOTEBOOK)
    write(folder / "s1.ipynb", NOTEBOOK)
    (folder / "s2.ipynb").symlink_to(secret)
    found = find_submissions(folder, "02", STEM)
    assert taken(found) == {"s1": "s1.ipynb"}
    assert any("s2.ipynb is not a file of its own" in line for line in found.remarks)


def test_a_zip_bomb_is_refused_by_the_size_that_it_states(tmp_path, monkeypatch):
    bomb = zipped(tmp_path / "b.zip", {"s1.ipynb": NOTEBOOK, "s2.ipynb": "0" * 40_000_000})
    found = find_submissions(bomb, "02", STEM)
    assert taken(found) == {"s1": "s1.ipynb"}
    assert any("packed as no notebook is" in line for line in found.remarks)
    monkeypatch.setattr(submissions, "LARGEST_TOTAL", 10_000_000)
    with pytest.raises(ValueError, match=r"states 2 files of 38 MiB together; allowed"):
        find_submissions(bomb, "02", STEM)
    monkeypatch.setattr(submissions, "MOST_FILES", 1)
    with pytest.raises(ValueError, match="allowed are 1 and"):
        find_submissions(bomb, "02", STEM)


def test_a_file_too_large_is_the_students_problem_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "LARGEST_FILE", 1000)
    write(tmp_path / "s1.ipynb", NOTEBOOK + " " * 1000)
    write(tmp_path / "s2.ipynb", NOTEBOOK)
    first, second = find_submissions(tmp_path, "02", STEM).submissions
    assert "clear its outputs" in first.problem
    assert not second.problem


def test_nothing_to_grade_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no notebook that can be graded"):
        find_submissions(tmp_path, "02", STEM)
    with pytest.raises(ValueError, match="neither a folder"):
        find_submissions(write(tmp_path / "x.txt", ""), "02", STEM)
    with pytest.raises(FileNotFoundError):
        find_submissions(tmp_path / "gone.zip", "02", STEM)
    with pytest.raises(ValueError, match="not a whole zip"):
        find_submissions(write(tmp_path / "x.zip", "PK"), "02", STEM)


@pytest.mark.parametrize("name", ["Jürgen", "Łukasz", "Ωmega"])
def test_names_of_a_zip_without_the_flag_for_utf8_are_utf8_all_the_same(name, tmp_path):
    entry = zipfile.ZipInfo(f"{name}.ipynb".encode().decode("latin-1"))  # so many letters as bytes
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("x" * len(entry.filename)), NOTEBOOK)
    data = (tmp_path / "c.zip").read_bytes()
    (tmp_path / "c.zip").write_bytes(data.replace(b"x" * len(entry.filename), f"{name}.ipynb".encode()))
    assert taken(find_submissions(tmp_path / "c.zip", "02", STEM)) == {name: f"{name}.ipynb"}


def test_what_a_student_is_told_of_a_damaged_file_has_no_words_of_a_parser(tmp_path):
    for id, text in (("damaged", "{"), ("empty", plain([Cell("x", False)]))):
        write(tmp_path / f"{id}.ipynb", text)
    damaged, empty = find_submissions(tmp_path, "02", STEM).submissions
    assert damaged.advice == "damaged.ipynb cannot be read: save it again and hand it in again."
    assert empty.advice == empty.problem == "empty.ipynb: there is no code in it"
