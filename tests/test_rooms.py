"""The rooms of the package and what they may do: imports point one way, and only commands print."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "albert_np"

# A room may import itself and the rooms in the lines above its own; rooms in one line know nothing of each other.
ORDER = [
    "schema",
    "files protobuf",
    "changes",
    "config backend",
    "params",
    "execution",
    "ops",
    "layers",
    "heads",
    "checkpoints",
    "tokenization",
    "model",
    "gradcheck export",
    "training",
    "pretraining",
    "tasks",
    "study",
    "explore",
    "plots",
    "course bench",
    "labs",
    "cli",
    "__main__",
]
LEVELS = {room: level for level, line in enumerate(ORDER) for room in line.split()}
HEAVY = "matplotlib click rich torch transformers scipy sklearn sentencepiece threadpoolctl safetensors cupy".split()
HEAVY += "onnx onnxruntime mpi4py".split()


def sources(package):
    """Every module of a package as (room, path, tree); not what gathers all rooms or redirects old import paths."""
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        if inside not in (Path("__init__.py"), Path("_moved.py")):
            yield inside.parts[0].removesuffix(".py"), path, ast.parse(path.read_text(encoding="utf-8"))


def imports(path, tree, package):
    """Every room that a module imports, as (line, room): anywhere in it, in functions and under TYPE_CHECKING too."""
    here = (package.name, *path.relative_to(package).parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = list(here[: len(here) - node.level + 1]) if node.level else []
            module = start + (node.module.split(".") if node.module else [])
            names = [[*module, alias.name] for alias in node.names]
        else:
            continue
        rooms = dict.fromkeys(name[1] if len(name) > 1 else "__init__" for name in names if name[0] == package.name)
        yield from ((node.lineno, room) for room in rooms)


def upward_imports(package):
    """One line for each import of a room that is not below, or that has no place in the order."""
    found = []
    for room, path, tree in sources(package):
        for line, other in imports(path, tree, package):
            if other != room and LEVELS.get(other, len(ORDER)) >= LEVELS.get(room, 0):
                place = f"{path.relative_to(package.parent)}:{line}"
                found.append(f"{place}: {room} imports {other}, which is not below it")
    return found


def rooms_in_tables(page):
    """The rooms that a page's tables have in their first column, in the page's order."""
    cells = re.findall(r"^\| (`.*?) \|", (PACKAGE.parent / page).read_text(encoding="utf-8"), re.M)
    return [room for cell in cells for room in re.findall(r"`(\w+)(?:/|\.py)`", cell) if room in LEVELS]


def test_contributing_has_all_rooms_in_their_order():
    rooms = rooms_in_tables("CONTRIBUTING.md")
    assert sorted(rooms) == sorted(LEVELS.keys() - {"__main__"})
    assert rooms == sorted(rooms, key=LEVELS.__getitem__)


def test_the_readme_has_all_folders():
    assert {each.parent.name for each in PACKAGE.glob("*/__init__.py")} <= {*rooms_in_tables("README.md")}


def test_no_room_imports_one_that_is_not_below_it():
    assert not upward_imports(PACKAGE), "\n".join(["", *upward_imports(PACKAGE)])


def test_every_room_has_a_place_in_the_order():
    assert {room for room, _, _ in sources(PACKAGE)} <= LEVELS.keys()


WAYS = {
    "plainly": "from albert_np.model import AlbertModel",
    "as a module": "import albert_np.model",
    "by its name": "from albert_np import model",
    "in a function": "def f():\n    from albert_np.model import AlbertModel",
    "for types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from albert_np.model import AlbertModel",
    "relatively": "from .model import AlbertModel",
    "from the package itself": "from albert_np import AlbertModel",
    "the package itself": "import albert_np",
}


@pytest.mark.parametrize("way", WAYS)
def test_an_import_that_points_up_is_found_however_it_is_written(way, tmp_path):
    package = tmp_path / "albert_np"
    package.mkdir()
    (package / "layers.py").write_text(WAYS[way])
    (package / "cli.py").write_text("from albert_np.model import AlbertModel")
    (found,) = upward_imports(package)
    assert re.fullmatch(
        r"albert_np/layers\.py:\d: layers imports (model|AlbertModel|__init__), which is not below it", found
    )


def prints(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"):
                yield node.lineno, called


def test_nothing_but_a_command_prints():
    found = [
        f"{path.relative_to(PACKAGE.parent)}:{line}: {called}"
        for room, path, tree in sources(PACKAGE)
        if room not in ("cli", "__main__")
        for line, called in prints(tree)
    ]
    assert not found, "\n".join(["", *found])


def test_functions_fit_a_screen():
    found = []
    for _, path, tree in sources(PACKAGE):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                documented = node.body[0] if ast.get_docstring(node) is not None else None
                lines = node.end_lineno - node.lineno + 1
                lines -= documented.end_lineno - documented.lineno + 1 if documented else 0
                if lines >= 60:
                    found.append(f"{path.relative_to(PACKAGE.parent)}:{node.lineno}: {node.name} has {lines} lines")
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    "imported, wanted",
    [
        ("albert_np", ()),
        ("albert_np.gradcheck, albert_np.course, albert_np.bench", ("sentencepiece",)),
    ],
)
def test_importing_pulls_in_nothing_heavy_that_was_not_asked_for(imported, wanted):
    code = f"import sys, {imported}; print(*[name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(result.stdout.split()) <= set(wanted)
