"""The way of the data through ALBERT, in the sizes of a configuration."""

from typing import Any

from matplotlib.figure import Figure

from albert_np.config import AlbertConfig
from albert_np.plots.style import arrow, box, new_figure

__all__ = ["architecture_figure"]

ENDS: dict[str, Any] = {"shrinkA": 3, "shrinkB": 3}  # points that an arrow stays away from what it joins


def architecture_figure(config: AlbertConfig) -> Figure:
    """Draw the way of the data through ALBERT: shapes, the shared layer, and the two uses of the tied matrix."""
    E, H, V, L = config.embedding_size, config.hidden_size, config.vocab_size, config.num_hidden_layers
    figure, ax = new_figure(11, 4.3)
    ax.set(xlim=(0, 11), ylim=(0, 4.3))
    ax.axis("off")
    attention = f"attention, {config.num_attention_heads} heads\nfeed-forward, GELU"
    for x, y, width, title, text, colour in (
        (0.15, 2.175, 1.15, "tokens", "[CLS] A [SEP]\nB [SEP]", "grey"),
        (2.05, 2.175, 1.5, "embeddings", f"word {V:,}×{E}\n+ position + type", "sky"),
        (4.35, 2.175, 1.1, "projection", f"{E} → {H}", "sky"),
        (6.25, 2.175, 1.7, "one layer", attention, "orange"),
        (9.05, 3.425, 1.75, "MLM head", f"{H} → {E} → {V:,}\nwhich word?", "blue"),
        (9.05, 0.925, 1.75, "pooler, SOP head", f"[CLS]: {H} → 2\nin order?", "vermillion"),
    ):
        box(ax, x, y, (width, 0.75), title, text, colour)
    for start, end, shape, shift in (
        ((1.3, 2.15), (2.05, 2.15), "B×T", 0.0),
        ((3.55, 2.15), (4.35, 2.15), f"B×T×{E}", 0.0),
        ((5.45, 2.15), (6.25, 2.15), f"B×T×{H}", 0.0),
        ((7.95, 2.35), (9.05, 3.25), f"B×T×{H}", -0.45),
        ((7.95, 1.95), (9.05, 1.05), f"B×{H}", 0.4),
    ):
        arrow(ax, start, end, **ENDS)
        x, y = (start[0] + end[0]) / 2 + shift, (start[1] + end[1]) / 2 + 0.09
        ax.text(x, y, shape, ha="center", fontsize=8)
    arrow(ax, (7.65, 1.8), (6.55, 1.8), "orange", connectionstyle="arc3,rad=-0.9", **ENDS)
    ax.text(7.1, 0.95, f"the same weights {L} times:\ntheir gradient is a sum over {L} steps", ha="center", fontsize=9)
    arrow(ax, (2.8, 2.62), (9.0, 3.5), "blue", arrowstyle="<->", connectionstyle="arc3,rad=-0.22", ls="--", **ENDS)
    ax.text(5.2, 3.95, "one matrix, used twice: its gradient has two paths", ha="center", fontsize=9)
    return figure
