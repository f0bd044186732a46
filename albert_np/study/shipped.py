"""Notebooks and data that come with the code: inside the installed package, beside it in a clone of the repository."""

from pathlib import Path

__all__ = ["data_folder", "shipped_folder"]

PACKAGE = Path(__file__).parents[1]


def data_folder() -> Path:
    """Return the folder of what the course looks at: a small pretrained model, and results of experiments."""
    return shipped_folder("data")


def shipped_folder(name: str) -> Path:
    """Return the folder of that name; FileNotFoundError where this installation has none."""
    installed, cloned = PACKAGE / name, PACKAGE.parent / name
    for folder in (installed, cloned):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"this installation lacks the course's {name}: there is neither {installed} nor {cloned}")
