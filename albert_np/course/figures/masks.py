"""Figures of notebook 13: how long the spans are, what a mask does to a sentence, and pairs in and out of order."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from albert_np.backend import Floats, Ints
from albert_np.plots import COLOURS, legend, new_figure, plain, tile, titled

__all__ = ["lengths_figure", "masked_figure", "pairs_figure"]


def lengths_figure(probabilities: Floats, samples: Sequence[Ints], rules: Mapping[str, Floats]) -> Figure:
    """Draw p(n) with measured shares and their 3σ, and how many of the masked words lie in spans of each length.

    probabilities: (N,), p(1) … p(N). samples: arrays of drawn lengths, each a dot with its bar. rules: name → (N,)
    probabilities, one group of bars each below.
    """
    figure, (left, right) = new_figure(6.0, 6.0, 2, 1)
    n = np.arange(1, len(probabilities) + 1)
    left.bar(n, probabilities, width=0.75, fc="none", ec=COLOURS["grey"], label="p(n), from 1/n")
    for i, (lengths, colour) in enumerate(zip(samples, ("orange", "blue", "green"), strict=False)):
        shares = np.array([(lengths == k).mean() for k in n])
        margin = 3 * np.sqrt(probabilities * (1 - probabilities) / len(lengths))
        x = n + 0.22 * (i - (len(samples) - 1) / 2)
        left.errorbar(
            x, shares, margin, fmt="o", ms=5, capsize=4, color=COLOURS[colour], label=f"{len(lengths):,} draws, ± 3σ"
        )
    titled(left, "how often a span of n words is drawn")
    width = 0.8 / len(rules)
    for i, ((name, rule), colour) in enumerate(zip(rules.items(), ("blue", "sky", "vermillion"), strict=False)):
        words = n * rule / (n * rule).sum()
        bars = right.bar(n + width * (i - (len(rules) - 1) / 2), words, 0.92 * width, color=COLOURS[colour], label=name)
        right.bar_label(bars, [f"{100 * share:.0f} %" for share in words], fontsize=9, padding=1)
    titled(right, "where the masked words are: share of words in spans of n")
    for ax, high in ((left, 0.75), (right, 0.85)):
        ax.set(xlabel="n, words in the span", ylim=(0, high))
        ax.set_xticks(n)
        legend(ax, loc="upper right" if ax is left else "upper left")
    plain(left, right, grid=None)
    return figure


_STATES = {
    "not chosen": "grey",
    "chosen → [MASK]": "blue",
    "chosen → a random piece": "vermillion",
    "chosen → kept": "green",
}


def masked_figure(
    original: Sequence[str], read: Sequence[str], states: Sequence[int], words: Sequence[int], width: int = 60
) -> Figure:
    """Draw a row of pieces, below it what the model reads; one bracket over each word.

    states: for each piece 0 not chosen, 1 masked, 2 replaced, 3 kept. words: number of the word that each piece
    belongs to. width: characters in a line; longer texts take several.
    """
    sizes = [max(len(a), len(b)) + 1 for a, b in zip(original, read, strict=True)]
    places: list[tuple[float, int]] = []  # left edge, line
    left, line = 0, 0
    for i, word in enumerate(words):
        rest = sum(size for size, other in zip(sizes, words, strict=True) if other == word)
        if (i == 0 or words[i - 1] != word) and left + rest > width:
            left, line = 0, line + 1
        places.append((left, line))
        left += sizes[i]
    figure, ax = new_figure(6.0, 1.05 * (line + 1) + 0.35)
    for i, ((x, row), size, state) in enumerate(zip(places, sizes, states, strict=True)):
        for y, text, colour in (
            (3 * row, original[i], "grey"),
            (3 * row + 1, read[i], list(_STATES.values())[state]),
        ):
            full = colour != "grey"
            tile(ax, x + 0.1, y - 0.42, size - 0.2, 0.84, text, colour, full, family="DejaVu Sans Mono")
        if i == 0 or words[i - 1] != words[i]:
            end = x + sum(s for s, word in zip(sizes, words, strict=True) if word == words[i])
            ax.plot([x + 0.2, end - 0.2], [3 * row - 0.6] * 2, color="black", lw=1.2)
    for row in range(line + 1):
        ax.text(-0.5, 3 * row, "text", ha="right", va="center", fontsize=9)
        ax.text(-0.5, 3 * row + 1, "read", ha="right", va="center", fontsize=9)
    x = 0.0
    for name, key in list(_STATES.items())[1:]:
        ax.text(x, 3 * line + 2.2, f"■ {name}", color=COLOURS[key], fontsize=9, va="center")
        x += len(name) + 5
    ax.set(xlim=(-6, width), ylim=(3 * line + 2.7, -1))
    ax.axis("off")
    return figure


def pairs_figure(examples: Sequence[tuple[Sequence[str], Sequence[str], int]]) -> Figure:
    """Draw pairs as they are read: the sentences of A blue, of B orange, and the label (1: swapped) behind."""
    longest = max(len(first) + len(second) for first, second, _ in examples)
    figure, ax = new_figure(6.0, 0.42 * len(examples) + 0.5)
    for row, (first, second, label) in enumerate(examples):
        for i, (name, colour) in enumerate([(s, "blue") for s in first] + [(s, "orange") for s in second]):
            x = i + (0.35 if i >= len(first) else 0)
            tile(ax, x + 0.04, row - 0.36, 0.92, 0.72, name, colour, fontsize=11)
        said = "1, swapped" if label else "0, in order"
        ax.text(longest + 0.6, row, said, va="center", fontsize=9, color=COLOURS["vermillion" if label else "green"])
    for x, name, colour in ((0.04, "segment A", "blue"), (1.7, "segment B", "orange")):
        tile(ax, x, -0.85, 0.2, 0.2, "", colour)
        ax.text(x + 0.3, -0.75, name, fontsize=9, va="center")
    ax.text(3.4, -0.75, "1, 2, …: place in the text", fontsize=9, va="center")
    ax.text(longest + 0.6, -0.75, "label", fontsize=9, va="center")
    ax.set(xlim=(-0.1, longest + 2.4), ylim=(len(examples) - 0.5, -1.1))
    ax.axis("off")
    return figure
