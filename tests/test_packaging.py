"""What the project says of itself: what it needs, its version, its types."""

import ast
import re
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from albert_np.labs import LABS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
OWN = {"albert_np", "toys", "reference", "mistakes", "mathematics", "shown"}
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "cupy": "cupy-cuda12x", "cupyx": "cupy-cuda12x"}


def names_of(requirements):
    return {re.match(r"[\w.-]+", each)[0].lower().replace("_", "-") for each in requirements}


def imports(path):
    """Yield the distribution of each third-party import of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            modules = [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
        for module in {name.partition(".")[0] for name in modules} - OWN - sys.stdlib_module_names:
            yield DISTRIBUTIONS.get(module, module.lower().replace("_", "-"))


def undeclared(paths, declared):
    found = {(name, path.relative_to(ROOT)) for path in paths for name in imports(path)}
    return sorted(f"{path}: {name}" for name, path in found if name not in declared)


def test_every_third_party_import_of_the_package_is_declared():
    paths = list((ROOT / "albert_np").rglob("*.py"))
    assert len(paths) > 100
    declared = names_of([*PROJECT["dependencies"], *(each for extra in EXTRAS.values() for each in extra)])
    assert not undeclared(paths, declared)


@pytest.mark.parametrize(
    "folder, extras",
    [
        ("notebooks", ["notebooks", "torch"]),
        ("labs", ["instructor"]),
        ("docs", ["site"]),
        ("tests", ["test", "browser", "torch", "hub", "onnx", "instructor"]),
    ],
)
def test_every_third_party_import_beside_the_package_is_declared(folder, extras):
    declared = names_of(PROJECT["dependencies"]) | names_of(each for extra in extras for each in EXTRAS[extra])
    paths = [path for path in (ROOT / folder).rglob("*.py") if not path.name.startswith("make_")]
    assert not undeclared(paths, declared)  # what makes reference values says itself what it needs


def test_every_dependency_is_declared_once_and_bounded():
    for requirements in (PROJECT["dependencies"], *EXTRAS.values()):
        for each in requirements:
            assert re.fullmatch(r"albert-np\[[\w,]+\]|[\w-]+(\[\w+\])?>=[\d.]+,<[\d.]+", each), each
        assert len(names_of(requirements)) == len(requirements)


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "albert_np" / "py.typed").read_bytes() == b""
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_the_version_is_the_same_wherever_it_stands():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", citation, re.M)[1] == PROJECT["version"]
    assert f"\n## [{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_wheel_has_every_released_lab_and_nothing_that_solves_one(tmp_path):
    builder = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    (path,) = builder.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        released = {name: wheel.read(name) for name in names if "labs/released" in name}
    handed_out = {f"albert_np/labs/released/{path.name}": path.read_bytes() for path in (ROOT / "labs").glob("*.ipynb")}
    assert released == handed_out
    assert len(released) == len(LABS)
    kept = {path.name for path in (ROOT / "labs").rglob("*") if path.is_file() and path.suffix != ".ipynb"}
    assert len(kept) > 3 * len(LABS)  # sources, mistakes, rubrics
    assert not kept & {Path(name).name for name in names if "labs" in name}
    assert not any("labs/" in name and not name.startswith("albert_np/labs/") for name in names)
