"""The metrics log: one JSON object a line, one line a logged step."""

import json
import math
import os
from pathlib import Path
from typing import Any

from albert_np.files import read_lines, write_text
from albert_np.schema import check, number, optional, whole

__all__ = ["MetricsLog", "Record", "read_metrics"]

Record = dict[str, Any]  # a JSON object with a step
_NUMBER = optional(number())
_RECORD = {"step": whole(1), "evaluation": optional({...: _NUMBER}), ...: _NUMBER}


class MetricsLog:
    """Appends records to a file of JSON lines; numbers that are not finite become null, which JSON lacks."""

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def append(self, record: Record) -> None:
        """Write one record as one line, handed to the operating system at once."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_finite(record), allow_nan=False) + "\n")

    def flush(self) -> None:
        """Wait until all lines are on disk."""
        if self.path.exists():
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())

    def cut_back(self, step: int) -> None:
        """Drop the records after `step`, and a last line that a killed process left unfinished."""
        if not self.path.exists():
            return
        kept = (record for record in read_metrics(self.path) if record["step"] <= step)
        write_text(self.path, "".join(json.dumps(record) + "\n" for record in kept))


def read_metrics(path: str | Path) -> list[Record]:
    """Return the records of a log, leaving out a last line without its end.

    Raises ValueError, naming line and field, for any other that is not a record.
    """
    records: list[Record] = []
    for row, line in enumerate(read_lines(path), 1):
        if not line.endswith("\n"):
            break
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            raise ValueError(f"{path}, line {row} is not a record with a step: {line[:80]!r}") from None
        check(record, _RECORD, f"{path}, line {row}")
        records.append(record)
    return records


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
