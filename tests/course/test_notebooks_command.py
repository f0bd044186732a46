"""albert-np notebooks: the course arrives whole or not at all, and no work of a reader is lost."""

import inspect
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from albert_np import course
from albert_np.course import copy_notebooks, data_folder, notebooks_folder
from albert_np.study import shipped

ROOT = Path(__file__).parents[2]


def notebooks(*arguments, cwd, jupyterlab=None):
    """Call the command where JupyterLab is a script of that text, or is not installed."""
    code = "from albert_np.cli import main; main(prog_name='albert-np')"
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    if jupyterlab is None:
        code = f"import importlib.util as util; util.find_spec = lambda name: None; {code}"
    else:
        package = cwd / "site" / "jupyterlab"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(jupyterlab)
        environment["PYTHONPATH"] = f"{cwd / 'site'}{os.pathsep}{ROOT}"
    command = [sys.executable, "-c", code, "notebooks", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


ORIGINALS = sorted(notebooks_folder().glob("[0-9]*.ipynb"))
SOLUTIONS = sorted(notebooks_folder().glob("solutions/*.py"))


def files_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_learner_gets_notebooks_and_readme_and_nothing_else(tmp_path):
    result = notebooks(cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    copied = tmp_path / "albert-notebooks"
    assert files_in(copied) == {"README.md", *(path.name for path in ORIGINALS)}
    assert len(ORIGINALS) >= 15
    assert (copied / "README.md").read_bytes() == (notebooks_folder() / "README.md").read_bytes()
    assert f"{len(ORIGINALS)} notebooks in albert-notebooks" in result.stdout


def test_outputs_and_solutions_come_for_those_who_ask(tmp_path):
    result = notebooks("mine", "--solutions", "--executed", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    solutions = {f"solutions/{path.name}" for path in SOLUTIONS}
    assert files_in(tmp_path / "mine") == {"README.md", *(path.name for path in ORIGINALS), *solutions}
    for name in files_in(tmp_path / "mine"):
        assert (tmp_path / "mine" / name).read_bytes() == (notebooks_folder() / name).read_bytes()


def test_a_readers_copy_holds_no_output(tmp_path):
    for copy, original in zip(copy_notebooks(tmp_path / "mine"), ORIGINALS, strict=True):
        mine, theirs = (json.loads(path.read_text(encoding="utf-8")) for path in (copy, original))
        code = [cell for cell in mine["cells"] if cell["cell_type"] == "code"]
        assert not any(cell["outputs"] or cell["execution_count"] for cell in code), copy.name
        sources = [[cell["source"] for cell in notebook["cells"]] for notebook in (mine, theirs)]
        assert sources[0] == sources[1]


def code_of(cell):
    """The code of a cell: all of a code cell, and what is fenced in prose."""
    source = "".join(cell["source"])
    return source if cell["cell_type"] == "code" else "\n".join(re.findall(r"```python\n(.*?)```", source, re.S))


def lines_of(function):
    """The lines of a solution that could not stand anywhere: without its signature, and long enough."""
    lines = [" ".join(line.split("  #")[0].split()) for line in inspect.getsource(function).splitlines()[1:]]
    return {line for line in lines if len(line) >= 20}


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_a_readers_copy_holds_no_solution(path, tmp_path):
    """Up to the last exercise, the code of no cell holds more than half of the lines of an answer."""
    answers = [answer for answers in runpy.run_path(str(path))["ANSWERS"].values() for answer in answers]
    (copy,) = (one for one in copy_notebooks(tmp_path / "mine") if one.name.startswith(path.stem[-2:]))
    cells = [code_of(cell) for cell in json.loads(copy.read_text(encoding="utf-8"))["cells"]]
    exercises = [i for i, cell in enumerate(cells) if "raise NotImplementedError" in cell]
    assert exercises
    for answer in answers:
        lines = lines_of(answer)
        for cell in cells[: exercises[-1] + 1]:
            found = {line for line in lines if line in " ".join(cell.replace("\n", " ").split())}
            assert len(found) <= len(lines) / 2, (answer.__name__, cell)


def test_without_jupyterlab_the_command_says_how_to_get_it(tmp_path):
    result = notebooks("mine", cwd=tmp_path)
    assert result.returncode == 0
    assert "pip install 'albert-np[notebooks]' && jupyter lab mine" in result.stdout


FAKE = "import json, sys; print(json.dumps(sys.argv[1:])); sys.exit(7)"


def test_jupyterlab_is_opened_with_the_folder_and_its_status_is_the_commands(tmp_path):
    result = notebooks("deep/er/mine", cwd=tmp_path, jupyterlab=FAKE)
    assert result.returncode == 7, result.stderr
    assert json.loads(result.stdout.splitlines()[-1]) == ["deep/er/mine"]
    assert (tmp_path / "deep" / "er" / "mine" / "README.md").is_file()


def test_no_open_only_copies(tmp_path):
    result = notebooks("mine", "--no-open", cwd=tmp_path, jupyterlab=FAKE)
    assert result.returncode == 0
    assert "to open them: jupyter lab mine" in result.stdout
    assert (tmp_path / "mine" / "01_shapes.ipynb").is_file()


@pytest.mark.parametrize("kind", ["course", "empty", "file"])
def test_what_is_there_is_left_as_it_is(kind, tmp_path):
    place = tmp_path / "albert-notebooks"
    if kind == "course":
        copy_notebooks(place)
        (place / "01_shapes.ipynb").write_text("my work")
    elif kind == "empty":
        place.mkdir()
    else:
        place.write_text("my work")

    def state():
        return sorted((str(p), p.read_text() if p.is_file() else None) for p in tmp_path.rglob("*"))

    before = state()
    result = notebooks(cwd=tmp_path)
    assert result.returncode == 2
    assert "albert-notebooks exists and is left as it is" in result.stderr
    assert "Traceback" not in result.stderr
    assert state() == before


def test_a_copy_that_fails_half_way_leaves_nothing(tmp_path, monkeypatch):
    read = []

    def full(text):
        if len(read) == 5:
            raise OSError("No space left on device")
        read.append(text)
        return text

    monkeypatch.setattr(course, "_not_run", full)
    with pytest.raises(OSError, match="No space left"):
        copy_notebooks(tmp_path / "mine")
    assert len(read) == 5
    assert not any(tmp_path.iterdir())


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    result = notebooks("file/mine", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("albert-np: ")
    assert "file" in result.stderr.removeprefix("albert-np: ").split(":")[0]
    assert "Traceback" not in result.stderr


def test_an_installed_package_has_the_course_inside_and_a_clone_beside(tmp_path, monkeypatch):
    package = tmp_path / "albert_np"
    (package / "notebooks").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(shipped, "PACKAGE", package)
    assert notebooks_folder() == package / "notebooks"
    assert data_folder() == tmp_path / "data"
    (tmp_path / "data").rmdir()
    with pytest.raises(FileNotFoundError, match="lacks the course's data"):
        data_folder()
