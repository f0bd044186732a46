"""Dropout masks by counting: each number follows from seed and place alone, with the same bits on any device."""

import math

import numpy as np

__all__ = ["drop_limit", "keep_mask"]

# splitmix64 (Steele, Lea & Flood, 2014): the i-th number is a hash of seed + i · STEP and needs none of those before
_STEP, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_BLOCK = 1 << 14  # hashes at a time: what they need in between stays in the processor's cache


def keep_mask(shape: tuple[int, ...], prob: float, seed: int) -> np.ndarray:
    """Draw booleans that are False with probability `prob`: two from each hash, its lower half first.

    seed: in [0, 2⁶⁴).
    """
    kept = np.empty(math.prod(shape), dtype=bool)
    steps = np.arange(1, min(_BLOCK, len(kept) // 2 + 1) + 1, dtype=np.uint64) * np.uint64(_STEP)
    for start in range(0, len(kept), 2 * _BLOCK):
        block = kept[start : start + 2 * _BLOCK]
        z = steps[: (len(block) + 1) // 2] + np.uint64((seed + start // 2 * _STEP) % 2**64)
        z ^= z >> np.uint64(30)
        z *= np.uint64(_MIX_1)
        z ^= z >> np.uint64(27)
        z *= np.uint64(_MIX_2)
        z ^= z >> np.uint64(31)
        halves = z.astype("<u8", copy=False).view("<u4")[: len(block)]
        np.greater_equal(halves, drop_limit(prob), out=block)
    return kept.reshape(shape)


def drop_limit(prob: float) -> int:
    """Return the number below which a random one of 32 bits means dropped."""
    return round(prob * 2**32)
