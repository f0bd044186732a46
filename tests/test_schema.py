"""Values that fit a schema pass; of others, the error names source and field, what was given and what is allowed."""

import re

import pytest

from albert_np.files import read_json
from albert_np.schema import anything, check, flag, number, one_line, one_of, optional, text, whole

SCHEMA = {
    "step": whole(1, 100),
    "rate": number(0),
    "name": text(5),
    "cased": flag(),
    "kind": one_of("lamb", "adamw"),
    "losses": [number()],
    "files": {...: text()},
    "recipe": {"seed": whole()},
    "any": anything(),
    "note": optional(text()),
    "parts": optional([{"size": whole()}]),
}
GOOD = {
    "step": 1,
    "rate": 0.5,
    "name": "Zoë",
    "cased": False,
    "kind": "lamb",
    "losses": [1, -2.5],
    "files": {"a": "b"},
    "recipe": {"seed": 0, "more": 1},
    "any": None,
}


def test_what_fits_passes():
    check(GOOD, SCHEMA, "run.json")
    check(GOOD | {"note": None, "parts": None, "unknown": 1}, SCHEMA, "run.json")
    check(GOOD | {"note": "x", "parts": [{"size": 1}], "rate": 10**20}, SCHEMA, "run.json")


BAD = {
    "true for a number": ({"step": True}, "step is true; allowed is a whole number from 1 to 100"),
    "below": ({"step": 0}, "step is 0; allowed"),
    "above": ({"step": 101}, "step is 101; allowed"),
    "a fraction": ({"step": 1.0}, "step is 1.0; allowed"),
    "text for a number": ({"rate": "0.1"}, "rate is '0.1'; allowed is a finite number at least 0"),
    "no number": ({"rate": float("nan")}, "rate is nan; allowed"),
    "infinite": ({"rate": float("inf")}, "rate is inf; allowed"),
    "beyond every float": ({"rate": 10**400}, "rate is a number of more than 40 digits; allowed"),
    "too long": ({"name": "Chloë."}, "name is 'Chloë.'; allowed is text of at most 5 characters"),
    "half a pair": ({"name": "\ud800"}, r"name is '\ud800'; allowed"),
    "an escape sequence": ({"name": "\x1b[31mred"}, r"name is '\x1b[31mred'; allowed"),
    "text for a flag": ({"cased": "false"}, "cased is 'false'; allowed is true or false"),
    "a number for a flag": ({"cased": 1}, "cased is 1; allowed"),
    "another choice": ({"kind": "sgd"}, "kind is 'sgd'; allowed is one of 'lamb', 'adamw'"),
    "no list": ({"losses": {}}, "losses is an object; allowed is a list"),
    "in a list": ({"losses": [1, None]}, "losses[1] is null; allowed"),
    "no object": ({"files": []}, "files is a list; allowed is an object"),
    "in an object": ({"files": {"a": 1}}, "files['a'] is 1; allowed"),
    "within": ({"recipe": {}}, "recipe.seed is missing"),
    "in a list of objects": ({"parts": [{"size": 1}, {"size": -1}]}, "parts[1].size is -1; allowed"),
    "an optional one": ({"note": 7}, "note is 7; allowed"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_named_with_its_place(case):
    change, message = BAD[case]
    with pytest.raises(ValueError, match="^run.json: " + re.escape(message)):
        check(GOOD | change, SCHEMA, "run.json")


def test_what_is_passed_on_is_one_line_that_a_terminal_shows():
    assert one_line(ValueError("a\n“é” \x1b[31m\ud800\t")) == r"a\n“é” \x1b[31m\ud800\t"
    assert one_line("x" * 500) == "x" * 300


def test_a_missing_field_is_named():
    with pytest.raises(ValueError, match=r"^run.json: step is missing$"):
        check({name: value for name, value in GOOD.items() if name != "step"}, SCHEMA, "run.json")


def test_read_json_names_the_file_too(tmp_path):
    path = tmp_path / "run.json"
    path.write_bytes(b'\xef\xbb\xbf{"step": 0}')  # with the mark that some editors put in front
    assert read_json(path) == {"step": 0}
    with pytest.raises(ValueError, match=r"run.json: step is 0; allowed is a whole number from 1 to 9007199254740992$"):
        read_json(path, {"step": whole(1)})
    with pytest.raises(ValueError, match="has more than 0 MiB"):
        read_json(path, max_bytes=10)
    with pytest.raises(ValueError, match="is not a file"):
        read_json(tmp_path)
