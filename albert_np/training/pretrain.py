"""Which model a folder means."""

from pathlib import Path

from albert_np.training.checkpointing import latest_checkpoint

__all__ = ["find_model"]


def find_model(source: str | Path) -> str | Path:
    """Return what `from_pretrained` reads: the latest checkpoint of an unfinished run, or `source` itself."""
    path = Path(source)
    if path.is_dir() and not (path / "config.json").is_file():
        return latest_checkpoint(path) or source
    return source
