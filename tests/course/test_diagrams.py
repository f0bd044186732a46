"""The drawing of mechanisms: where arrows begin and end, and which way data and gradients go."""

import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Annotation

from albert_np.course.figures.diagrams import Diagram, Part
from albert_np.plots import COLOURS


def test_an_arrow_leaves_a_part_at_its_edge():
    part = Part(1.0, 1.0, 0.8, 0.4)
    assert part.edge(Part(3.0, 1.0, 1, 1)) == pytest.approx((1.4, 1.0))
    assert part.edge(Part(1.0, 0.0, 1, 1)) == pytest.approx((1.0, 0.8))
    assert part.edge(Part(1.4, 1.4, 1, 1)) == pytest.approx((1.2, 1.2))


def arrows(diagram):
    return [
        (text.arrow_patch.get_edgecolor()[:3], text.xyann, text.xy)
        for text in diagram.ax.texts
        if isinstance(text, Annotation)
    ]


def test_gradients_go_back_the_way_of_the_data():
    diagram = Diagram(4.0, 1.0)
    x, y = diagram.value(0.5, 0.5, "x", "(T, H)"), diagram.op(3.0, 0.5, "linear")
    diagram.flow(x, y, gradient="dx")
    (blue, start, end), (vermillion, back, home) = arrows(diagram)
    assert (blue, vermillion) == (to_rgb(COLOURS["blue"]), to_rgb(COLOURS["vermillion"]))
    assert start[0] == home[0] == pytest.approx(0.86)
    assert end[0] == back[0] == pytest.approx(2.45)
    assert start[1] > 0.5 > back[1]


def test_what_is_not_learned_from_has_no_arrow_back():
    diagram = Diagram(4.0, 1.0)
    diagram.flow(diagram.value(0.5, 0.5, "mask"), diagram.plus(3.0, 0.5), gradient=None)
    assert len(arrows(diagram)) == 1
