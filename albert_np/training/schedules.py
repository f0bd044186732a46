"""Learning rates as pure functions of the step, the number of updates already made (0 for the first update).

A schedule for the `Trainer` is such a function with all but the step filled in:
`functools.partial(warmup_linear, warmup_steps=3125, total_steps=125_000, peak=0.00176)`.
"""

import math

__all__ = ["constant", "google_schedule", "scale_learning_rate", "warmup_linear"]


def constant(step: int, peak: float) -> float:
    """Return `peak` at every step."""
    _check(step, 0, max(1, step), peak)
    return peak


def warmup_linear(step: int, warmup_steps: int, total_steps: int, peak: float) -> float:
    """Rise in a line to `peak` within the warm-up, then fall in a line to 0 at step `total_steps`.

    With step t, warm-up w, total T: lr = peak · min((t + 1) / w, (T - t) / (T - w)). No update is wasted: the
    first has lr = peak / w, the w-th has the peak, and 0 is reached only after the last. Raises ValueError
    for a step outside [0, total_steps], a warm-up outside [0, total_steps) or a peak that is negative or not
    finite.

    Derivation: notebook 14, eq. 14.10.
    """
    _check(step, warmup_steps, total_steps, peak)
    rise = (step + 1) / warmup_steps if warmup_steps else 1.0
    fall = (total_steps - step) / (total_steps - warmup_steps)
    return peak * min(rise, fall, 1.0)


def google_schedule(step: int, warmup_steps: int, total_steps: int, peak: float) -> float:
    """Return the learning rate of ALBERT's original training, with its two quirks.

    With step t, warm-up w, total T: lr = peak · t / w for t < w, so that the first update changes nothing;
    then lr = peak · (1 - t / T), a decay that counts from step 0 and so starts with a jump down to peak · (1
    - w / T): 0.001716 rather than 0.00176 in the paper's setting (w = 3125, T = 125,000). Source:
    google-research/albert `optimization.py`. Raises ValueError as `warmup_linear`.

    Derivation: notebook 14, eq. 14.11.
    """
    _check(step, warmup_steps, total_steps, peak)
    return peak * (step / warmup_steps if step < warmup_steps else 1 - step / total_steps)


def scale_learning_rate(learning_rate: float, batch_size: int, reference: int = 4096) -> float:
    """Return learning_rate · √(batch_size / reference): what to train a smaller batch with.

    The published rate of 0.00176 belongs to a batch of 4096 sequences. Source: You et al. (arXiv 1904.00962),
    who scale LAMB's learning rate with the square root of the batch. Raises ValueError for sizes below 1.

    Derivation: notebook 14, eq. 14.12.
    """
    if batch_size < 1 or reference < 1:
        raise ValueError(f"batch_size={batch_size} and reference={reference} must be at least 1")
    return learning_rate * math.sqrt(batch_size / reference)


def _check(step: int, warmup_steps: int, total_steps: int, peak: float) -> None:
    if total_steps < 1:
        raise ValueError(f"total_steps={total_steps} must be at least 1")
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(f"warmup_steps={warmup_steps} must lie in [0, total_steps={total_steps})")
    if not 0 <= step <= total_steps:
        raise ValueError(f"step={step} must lie in [0, total_steps={total_steps}]")
    if not 0 <= peak < math.inf:
        raise ValueError(f"peak={peak} must be finite and not negative")
