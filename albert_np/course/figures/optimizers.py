"""Figures of notebook 14: moments of one number, what the missing correction does, trust ratios, learning rates."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from albert_np.backend import Floats
from albert_np.plots import COLOURS, legend, new_figure, plain, titled
from albert_np.training import google_schedule, warmup_linear

__all__ = ["moments_figure", "schedule_figure", "trust_ratio_figure"]


def moments_figure(gradients: Floats, means: Floats, corrected: Floats, factors: Floats) -> Figure:
    """Draw a noisy gradient with its running mean, raw and corrected, and how much too long uncorrected steps are.

    gradients, means, corrected: (steps,) of one number. factors: (steps',) (1 - β₁ᵗ) / √(1 - β₂ᵗ) from t = 1 on.
    """
    figure, (above, below) = new_figure(6, 5.6, 2, 1)
    t = np.arange(1, len(gradients) + 1)
    above.plot(t, gradients, ".", color=COLOURS["grey"], alpha=0.7, label="gradient g")
    above.plot(t, means, color=COLOURS["vermillion"], lw=2, label="running mean m")
    above.plot(t, corrected, color=COLOURS["blue"], lw=2, label="corrected, m / (1 - β₁ᵗ)")
    above.axhline(0, color="black", lw=0.8)
    above.set(xlabel="update t", ylim=(-1.7, 2.1))
    titled(above, "the mean starts at 0 and is pulled towards it")
    legend(above, loc="lower right")

    t = np.arange(1, len(factors) + 1)
    peak = int(np.argmax(factors))
    below.plot(t, factors, color=COLOURS["vermillion"], lw=2)
    below.plot(t[peak], factors[peak], "o", color=COLOURS["vermillion"])
    below.text(1.5 * t[peak], factors[peak], f"{factors[peak]:.1f} times, update {t[peak]}", va="center", fontsize=9)
    below.axhline(1, color=COLOURS["blue"], lw=1.5)
    below.text(1, 1.12, "corrected", fontsize=9, color=COLOURS["blue"])
    below.set(xscale="log", xlabel="update t", ylim=(0, 7.3))
    below.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
    titled(below, "Adam without correction: its step, in corrected steps")
    plain(above, below)
    return figure


def trust_ratio_figure(
    ratios: Mapping[str, Sequence[float]], excluded: Mapping[str, bool], steps: Sequence[int]
) -> Figure:
    """Draw φ of every parameter after some steps as bars; the excluded ones, whose φ is 1, are only counted.

    ratios: name → φ at each of `steps`. excluded: name → whether it is spared.
    """
    names = [name for name in ratios if not excluded[name]]
    figure, ax = new_figure(6, 0.36 * len(names) + 1)
    height = 0.8 / len(steps)
    for i, (step, colour) in enumerate(zip(steps, ("sky", "blue", "green"), strict=False)):
        y = np.arange(len(names)) + height * (i - (len(steps) - 1) / 2)
        values = [ratios[name][i] for name in names]
        bars = ax.barh(y, values, 0.92 * height, color=COLOURS[colour], label=f"update {step}")
        ax.bar_label(bars, [f"{value:.3f}" for value in values], fontsize=9, padding=2)
    ax.set_yticks(
        range(len(names)), [name.removeprefix("encoder.").removesuffix(".weight") for name in names], fontsize=9
    )
    high = 1.2 * max(max(ratios[name]) for name in names)
    ax.set(xlabel="trust ratio φ = ‖w‖ / ‖u‖", xlim=(0, high), ylim=(len(names) - 0.4, -0.6))
    note = f"not drawn: {sum(excluded.values())} biases\nand LayerNorm parameters, φ = 1"
    ax.text(0.99 * high, 0.2, note, ha="right", va="center", fontsize=9)
    legend(ax, loc="lower right")
    plain(ax, grid=None)
    return figure


def schedule_figure(warmup_steps: int, total_steps: int, peak: float) -> Figure:
    """Draw both schedules, whole and around the end of the warm-up, where Google's jumps."""
    figure, (above, below) = new_figure(6, 5.4, 2, 1)
    near = np.arange(int(0.9 * warmup_steps), int(1.25 * warmup_steps))
    for ax, steps in ((above, np.arange(0, total_steps + 1, max(1, warmup_steps // 25))), (below, near)):
        for schedule, colour, name in (
            (warmup_linear, "blue", "warmup_linear"),
            (google_schedule, "vermillion", "google_schedule"),
        ):
            rates = [1000 * schedule(int(step), warmup_steps, total_steps, peak) for step in steps]
            dashed = ax is above and schedule is google_schedule  # where both are one line
            ax.plot(steps, rates, color=COLOURS[colour], lw=2, label=name, ls="--" if dashed else "-")
        ax.set(xlabel="step", ylabel="learning rate, thousandths")
    above.set(ylim=(0, None))
    titled(above, "the whole training")
    titled(below, "around the end of the warm-up")
    low, high = 1000 * peak * (1 - warmup_steps / total_steps), 1000 * peak
    below.text(
        1.012 * warmup_steps, 0.5 * (low + high), f"a jump from {high:.3f} to {low:.3f}", va="center", fontsize=9
    )
    above.locator_params(axis="x", nbins=5)
    above.xaxis.set_major_formatter("{x:,.0f}")
    below.xaxis.set_major_formatter("{x:,.0f}")
    legend(above)
    plain(above, below)
    return figure
