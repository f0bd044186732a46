"""The pages of the reference: what each room of the package exports, with signature and docstring, as MyST Markdown."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from mathematics import anchor_of

import albert_np

# The order of the data's way, as in CONTRIBUTING.md.
ROOMS = (
    "config backend params ops layers heads model execution gradcheck checkpoints tokenization pretraining training "
    "tasks study export explore plots course labs bench files protobuf schema changes"
).split()


def pages(notebooks: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each page; notebooks: number → name of its page."""
    exported = {m.name for m in pkgutil.iter_modules(albert_np.__path__) if not m.name.startswith("_")} - {"cli"}
    if exported != set(ROOMS):
        raise ValueError(f"docs/site/reference.py orders {sorted(set(ROOMS) ^ exported)} in no or one place too many")
    rooms = [importlib.import_module(f"albert_np.{room}") for room in ROOMS]
    for module in (albert_np, *rooms):
        yield module.__name__, _page(module, notebooks)
    lines = [f"- [`{m.__name__}`]({m.__name__}.md): {_first(inspect.getdoc(m))}" for m in (albert_np, *rooms)]
    toctree = "\n".join(m.__name__ for m in (albert_np, *rooms))
    yield (
        "index",
        (
            "# Reference\n\nWhat each room of the package exports. The commands say with `--help` what they do.\n\n"
            + "\n".join(lines)
            + f"\n\n```{{toctree}}\n:hidden:\n\n{toctree}\n```\n"
        ),
    )


def _first(text: str | None) -> str:
    return _markdown((text or "").split("\n\n")[0].replace("\n", " "))


def _page(module: ModuleType, notebooks: dict[str, str]) -> str:
    name = module.__name__
    parts = [f"# `{name}`", f"```{{py:module}} {name}\n```", _linked(_markdown(inspect.getdoc(module)), notebooks)]
    order = list(vars(module))  # as they are defined: a backward below its forward
    for public in sorted(module.__all__, key=lambda name: order.index(name) if name in order else -1):
        parts += _entry(f"{name}.{public}", getattr(module, public), notebooks)
    return "\n\n".join(parts) + "\n"


def _entry(name: str, value: Any, notebooks: dict[str, str]) -> Iterator[str]:
    if inspect.ismodule(value):
        return
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        said = repr(value)
        known = f":value: {said}\n" if len(said) <= 60 and " at 0x" not in said else ""
        yield f"````{{py:data}} {name}\n{known}````"
        return
    kind = "class" if inspect.isclass(value) else "function"
    body = [_linked(_markdown(inspect.getdoc(value) if value.__doc__ else ""), notebooks)]
    if kind == "class":
        for method, found in vars(value).items():
            text = inspect.getdoc(found) if getattr(found, "__doc__", None) else None
            if method.startswith("_") or text is None or not (inspect.isroutine(found) or isinstance(found, property)):
                continue
            role = "property" if isinstance(found, property) else "method"
            signature = "" if role == "property" else _signature(getattr(found, "__func__", found))
            body.append(f"````{{py:{role}}} {method}{signature}\n{_linked(_markdown(text), notebooks)}\n````")
    fence = "`````"
    yield f"{fence}{{py:{kind}}} {name}{_signature(value)}\n" + "\n\n".join(body) + f"\n{fence}"


def _signature(value: Any) -> str:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    # Names alone: the docstring has shapes and types in words, and annotations would hide them.
    kept = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name not in ("self", "cls")]
    shown = str(signature.replace(parameters=kept, return_annotation=signature.empty))
    return re.sub(r"<[^<>]*>", "…", shown).replace("\n", " ")


def _markdown(text: str | None) -> str:
    """Return a docstring, plain sentences with `code` in them, as Markdown that says the same and no more."""
    paragraphs = []
    for paragraph in (text or "").split("\n\n"):
        if not re.match(r" {4}", paragraph):  # else code, as it is
            paragraph = re.sub(r"(?m)^ +", "", paragraph)
            pieces = re.split(r"(``.+?``|`[^`]+`)", paragraph)
            pieces[::2] = [re.sub(r"([\\*_<>\[\]$|#~])", r"\\\1", piece) for piece in pieces[::2]]
            paragraph = re.sub(r"(?m)^(\d+)\.", r"\1\\.", "".join(pieces))
        paragraphs.append(paragraph)
    return "\n\n".join(paragraphs)


def _linked(text: str, notebooks: dict[str, str]) -> str:
    """Return Markdown in which "notebook 05, eq. 5.3 and 5.6" has links to the equations."""

    def link(found: re.Match[str]) -> str:
        page = f"../notebooks/{notebooks[found[1]]}.html"  # in HTML, for Sphinx does not know the anchors
        equations = re.sub(r"\d+\.\d+", lambda n: f'<a href="{page}#{anchor_of(n[0])}">{n[0]}</a>', found[2])
        return f'<a href="{page}">notebook {found[1]}</a>, eq. {equations}'

    return re.sub(r"notebook (\d\d), eq\. (\d+\.\d+(?:(?:, | and | to )\d+\.\d+)*)", link, text)
