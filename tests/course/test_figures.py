"""What the figures of the notebooks say, where a mark in a wrong place would mislead."""

import numpy as np
import pytest

from albert_np.course.figures import looks_figure, roofline_figure


def test_a_roofline_has_an_open_mark_at_the_least_bytes_and_a_full_one_at_those_of_all_passes():
    rows = {"op": (8e9, 4e9, 16e9, 2.0)}  # 8 GFLOP in 2 s, 4 GB at least, 16 GB moved
    figure = roofline_figure(rows, peak=100e9, bandwidth=10e9)
    (ax,) = figure.axes
    roof = ax.lines[0].get_xydata()
    assert roof[0] == pytest.approx([1 / 64, 10 / 64])
    assert roof[-1] == pytest.approx([4096, 100])
    full, empty = ax.collections[:2]
    assert np.asarray(full.get_offsets())[0] == pytest.approx([0.5, 4])
    assert np.asarray(empty.get_offsets())[0] == pytest.approx([2, 4])
    assert not len(empty.get_facecolor())
    assert len(full.get_facecolor())


def test_where_a_token_looks_has_a_row_for_each_word_and_a_column_for_each_head_of_each_step():
    weights = [[[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]], [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]  # 2 steps, 2 heads, 3 words
    figure = looks_figure(["a", "b", "c"], {"model": np.array(weights)})
    (ax,) = figure.axes
    image = np.asarray(ax.images[0].get_array())
    assert image.shape == (3, 4)
    assert image[:, 1] == pytest.approx([0.2, 0.3, 0.5])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0\nstep 1", "1", "0\nstep 2", "1"]
