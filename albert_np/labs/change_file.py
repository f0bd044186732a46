"""A change of ALBERT as a file, for processes that are started afresh: it calls `swap`, and may set CONFIG."""

import hashlib
import json
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from albert_np.changes import change_in_force
from albert_np.labs.swap import swap_back

__all__ = ["ChangeFile"]


@dataclass(frozen=True)
class ChangeFile:
    """A Python file that changes ALBERT, as it was when it was read; pickled, it takes its text along.

    Its CONFIG, if it has one, are fields of `AlbertConfig` that the change needs, such as {"num_hidden_layers": 6}.
    """

    path: Path
    source: bytes

    @classmethod
    def read(cls, path: str | Path) -> "ChangeFile":
        """Read a file; FileNotFoundError if there is none, ValueError, with the line, if it is not Python."""
        path = Path(path).resolve()
        if not path.is_file():
            raise FileNotFoundError(f"{path} is no file: --with wants one that calls albert_np.labs.swap")
        change = cls(path, path.read_bytes())
        try:
            compile(change.source, str(path), "exec")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line, what = getattr(error, "lineno", None), str(error) or "it is nested too deeply"
            raise ValueError(f"{path.name}{f', line {line}' if line else ''}: {what}") from None
        return change

    def record(self) -> dict[str, str]:
        """Return the file's name and the SHA-256 of its text."""
        return {"file": self.path.name, "sha256": hashlib.sha256(self.source).hexdigest()}

    @contextmanager
    def in_force(self) -> Iterator[dict[str, Any]]:
        """Run the file; inside the block what it swaps is in force.

        Gives {"parts", "config"}: what is replaced, and its CONFIG. ValueError, with the file's name and line, for
        whatever it or its functions raise, and if it replaces nothing. Files beside it can be imported.
        """
        names: dict[str, Any] = {"__name__": "change", "__file__": str(self.path)}
        sys.path.insert(0, str(self.path.parent))
        try:
            exec(compile(self.source, str(self.path), "exec"), names)
            yield self._said(names)
        except (Exception, SystemExit) as error:
            own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(self.path)]
            if not own:
                raise
            what = f"{type(error).__name__}: {error}"
            raise ValueError(f"{self.path.name}, line {own[-1].lineno}: {what}") from None
        finally:
            swap_back()
            sys.path.remove(str(self.path.parent))

    def _said(self, names: Mapping[str, Any]) -> dict[str, Any]:
        change = change_in_force()
        if change is None:
            raise ValueError(f"{self.path.name} replaces nothing: it must call albert_np.labs.swap, without `with`")
        config = names.get("CONFIG", {})
        try:
            if not isinstance(config, Mapping):
                raise TypeError
            config = json.loads(json.dumps(dict(config)))
        except (TypeError, ValueError):
            raise ValueError(f"{self.path.name}: CONFIG={config!r} must be fields of AlbertConfig, by name") from None
        return {"parts": dict(change.described), "config": config}
