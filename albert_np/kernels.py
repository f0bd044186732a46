"""How the formulas are executed: what makes plain NumPy fast without touching what it computes."""

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Ask the C library to keep freed memory for the next array instead of giving it back to the system.

    An op's result is a fresh array of some megabytes. By default glibc maps such a block anew and returns it when it
    is freed, so that the system has to hand out, and clear, each of its pages at every op: on a virtual machine that
    can take ten times as long as a multiplication of the same size. With these settings the pages stay. Affects the
    whole process; does nothing where the C library is another one.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(_M_ARENA_MAX, 1)  # one pool for all threads
