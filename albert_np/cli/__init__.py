"""The command line, `albert-np …`: exit status 0 done, 1 the work failed, 2 the call was wrong, 130 interrupted."""

from albert_np.cli.main import main

__all__ = ["main"]
