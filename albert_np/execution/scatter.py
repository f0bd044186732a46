"""Rows added up by their ids, in the same order every time."""

from albert_np.backend import Array, array_module
from albert_np.execution.device import on_device

__all__ = ["scatter_add"]


@on_device()
def scatter_add(target: Array, ids: Array, rows: Array) -> None:
    """Add `rows` (…, E) into `target[ids]`, (V, E)[…]; `target[ids] += rows` would lose all but one of a repeated id.

    Rows are sorted by id and each run is summed at once, which is faster than `np.add.at` and always adds in
    the same order.
    """
    ids, rows = ids.ravel(), rows.reshape(-1, rows.shape[-1])
    if ids.size == 0:
        return
    xp = array_module(target)
    order = xp.argsort(ids, kind="stable")
    present, starts = xp.unique(ids[order], return_index=True)
    target[present] += xp.add.reduceat(rows[order], starts, axis=0)
