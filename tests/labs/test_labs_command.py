"""albert-np labs as an instructor and a student call it: handing out, grading, marking, one table; wrong calls."""

import csv
import json
import shlex

import pytest
from click.testing import CliRunner
from toys.labs import changed, plain, solved, stub, write

from albert_np.cli import main
from albert_np.labs import LABS, open_lab
from albert_np.labs.release import release_path

OF = sum(e.points for e in open_lab("02").machine)
LOSS = next(f.points for f in open_lab("02").machine[0].findings if f.name == "dx")


def call(command, status=0):
    result = CliRunner().invoke(main, ["labs", *shlex.split(command)])
    assert result.exit_code == status, result.output + str(result.exception)
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "r.csv", "id,name,email\nk1,Ada,a@x\nk2,Emmy,e@x\n")
    write(tmp_path / "secret", "0123456789abcdef")
    return tmp_path


def test_all_labs_are_listed():
    text = call("").stdout
    listed = json.loads(call("--json").stdout)
    assert [lab["number"] for lab in listed] == list(LABS)
    for lab in listed:
        assert lab["title"] in text


def test_one_notebook_for_all_or_one_for_each(place):
    call("release 02 out")
    name = release_path("02").name
    assert [path.name for path in (place / "out").iterdir()] == [name]
    call("release 06 own --roster r.csv --secret-file secret")
    assert sorted(path.name for path in (place / "own").iterdir()) == ["k1", "k2"]
    assert "out exists and is left as it is: choose another" in call("release 02 out", 2).output


def test_from_submissions_to_one_table(place):
    write(place / "class" / "k1" / "lab.ipynb", plain(solved("02")))
    write(place / "class" / "k2" / "lab.ipynb", "{")
    said = call("grade 02 class --output out --isolation none --seed 3 --roster r.csv")
    assert "2 submissions, 1 of them unreadable" in said.stdout
    assert "to repeat it: --seed 3" in said.stdout
    assert "k2/lab.ipynb is not a notebook" in said.output
    assert "out exists and is left as it is" in call("grade 02 class --output out", 2).output
    call("gradebook out --roster r.csv")
    with (place / "out" / "gradebook.csv").open(newline="") as file:
        table = {row["id"]: row for row in csv.DictReader(file)}
    assert float(table["k1"]["machine"]) == OF
    assert (table["k2"]["machine"], table["k2"]["total"]) == ("", "0")
    assert table["k2"]["missing"].startswith("unreadable")
    page = " ".join((place / "out" / "feedback" / "k2.md").read_text().split())
    assert "k2/lab.ipynb cannot be read: save it again and hand it in again." in page
    assert not [words for words in ("JSON", "0 of", "line 1") if words in page]
    call("grade 02 class/k1/lab.ipynb --output out --isolation none --seed 3 --replace --json")
    assert [path.name for path in (place / "out" / "results").iterdir()] == ["lab.json"]


def test_a_student_checks_their_own_before_it_is_handed_in(place):
    write(place / "mine.ipynb", plain(solved("02")))
    assert f"**{OF:g} of {OF:g} points**" in call("check 02 mine.ipynb").stdout
    write(place / "mine.ipynb", plain(changed(solved("02"), "np.mean(dx_hat * x_hat", "np.mean(dy * x_hat")))
    assert "## Begin here" in call("check 02 mine.ipynb", 1).stdout
    assert json.loads(call("check 02 mine.ipynb --json", 1).stdout)["points"] == OF - LOSS


def test_written_answers_are_gathered_and_never_written_over(place):
    write(place / "class" / "k1.ipynb", plain(stub("06")))
    said = call("answers 06 class --output answers --secret-file secret")
    assert "0 answers of 1 submissions" in said.stdout
    assert "answers exists and is left as it is" in call("answers 06 class --output answers", 2).output


def test_where_submissions_cannot_be_kept_apart_require_grades_nothing(place, monkeypatch):
    def nothing_protects(*_):
        raise RuntimeError("nothing here keeps submissions apart")

    monkeypatch.setattr("albert_np.labs.child.sandbox.choose", nothing_protects)
    write(place / "k1.ipynb", plain(stub("02")))
    said = call("grade 02 k1.ipynb --output out --isolation require", 1).output
    assert "albert-np: nothing here keeps submissions apart" in said
    assert not (place / "out").exists()


WRONG = {
    "release 99 out": "there is no lab 99",
    "release x out": "there is no lab",
    "release 02 ''": "the path is empty",
    "release 06 out --roster r.csv": "needs --secret-file",
    "release 02 out --roster nobody.csv": "nobody.csv has nobody in it",
    "release 06 out --secret-file secret": "needs a roster",
    "release 06 out --roster gone.csv --secret-file secret": "gone.csv",
    "release 06 out --roster r.csv --secret-file short": "a secret has at least 16",
    "grade 02 gone --output out": "gone",
    "grade 02 empty --output out": "holds no notebook",
    "grade 02 r.csv --output out": "neither a folder",
    "grade 02 empty": "Missing option '--output'",
    "grade 02 empty --output out --jobs 0": "0 is not in the range",
    "grade 02 empty --output out --isolation some": "'some' is not one of",
    "grade 02 empty --output out --student-from '('": "is not a regular expression",
    "grade 02 empty --output empty/x --student-from 'x'": "no group in parentheses",
    "check 02 empty": "empty is neither an .ipynb nor a .py",
    "check 02 gone.ipynb": "gone.ipynb: No such file",
    "gradebook empty --roster r.csv --table gone/x.csv": "there is no folder gone",
    "gradebook empty --roster r.csv": "holds no results",
    "gradebook empty --roster r.csv --assignment x": "--assignment goes with --nbgrader",
    "answers 06 empty --output out": "holds no notebook",
    "export 02 out --to paper": "'paper' is not one of",
    "export 02 out --to nbgrader --roster r.csv": "the same numbers for everybody",
    "export 06 out --to gradescope --roster r.csv": "give both or neither",
    "nothing": "No such command",
}


@pytest.mark.parametrize("command", WRONG)
def test_a_wrong_call_is_one_clear_line_and_writes_nothing(command, place):
    (place / "empty").mkdir()
    write(place / "short", "abc")
    write(place / "nobody.csv", "id,name,email\n")
    before = sorted(place.rglob("*"))
    assert WRONG[command] in " ".join(call(command, 2).output.split())
    assert sorted(place.rglob("*")) == before


def test_an_option_that_is_named_without_a_value_has_no_space_behind_it(place):
    assert call("release 06 out --roster r.csv", 2).output.endswith("needs --secret-file\n")
