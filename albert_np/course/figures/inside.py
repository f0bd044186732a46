"""Figures of notebook 18: what a trained model does, always beside the same model with random weights."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from albert_np.backend import Floats
from albert_np.plots import COLOURS, IN_TURN, baseline, legend, new_figure, plain, titled, write_cells

__all__ = [
    "answers_figure",
    "attention_figure",
    "distances_figure",
    "knockout_figure",
    "statistics_figure",
    "steps_figure",
    "tokens_figure",
]

_CONTROL = COLOURS["grey"]  # random weights
MARKS = "os^Dvx"  # of heads, so that not their colours alone tell them apart


def distances_figure(curves: Mapping[str, Mapping[str, Floats]], trained_steps: int | None = None) -> Figure:
    """Draw how far each step moves a token: L2 distance above, angle below.

    curves: label → {"l2", "degrees"}, (L,) each, or (runs, L) for several of one label. A label with "random" in it is
    drawn in grey; at most two are, and four are not. trained_steps: marks the number of steps in training.
    """
    figure, axes = new_figure(6, 6, 2, 1, sharex=True)
    colours = iter(IN_TURN)
    dashes = iter(((0, (5, 2)), (0, (1, 1.5))))
    for label, curve in curves.items():
        random = "random" in label
        style = {"color": _CONTROL, "ls": next(dashes)} if random else {"color": COLOURS[next(colours)]}
        for ax, name in zip(axes, ("l2", "degrees"), strict=True):
            for i, values in enumerate(np.atleast_2d(curve[name])):
                steps = np.arange(1, len(values) + 1)
                marker = "o" if len(values) <= 24 else None
                ax.plot(steps, values, marker=marker, ms=4, lw=1.8, label=label if i == 0 else None, **style)
    for ax, title, unit in zip(axes, ("L2 distance", "angle"), ("", ", degrees"), strict=True):
        titled(ax, f"{title} between a step's input and output{unit}")
        ax.set_ylim(bottom=0)
        _whole_steps(ax)
        if trained_steps is not None:
            _trained_until(ax, trained_steps)
    axes[1].set_xlabel("step")
    legend(figure, *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def steps_figure(measured: Mapping[str, Mapping[str, Floats]], trained_steps: int, uniform: float) -> Figure:
    """Draw loss and accuracy of held-out masked tokens after 0, 1, 2, … steps.

    measured: label → {"loss", "accuracy"}, (steps + 1,) each; uniform: the loss of guessing evenly.
    """
    figure, axes = new_figure(6, 5.6, 2, 1, sharex=True)
    for label, values in measured.items():
        style = {"color": _CONTROL, "ls": "--"} if "random" in label else {"color": COLOURS["blue"]}
        axes[0].plot(values["loss"], marker="o", ms=4, lw=1.8, label=label, **style)
        axes[1].plot(100 * np.asarray(values["accuracy"]), marker="o", ms=4, lw=1.8, label=label, **style)
    baseline(axes[0], uniform, "even guess", below=True)
    for ax, title in zip(axes, ("MLM loss, nats per masked token", "MLM accuracy, %"), strict=True):
        titled(ax, title)
        _whole_steps(ax)
        _trained_until(ax, trained_steps)
    axes[1].set_xlabel("steps applied")
    axes[1].set_ylim(bottom=0)
    legend(axes[1], loc="lower right", bbox_to_anchor=(1, 0.06))
    return figure


def _trained_until(ax: Axes, steps: int) -> None:
    ax.axvline(steps, color=COLOURS["vermillion"], lw=1, ls=":")
    ax.annotate(
        f"trained with {steps}",
        (steps, 0.5),
        xycoords=("data", "axes fraction"),
        xytext=(3, 0),
        textcoords="offset points",
        fontsize=9,
        color=COLOURS["vermillion"],
    )


def _whole_steps(ax: Axes) -> None:
    ax.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    plain(ax)


def answers_figure(panels: Mapping[str, tuple[Sequence[str], Floats]], sentence: str) -> Figure:
    """Draw the probability of some answers after each step, a panel for each model.

    panels: title → (words, probabilities (words, L + 1)); the first word of each is the one that was hidden.
    """
    sizes = [len(words) for words, _ in panels.values()]
    height = sum(sizes) * 0.32 + len(sizes) * 0.35 + 0.7
    figure, axes = new_figure(6, height, len(panels), 1, squeeze=False, height_ratios=sizes)
    figure.suptitle(sentence, fontsize=10, x=0.01, ha="left")
    highest = max(probs.max() for _, probs in panels.values())
    for ax, (title, (words, probs)) in zip(axes[:, 0], panels.items(), strict=True):
        image = ax.imshow(probs, cmap="cividis", vmin=0, vmax=highest, aspect="auto")
        titled(ax, title)
        ax.set_xticks(range(probs.shape[1]), ["0", *map(str, range(1, probs.shape[1]))])
        ax.set_yticks(range(len(words)), words)
        ax.get_yticklabels()[0].set_fontweight("bold")
        ax.tick_params(length=0, labelsize=9)
        write_cells(ax, image, lambda prob: f"{100 * prob:.1f}")
    axes[-1, 0].set_xlabel("steps applied")
    return figure


def attention_figure(rows: Mapping[str, Floats], tokens: Sequence[str]) -> Figure:
    """Draw attention as small multiples: a row for each of `rows`, label → (N, T, T), and a column for each head."""
    heads = len(next(iter(rows.values())))
    side = (6 - 1.2) / heads  # of a panel, in inches
    size = (6, (side + 0.08) * len(rows) + 1.8)
    figure, axes = new_figure(*size, len(rows), heads, squeeze=False, sharex=True, sharey=True)
    figure.set_layout_engine("compressed")  # square panels keep close together
    for (label, probs), line in zip(rows.items(), axes, strict=True):
        for n, ax in enumerate(line):
            image = ax.imshow(probs[n], cmap="cividis", vmin=0, vmax=1)
            ax.tick_params(length=0)
            ax.set_yticks(range(len(tokens)), tokens, fontsize=9)
            ax.set_xticks(range(len(tokens)), tokens, rotation=90, fontsize=9)
        line[0].set_ylabel(label, fontsize=9)
    for n, ax in enumerate(axes[0]):
        ax.set_title(f"head {n}", fontsize=9)
    figure.supxlabel("is looked at (key)", fontsize=9)
    figure.colorbar(image, ax=axes, label="attention probability", location="top", aspect=40, shrink=0.7)
    return figure


def statistics_figure(
    trained: Mapping[str, Floats], random: Mapping[str, Floats], alike: Mapping[str, float], titles: Mapping[str, str]
) -> Figure:
    """Draw each statistic of the heads over the steps: a coloured line for each head, grey ones for the random model.

    trained, random: name → (L, N); alike: what a head that looks at all places alike would have; titles: of the panels.
    """
    figure, axes = new_figure(6, 7.6, 4, 2)
    axes = axes.ravel()
    for ax, (name, title) in zip(axes, titles.items(), strict=False):
        steps = np.arange(1, len(trained[name]) + 1)
        for n in range(trained[name].shape[1]):
            ax.plot(steps, random[name][:, n], color=_CONTROL, lw=1, label="random weights" if n == 0 else None)
        for n in range(trained[name].shape[1]):
            ax.plot(
                steps, trained[name][:, n], MARKS[n] + "-", ms=4.5, lw=1.6, color=COLOURS[IN_TURN[n]], label=f"head {n}"
            )
        if name in alike:
            ax.axhline(alike[name], color="black", lw=1, ls=":", label="all places alike")
        titled(ax, title, 9)
        ax.set_ylim(bottom=0)
        plain(ax)
        ax.set_xticks(steps)
    for ax in axes[len(titles) :]:
        ax.axis("off")
    for ax in axes[len(titles) - 2 : len(titles)]:
        ax.set_xlabel("step", fontsize=9)
    handles, labels = axes[0].get_legend_handles_labels()
    legend(axes[-1], handles, labels, loc="center")
    return figure


def knockout_figure(effects: Mapping[str, Floats], errors: Mapping[str, Floats], by_step: Floats) -> Figure:
    """Draw the loss that a head is worth: in all steps at once for each model, and in single steps for the trained one.

    effects, errors: label → (N,), in nats; by_step (L, N).
    """
    L, N = by_step.shape
    figure, (above, below) = new_figure(6, 4 + 0.3 * L, 2, 1, height_ratios=[2.7, 0.3 * L])
    for i, (label, values) in enumerate(effects.items()):
        colour = _CONTROL if "random" in label else COLOURS["blue"]
        heads = np.arange(len(values)) + 0.2 * (i - 0.5)
        above.errorbar(heads, values, 2 * np.asarray(errors[label]), fmt=MARKS[i], color=colour, capsize=4, label=label)
    above.axhline(0, color="black", lw=0.8)
    names = [f"head {n}" for n in range(N)]
    above.set_xticks(range(len(names)), names)
    titled(above, "loss gained by losing a head in all steps, nats (±2 s.e.)")
    plain(above, grid="y")
    legend(above)
    limit = abs(by_step).max() or 1.0
    image = below.imshow(by_step, cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
    below.set_xticks(range(len(names)), names)
    below.set_yticks(range(L), [f"step {i + 1}" for i in range(L)], fontsize=9)
    below.tick_params(length=0)
    titled(below, "… in one step only, trained")
    write_cells(below, image, lambda value: f"{value:+.3f}" if abs(value) >= 0.0005 else "0")
    return figure


def tokens_figure(tokens: Sequence[str], measures: Mapping[str, Mapping[str, Floats]], at: int) -> Figure:
    """Draw how much each token matters for the answer at position `at`: a column for each model, a row for each number.

    measures: model → {name of the number: (T,)}; `at` itself is left out and marked "?".
    """
    names = list(next(iter(measures.values())))
    rows, columns = len(names), len(measures)
    figure, axes = new_figure(6, 1.25 * rows + 0.9, rows, columns, squeeze=False, sharey="row")
    others = np.arange(len(tokens)) != at
    for column, (model, values) in enumerate(measures.items()):
        colour = _CONTROL if "random" in model else COLOURS["blue"]
        for row, name in enumerate(names):
            ax = axes[row, column]
            heights = np.where(others, values[name], 0.0)
            ax.bar(range(len(tokens)), heights, color=colour)
            ax.axhline(0, color="black", lw=0.6)
            ax.text(at, 0, "?", ha="center", va="bottom", weight="bold", fontsize=9)
            titled(ax, f"{model}: {name}", 9)
            ax.set_xticks(range(len(tokens)), tokens if row == rows - 1 else [""] * len(tokens), rotation=90)
            ax.tick_params(length=0, labelsize=9)
            plain(ax, grid=None)
            ax.locator_params(axis="y", nbins=4)
    return figure
