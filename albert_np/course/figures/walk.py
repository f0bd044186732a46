"""The figure of notebook 20: how large the numbers are along a pass, there and back."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from albert_np.plots import COLOURS, legend, new_figure, plain

__all__ = ["walk_figure"]

_OF_KIND = {"linear": "blue", "layer_norm": "green", "softmax": "orange", "scores": "orange", "context": "orange"}


def walk_figure(
    stops: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], sizes: Sequence[float]
) -> Figure:
    """Draw the root mean square of what each stop makes: the forward pass upwards, the backward pass below, mirrored.

    stops, rows: of an exploration's data; sizes: of each row's first result. A backward stop stands below the forward
    stop that it goes back through; stops without one are left out.
    """
    figure, (there, back) = new_figure(6, 4.8, 2, 1, sharex=True)
    forward = [i for i, stop in enumerate(stops) if stop["phase"] == "forward"]
    for ax, lane in ((there, forward), (back, [stops[i]["mirror"] for i in forward])):
        for x, i in enumerate(lane):
            if i is not None:
                kind = rows[stops[i]["rows"][0]]["kind"].removesuffix("_backward")
                ax.bar(x, sizes[stops[i]["rows"][0]], 0.85, color=COLOURS[_OF_KIND.get(kind, "grey")])
    blocks = [stops[i]["block"][0] for i in forward]
    starts = [x for x, block in enumerate(blocks) if x == 0 or blocks[x - 1] != block]
    for row, x in enumerate(starts):
        there.axvline(x - 0.5, color=COLOURS["grey"], lw=0.5)
        back.axvline(x - 0.5, color=COLOURS["grey"], lw=0.5)
        height = (1.17, 1.02, 1.095)[row % 3]  # three lines, since some blocks are narrow
        there.text(x - 0.4, height, blocks[x], fontsize=9, transform=there.get_xaxis_transform())
    there.set_ylabel("values", fontsize=9)
    back.set_ylabel("gradients", fontsize=9)
    back.set_yscale("log")
    back.invert_yaxis()
    back.set_xticks([])
    for name, colour in (("linear", "blue"), ("LayerNorm", "green"), ("attention", "orange"), ("other", "grey")):
        there.bar(np.nan, np.nan, color=COLOURS[colour], label=name)
    legend(figure, *there.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    plain(there, back)
    return figure
