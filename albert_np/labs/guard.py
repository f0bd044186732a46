"""What a person may want to look at in a submission. Notes never cost points: names can be innocent."""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence

from albert_np.labs.child import REFUSED
from albert_np.labs.points import Lab
from albert_np.labs.source import Cell

__all__ = ["notes_on"]

REACHING = "os sys subprocess socket ctypes gc inspect importlib builtins pickle urllib requests http shutil".split()
DYNAMIC = "eval exec compile __import__ open globals locals setattr breakpoint".split()
PEEKING = "_getframe f_back f_globals f_locals __globals__ __code__ __closure__ __subclasses__ __builtins__".split()
MOST = 30


def notes_on(cells: Sequence[Cell], lab: Lab) -> list[str]:
    """Return what stands out in the code of a submission, one line each, the same for the same text."""
    notes: list[str] = []
    defined: Counter[str] = Counter()
    wanted = {name for exercise in lab.machine for name in exercise.functions}
    for cell in cells:
        try:
            tree = ast.parse(cell.source)
            found = list(_notes(tree, lab))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue  # magics, or an error that the cell's own report shows
        defined.update(n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in wanted)
        notes += found
    notes += [f"{name} is defined {count} times: the last one counts" for name, count in defined.items() if count > 1]
    notes = list(dict.fromkeys(notes))
    return notes[:MOST] + ([f"and {len(notes) - MOST} more"] if len(notes) > MOST else [])


def _notes(tree: ast.Module, lab: Lab) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from _import_notes([alias.name for alias in node.names], lab)
        elif isinstance(node, ast.ImportFrom):
            yield from _import_notes([node.module or "."], lab)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in DYNAMIC:
            yield f"calls {node.func.id}"
        elif isinstance(node, ast.Attribute) and node.attr in PEEKING:
            yield f"reads .{node.attr}"
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
            targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
            for target in targets:
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name | ast.Attribute):
                    name = ast.unparse(target)
                    if name.split(".")[0] in ("np", "numpy", "sys", "builtins", "math", "albert_np"):
                        yield f"changes {name}"


def _import_notes(names: Sequence[str], lab: Lab) -> Iterator[str]:
    for name in names:
        if name.split(".")[0] in REFUSED or any(name == w or name.startswith(w + ".") for w in lab.withheld):
            yield f"imports {name}, which this lab does not allow"
        elif name.split(".")[0] in REACHING:
            yield f"imports {name}"
