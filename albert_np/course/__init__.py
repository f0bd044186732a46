"""The course's self-checks: one module a notebook. A check takes the reader's own function and says what is wrong.

    >>> from albert_np.course import lesson05
    >>> lesson05.check_layer_norm_backward(my_layer_norm_backward)

Nothing here knows the answers by heart: expected values come from the package or from finite differences.
"""

from pathlib import Path

__all__ = ["data_folder", "notebooks_folder"]


def data_folder() -> Path:
    """Return the folder of what the course looks at: a small pretrained model, and results of experiments."""
    return _part("data")


def notebooks_folder() -> Path:
    """Return the folder of the notebooks."""
    return _part("notebooks")


def _part(name: str) -> Path:
    """Inside the installed package, or beside it in a clone of the repository."""
    installed = Path(__file__).parent / name
    return installed if installed.is_dir() else Path(__file__).parents[2] / name
