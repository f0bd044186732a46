"""Submissions of labs, as students and learning platforms make them."""

import json
import os
import zipfile

from albert_np.labs.notebook import notebook_text
from albert_np.labs.release import released_cells, source_path
from albert_np.labs.source import Cell, read_source, solution_cells


def solved(number):
    """The cells of a student who solved everything."""
    return [cell for cell in solution_cells(read_source(source_path(number))) if cell.kind != "solution"]


def stub(number):
    return released_cells(number)


def changed(cells, old, new):
    """The cells with one text replaced, which must be in one of them."""
    assert sum(old in cell.source for cell in cells) == 1
    return [Cell(c.source.replace(old, new), c.code, c.kind, c.id) for c in cells]


def plain(cells):
    """The text of a notebook without what tools keep beside the cells: all metadata and ids."""
    content = json.loads(notebook_text(cells))
    for cell in content["cells"]:
        cell["metadata"] = {}
        del cell["id"]
    return json.dumps(content | {"nbformat_minor": 2})


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def zipped(path, files):
    """A zip of name → text."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def ends_its_process(submission, grading):
    """In the place of grading: the submission of `killer` ends the process."""
    if submission.id == "killer":
        os._exit(1)
    return {"student": submission.id}
