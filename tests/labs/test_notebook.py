"""Notebooks of any tool are read, damaged ones said in one line; what is written is the same to the byte."""

import json

import numpy as np
import pytest

from albert_np.labs.notebook import notebook_text, read_cells
from albert_np.labs.source import Cell

CODE = {"cell_type": "code", "source": "x = 1\ny = 2", "metadata": {}, "outputs": [], "execution_count": None}


def data(*cells, **more):
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | more).encode()


@pytest.mark.parametrize(
    "cell",
    [
        CODE,
        CODE | {"source": ["x = 1\n", "y = 2"]},
        CODE | {"source": "x = 1\r\ny = 2"},
        CODE | {"metadata": None},
        CODE | {"metadata": {"lab": "answer"}},
        CODE | {"metadata": {"id": "AbC", "colab": {"base_uri": "x"}}},
        {"cell_type": "code", "source": "x = 1\ny = 2"},
    ],
)
@pytest.mark.parametrize("more", [{}, {"nbformat_minor": 0}, {"nbformat": 99, "metadata": {"colab": {}}}])
def test_the_text_of_a_cell_is_all_that_is_read(cell, more):
    assert read_cells(data(cell, **more), "n.ipynb") == [Cell("x = 1\ny = 2", True)]


def test_a_byte_order_mark_is_no_error():
    assert read_cells(b"\xef\xbb\xbf" + data(CODE), "n.ipynb")[0].code


WRONG = {
    b"": "there is no code|not a notebook",
    b"{": "n.ipynb is not a notebook",
    b"[]": "no list of cells",
    b'{"cells": 3}': "no list of cells",
    b"<!DOCTYPE html><html>": "a web page",
    b"version https://git-lfs.github.com/spec/v1": "git lfs pull",
    b"\xff\xfe": "not UTF-8",
    b"[" * 100_000: "not a notebook",
    data(): "there is no code",
    data({"cell_type": "markdown", "source": "hi"}): "there is no code",
    data("x"): "cell 1 is a str",
    data(CODE, {"cell_type": "code", "source": 3}): "cell 2: its source",
    data({"cell_type": "code", "source": ["a", 3]}): "cell 1: its source",
    json.dumps({"worksheets": [], "nbformat": 3}).encode(): "nbformat 3",
}


@pytest.mark.parametrize("content", WRONG)
def test_a_damaged_notebook_is_one_clear_line(content):
    with pytest.raises(ValueError, match=WRONG[content]) as error:
        read_cells(content, "n.ipynb")
    assert str(error.value).startswith("n.ipynb")
    assert "\n" not in str(error.value)


def test_a_python_file_has_cells_between_marks_or_is_one():
    text = b"import numpy\n\n# %% [markdown]\n# # Title\n# words\n\n# %%\ndef f():\n    return 1\n"
    assert read_cells(text, "n.py") == [
        Cell("import numpy\n\n", True),
        Cell("# Title\nwords", False),
        Cell("def f():\n    return 1", True),
    ]
    assert read_cells(b"def f():\n    return 1\n", "n.py") == [Cell("def f():\n    return 1\n", True)]


def test_what_is_written_is_read_again_and_valid():
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    cells = [Cell("# T", False), Cell("x = 1\n\n", True, "answer", "q_1"), Cell("", True, "check", "q_1")]
    cells += [Cell("x", True, "answer", "q_1"), Cell("é", False, "written", "strange id")]
    text = notebook_text(cells)
    assert text == notebook_text(cells)
    assert read_cells(text.encode(), "n.ipynb") == cells
    nbformat.validate(nbformat.reads(text, as_version=4))


def test_whatever_a_notebook_holds_it_is_read_or_refused():
    rng = np.random.default_rng(0)
    junk = [None, 3, 1e400, "x", [], {}, "\ud800", ["a", None], {"cells": []}, True, -1]

    def spoil(value):
        if rng.random() < 0.15:
            return junk[rng.integers(len(junk))]
        if isinstance(value, dict):
            return {key: spoil(each) for key, each in value.items() if rng.random() > 0.1}
        return [spoil(each) for each in value] if isinstance(value, list) else value

    sources, refused = [], []
    for _ in range(300):
        text = json.dumps(spoil(json.loads(data(CODE, CODE, {"cell_type": "markdown", "source": ["a\n", "b"]}))))
        try:
            cells = read_cells(text.encode(), "n.ipynb")
        except ValueError as error:
            refused.append(str(error))
        else:
            sources.append("".join(cell.source for cell in cells))
    assert all(text.startswith("n.ipynb") for text in refused)
    "".join(sources).encode()
    assert min(len(sources), len(refused)) > 30
