"""Loss scaling: how training in float16 keeps its gradients among the numbers that float16 has.

A gradient below 3e-8 is 0 in float16, and many are. Backward is linear in its upstream gradient, so it starts from S
instead of 1, and the gradients, which are float32 when they arrive, are divided by S (Micikevicius et al., 2017,
arXiv 1710.03740, section 3.2). S is a power of 2: nothing is rounded by that.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from albert_np.schema import check, number, whole

__all__ = ["LossScale"]

_FIELDS = {"value": number(1), "doubled_after": whole(1), "good": whole(), "skipped": whole()}


@dataclass
class LossScale:
    """A scale that finds its own size: halved where gradients overflow, doubled after so many updates without that.

    value: S, at least 1. doubled_after: updates. good: updates since S was last changed. skipped: updates that were not
    made, in all. ValueError names a field that is not so.
    """

    value: float = 2.0**16
    doubled_after: int = 2000
    good: int = 0
    skipped: int = 0

    def __post_init__(self) -> None:
        check(self.state(), _FIELDS, "LossScale")

    def accepts(self, grad_norm: float) -> bool:
        """Return whether an update of this gradient norm is to be made, and adapt the scale.

        Not one that is infinite or NaN, unless the scale is 1 already: then it is not the scale's fault.
        """
        if math.isfinite(grad_norm) or self.value <= 1:
            self.good += 1
            if self.good == self.doubled_after:
                self.value, self.good = 2 * self.value, 0
            return True
        self.value, self.good, self.skipped = self.value / 2, 0, self.skipped + 1
        return False

    def record(self) -> dict[str, float]:
        """Return what the record of an update says of it."""
        return {"loss_scale": self.value, "skipped_updates": self.skipped}

    def state(self) -> dict[str, object]:
        """Return what a checkpoint must hold, as JSON can hold it."""
        return asdict(self)

    def load(self, state: Any, source: object) -> None:
        """Take over what `state` returned; ValueError, naming source and field, for anything else."""
        check(state, _FIELDS, source)
        for name in _FIELDS:
            setattr(self, name, state[name])
