"""Rosters and tables: clear errors, ids that are safe as names of files, nothing that a spreadsheet would run."""

import pytest

from albert_np.labs.roster import Student, csv_text, file_name, read_roster, read_secret, read_table, resolve


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_roster_is_read_whatever_separates_its_columns(separator, tmp_path):
    path = tmp_path / "r.csv"
    text = "\ufeffID,Name,Email\r\nk1,Ada,a@x\r\n\r\n'=k2,Zoë,\r\n".replace(",", separator)
    path.write_bytes(text.encode())
    assert read_roster(path) == {"k1": Student("k1", "Ada", "a@x"), "=k2": Student("=k2", "Zoë", "")}


def test_cells_that_a_line_lacks_are_empty(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("name,id,email\nAda,k1\n")
    assert read_roster(path) == {"k1": Student("k1", "Ada")}
    assert read_table(path, ("email",)) == [(2, {"name": "Ada", "id": "k1", "email": ""})]


@pytest.mark.parametrize(
    "text, wrong",
    [
        ("", "no column id"),
        ("name\nAda", "no column id; it has name"),
        ('"a\nb",name\nAda,x', r"no column id; it has 'a\nb', name"),
        ("id\n", "has nobody in it"),
        ("id,name\nk1,A\nk1,B", "line 3: the id 'k1' stands there twice"),
        ("id,name\n ,A", "line 2: it has no id"),
    ],
)
def test_what_is_wrong_with_a_roster_is_said(text, wrong, tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"r\.csv") as error:
        read_roster(path)
    assert wrong in str(error.value)


@pytest.mark.parametrize("value", ["=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(A1)", "\t=1"])
def test_no_text_becomes_a_formula_and_it_comes_back_as_it_was(value, tmp_path):
    text = csv_text(["id", "points"], [[value, -1.5]])
    assert f"'{value[0]}" in text
    assert ",-1.5" in text
    path = tmp_path / "t.csv"
    path.write_text(text, newline="")
    ((_, row),) = read_table(path, ("id",))
    assert row["id"] == value


def test_an_id_is_a_safe_name_of_a_file_and_no_two_are_the_same():
    taken = set()
    names = [
        file_name(id, taken) for id in ("k1", "K1", "../../etc", "a/b", "", "con", ".x", "é@x.org", "a" * 300, "a.")
    ]
    assert names[:4] == ["k1", "K1~2", "%..%2F..%2Fetc", "a%2Fb"]
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        assert "/" not in name
        assert not name.startswith(".")
        assert len(name) <= 110


@pytest.mark.parametrize(
    "id, name, found",
    [
        ("k1", "", "k1"),
        ("K1", "", "k1"),
        ("ada@x.org", "", "k1"),
        ("7", "ADA@x.org", "k1"),
        ("7", "Ada Lovelace", "k1"),
        ("7", "lovelaceada", "k1"),
        ("7", "Muller Zoe", "k2"),
        ("7", "Sam Same", None),
        ("7", "", None),
    ],
)
def test_whom_an_export_names_is_found_if_it_is_one_alone(id, name, found):
    students = [Student("k1", "Ada Lovelace", "ada@x.org"), Student("k2", "Zoë Müller")]
    students += [Student("k3", "Sam Same"), Student("k4", "Same, Sam")]
    assert resolve(id, name, {s.id: s for s in students}) == found


def test_a_short_secret_is_refused(tmp_path):
    path = tmp_path / "s"
    path.write_text("short\n")
    with pytest.raises(ValueError, match="holds 5 bytes; a secret has at least 16"):
        read_secret(path)
    path.write_text("0123456789abcdef\n")
    assert read_secret(path) == b"0123456789abcdef"
