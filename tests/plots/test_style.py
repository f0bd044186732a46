"""What all figures share, and the picture that the README shows."""

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure
from PIL import Image

from albert_np.cli import main
from albert_np.plots import ink, loss_figure, matrix, new_figure, series, show
from albert_np.study import data_folder


def test_the_readmes_picture_is_what_the_command_below_it_draws(tmp_path):
    kept = data_folder() / "albert.png"
    readme = kept.parents[1] / "README.md"
    if not kept.is_file() or not readme.is_file():
        pytest.skip("the README and its picture do not travel with the package")
    command = "albert-np info base-v2 --figure data/albert.png"
    assert command in readme.read_text(encoding="utf-8")
    drawn = tmp_path / "albert.png"
    result = CliRunner().invoke(main, [*command.split()[1:-1], str(drawn)])
    assert result.exit_code == 0, result.stderr
    ours, theirs = (np.asarray(Image.open(path).convert("L"), dtype=float) for path in (drawn, kept))
    assert ours.shape == theirs.shape
    assert abs(ours - theirs).mean() < 2  # of 255: other versions of Matplotlib may set a letter elsewhere


def test_a_matrix_has_its_numbers_up_to_8_by_8_in_an_ink_that_can_be_read():
    _, (small, large) = new_figure(4, 2, 1, 2)
    matrix(small, np.array([[0.0, 1.0], [0.25, 0.5]]))
    matrix(large, np.ones((9, 2)))
    assert [text.get_text() for text in small.texts] == ["0.00", "1.00", "0.25", "0.50"]
    assert [text.get_color() for text in small.texts] == ["white", "black", "white", "white"]
    assert not large.texts
    assert (ink((0, 0, 0)), ink((1, 1, 1))) == ("white", "black")


def test_a_limit_gives_several_matrices_one_scale():
    _, ax = new_figure(2, 2)
    matrix(ax, np.eye(2), signed=True, limit=4.0)
    assert ax.images[0].get_clim() == (-4, 4)


RECORDS = [
    {"step": 1, "mlm_loss": 3.0, "evaluation": None},
    {"step": 2, "mlm_loss": None, "evaluation": {"mlm_loss": 2.5, "sop_loss": None}},
    {"step": 3, "mlm_loss": 2.0},
]


def test_series_leave_out_what_was_not_measured():
    assert [values.tolist() for values in series(RECORDS, "mlm_loss")] == [[1, 3], [3.0, 2.0]]
    assert [values.tolist() for values in series(RECORDS, "mlm_loss", held_out=True)] == [[2], [2.5]]
    assert [values.tolist() for values in series(RECORDS, "sop_loss", held_out=True)] == [[], []]


def test_a_run_is_drawn_with_its_baselines_even_where_nothing_is_known_of_pairs():
    mlm, *_, sop = loss_figure(RECORDS, 100).axes
    assert [line.get_label() for line in mlm.lines[:2]] == ["training batches", "held-out text"]
    assert len(sop.lines) == 1
    assert any("ln 100 = 4.61" in text.get_text() for text in mlm.texts)


def test_a_figure_in_a_notebook_needs_a_text_for_those_who_cannot_see_it():
    with pytest.raises(ValueError, match="alt is empty"):
        show(Figure(), " ")
