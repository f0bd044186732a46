"""Diagrams of mechanisms in one style: boxes with shapes, data along blue arrows, gradients back along vermillion ones.

    diagram = Diagram(6.0, 1.6)
    x = diagram.value(0.6, 0.8, "x", "(T, H)")
    y = diagram.op(2.6, 0.8, "linear", "x Wᵀ + b")
    diagram.flow(x, y, gradient="dx")
    diagram.key()

All lengths are inches, from the lower left; x and y of a part are its middle.
"""

from dataclasses import dataclass

from matplotlib.patches import Circle, FancyBboxPatch

from albert_np.plots import COLOURS, DARK, new_figure, pale

__all__ = ["Diagram", "Part"]

DATA, GRADIENT = "blue", "vermillion"
LANE = 0.055  # of the two arrows from the middle between them
LINE = 0.165  # from one line of text to the next
SIZE, SMALL = 10.0, 9.0  # of text, in points


@dataclass(frozen=True)
class Part:
    """Where something stands: its middle, its width and its height."""

    x: float
    y: float
    width: float
    height: float

    def edge(self, towards: "Part") -> tuple[float, float]:
        """Return where the line from the middle of this part to that of another leaves this part."""
        dx, dy = towards.x - self.x, towards.y - self.y
        reach = min(half / abs(d) for half, d in ((self.width / 2, dx), (self.height / 2, dy)) if d)
        return self.x + reach * dx, self.y + reach * dy


class Diagram:
    """A sheet of so many inches to draw on; `figure` is what to show, `ax` is for what is not foreseen here."""

    def __init__(self, width: float, height: float) -> None:
        self.figure, self.ax = new_figure(width, height)
        self.figure.set_layout_engine("none")
        self.ax.set_position((0, 0, 1, 1))
        self.ax.set(xlim=(0, width), ylim=(0, height))
        self.ax.axis("off")
        self.width, self.height = width, height

    def value(self, x: float, y: float, name: str, shape: str = "", colour: str = "sky", width: float = 0.72) -> Part:
        """Draw an array: its name, and its shape below it."""
        return self._box(Part(x, y, width, 0.46 if shape else 0.34), name, shape, colour, 0.0)

    def op(self, x: float, y: float, name: str, formula: str = "", colour: str = "green", width: float = 1.1) -> Part:
        """Draw an operation: its name, and below it what it computes."""
        return self._box(Part(x, y, width, 0.46 if formula else 0.34), name, formula, colour, 0.1)

    def dot(self, x: float, y: float) -> Part:
        """Draw the point at which a value is used more than once: its gradients are added there."""
        self.ax.add_patch(Circle((x, y), 0.05, color=COLOURS["grey"], zorder=3))
        return Part(x, y, 0.14, 0.14)

    def plus(self, x: float, y: float) -> Part:
        """Draw a sum: its gradient goes unchanged to each of its terms."""
        self.ax.add_patch(Circle((x, y), 0.12, fc="none", ec=COLOURS["grey"], lw=1.5))
        self.write(x, y, "+", size=12)
        return Part(x, y, 0.27, 0.27)

    def flow(self, start: Part, end: Part, data: str = "", gradient: str | None = "") -> None:
        """Draw data from one part to another, and its gradient back; data and gradient: what is written beside them.

        Along an arrow to the right, data is written above and the gradient below; along others, data at the left of
        whoever walks with it. gradient: None draws no arrow back, as for something that is not learned from.
        """
        (x0, y0), (x1, y1) = start.edge(end), end.edge(start)
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        left = (-(y1 - y0) / length, (x1 - x0) / length)
        lane = LANE if gradient is not None else 0.0
        self._lane((x0, y0), (x1, y1), left, lane, DATA, data)
        if gradient is not None:
            self._lane((x1, y1), (x0, y0), (-left[0], -left[1]), lane, GRADIENT, gradient)

    def detour(self, start: Part, end: Part, top: float, data: str = "", gradient: str = "") -> None:
        """Draw the way of data around what stands between two parts, at the height `top`, and its gradient below it."""
        for colour, first, last, side in ((DATA, start, end, -LANE), (GRADIENT, end, start, -LANE)):
            level = top + LANE if colour == DATA else top - LANE
            x0, x1 = (first.x + side, last.x - side)
            self.ax.plot([x0, x0, x1], [first.y + first.height / 2, level, level], color=COLOURS[colour], lw=1.4)
            properties = {"arrowstyle": "-|>", "color": COLOURS[colour], "lw": 1.4, "shrinkA": 0, "shrinkB": 1}
            self.ax.annotate("", (x1, last.y + last.height / 2), (x1, level), arrowprops=properties)
        middle = (start.x + end.x) / 2
        self.write(middle, top + LANE + 0.11, data, DATA)
        self.write(middle, top - LANE - 0.11, gradient, GRADIENT)

    def key(self, x: float = 0.1, y: float | None = None) -> None:
        """Say what the two colours are, by default at the upper left."""
        y = self.height - 0.14 if y is None else y
        self.write(x, y, "data →", DATA, ha="left")
        self.write(x + 0.62, y, "← gradient", GRADIENT, ha="left")

    def write(self, x: float, y: float, text: str, colour: str = "", size: float = SMALL, **font: object) -> None:
        """Write a text, in the ordinary colour of text or in one of the course's, centred or as `font` says."""
        paint = {"color": COLOURS[colour]} if colour else {}
        self.ax.text(x, y, text, **{"fontsize": size, "ha": "center", "va": "center", **paint, **font})

    def _box(self, part: Part, name: str, below: str, colour: str, rounding: float) -> Part:
        shape = FancyBboxPatch(
            (part.x - part.width / 2, part.y - part.height / 2),
            part.width,
            part.height,
            boxstyle=f"round,pad=0,rounding_size={rounding}",
            fc=pale(colour),
            ec=COLOURS[colour],
            lw=1.3,
        )
        self.ax.add_patch(shape)
        lift = LINE / 2 if below else 0.0
        self.write(part.x, part.y + lift, name, size=SIZE, color=DARK)
        self.write(part.x, part.y - lift, below, color=DARK)
        return part

    def _lane(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        left: tuple[float, float],
        lane: float,
        colour: str,
        text: str,
    ) -> None:
        """Draw an arrow `lane` to its own left, and the text beyond it."""
        (x0, y0), (x1, y1) = ((x + lane * left[0], y + lane * left[1]) for x, y in (start, end))
        properties = {"arrowstyle": "-|>", "color": COLOURS[colour], "lw": 1.4, "shrinkA": 2, "shrinkB": 1}
        self.ax.annotate("", (x1, y1), (x0, y0), arrowprops=properties)
        sideways = "left" if left[0] > 0.5 else "right" if left[0] < -0.5 else "center"
        away = 0.09 if sideways != "center" else 0.11 + 0.09 * abs(left[0])
        self.write((x0 + x1) / 2 + away * left[0], (y0 + y1) / 2 + away * left[1], text, colour, ha=sideways)
