"""albert-np notebooks: the course arrives whole or not at all, and no work of a reader is lost."""

import json
import os
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


def test_a_learner_gets_notebooks_readme_and_solutions_and_nothing_else(tmp_path):
    result = notebooks(cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    copied = tmp_path / "albert-notebooks"
    originals = {path.name for path in notebooks_folder().glob("[0-9]*.ipynb")}
    solutions = {f"solutions/{path.name}" for path in notebooks_folder().glob("solutions/*.py")}
    found = {str(path.relative_to(copied)) for path in copied.rglob("*") if path.is_file()}
    assert found == {"README.md", *originals, *solutions}
    assert len(originals) >= 15
    for name in found:
        assert (copied / name).read_bytes() == (notebooks_folder() / name).read_bytes()
    assert f"{len(originals)} notebooks in albert-notebooks" in result.stdout


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
    copied = []

    def full(source, target):
        if len(copied) == 5:
            raise OSError("No space left on device")
        copied.append(target)
        target.touch()

    monkeypatch.setattr(course.shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        copy_notebooks(tmp_path / "mine")
    assert len(copied) == 5
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
