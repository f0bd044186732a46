"""How far a run is, as a checkpoint keeps it beside the weights, and what must be the same for it to go on."""

import platform
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from albert_np.checkpoints import CheckpointError
from albert_np.files import read_json
from albert_np.schema import anything, check, listed, number, optional, text, whole

__all__ = [
    "STATE_FILE",
    "Settings",
    "TrainerState",
    "check_settings",
    "compare_versions",
    "flat_settings",
    "read_state",
    "versions",
]

Settings = dict[str, Any]  # a JSON object
STATE_FILE = "trainer.json"
_SHOWN = 10  # of the settings that differ

_SAVED: dict[str, Any] = {
    "state": [anything()],
    "random_state": {"state": {}},
    "settings": {},
    "versions": optional({...: text(1000)}),
    "loss_scale": optional({}),
}


class TrainerState(NamedTuple):
    """How far a run is: updates made, place in the data, real tokens trained on, seconds spent in updates."""

    step: int
    position: Any
    tokens: int
    seconds: float


def check_settings(saved: Settings, current: Settings, path: Path) -> None:
    """Raise ValueError that names the settings in which a run and what it is resumed with differ, ten at most."""
    old, new = flat_settings(saved), flat_settings(current)
    changed = [
        f"{listed([name])} was {old.get(name, 'absent')!r:.200}, is {new.get(name, 'absent')!r:.200}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name, "absent") != new.get(name, "absent")
    ]
    if changed:
        more = f"; and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise ValueError(f"{path}: cannot resume with other settings: {'; '.join(changed[:_SHOWN])}{more}")


def flat_settings(settings: Settings, prefix: str = "") -> Settings:
    """Return settings whose names are paths, such as "optimizer.beta1"."""
    flat: Settings = {}
    for name, value in settings.items():
        flat |= flat_settings(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def read_state(path: Path, first_position: Any) -> dict[str, Any]:
    """Return trainer.json, its state as a `TrainerState`; CheckpointError names file and field if it is damaged."""
    try:
        saved = read_json(path, _SAVED)
        state = dict(zip(TrainerState._fields, saved["state"], strict=True))
        check(state, {"step": whole(), "tokens": whole(), "seconds": number(0)}, path)
        saved["state"] = TrainerState(**state)._replace(position=_as_position(first_position, state["position"]))
    except (ValueError, TypeError) as error:
        named = str(error) if str(path) in str(error) else f"{path}: state: {error}"
        raise CheckpointError(named) from error
    return saved


def _as_position(first: Any, saved: Any) -> Any:
    """Give a position read from JSON the types of the first one, whose named tuples came back as lists."""
    if not hasattr(first, "_fields"):
        if type(first) is int and not (type(saved) is int and saved >= 0):
            raise ValueError(f"a position holds {saved!r:.80}; allowed is a whole number from 0")
        return saved
    return type(first)(*(_as_position(a, b) for a, b in zip(first, saved, strict=True)))


def versions() -> dict[str, str]:
    """Return the versions of what computes: they decide the last bits of every sum.

    Of several BLAS libraries in the process NumPy's alone counts: others come and go with what else is imported.
    """
    from threadpoolctl import threadpool_info

    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    blas = [pool for pool in found if "numpy" in pool["filepath"]] or found
    names = ("internal_api", "version", "architecture")
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": "; ".join(" ".join(str(pool.get(name)) for name in names) for pool in blas),
    }


def compare_versions(saved: Mapping[str, str]) -> None:
    """Warn if the versions that a run was made with are not those of now."""
    current = versions()
    changed = [
        f"{name} {saved[name]}, now {current[name]}"
        for name in current
        if saved.get(name, current[name]) != current[name]
    ]
    if changed:
        warnings.warn(
            f"the run was made with {'; '.join(changed)}: its last bits may come out differently", stacklevel=5
        )
