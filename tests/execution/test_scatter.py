import numpy as np

from albert_np.execution import scatter_add


def test_scatter_add_keeps_repeated_ids():
    target = np.ones((4, 2))
    scatter_add(target, np.array([[1, 3], [1, 1]]), np.arange(8.0).reshape(2, 2, 2))
    assert target.tolist() == [[1, 1], [1 + 0 + 4 + 6, 1 + 1 + 5 + 7], [1, 1], [3, 4]]


def test_scatter_add_of_nothing_changes_nothing():
    target = np.ones((4, 2))
    scatter_add(target, np.zeros((0,), int), np.zeros((0, 2)))
    assert (target == 1).all()
