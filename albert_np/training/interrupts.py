"""Stopping without loss: the first Ctrl-C waits until the update is made and saved, the second stops at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

__all__ = ["TrainingInterrupted", "deferred_interrupts"]


SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1")  # the last one is absent on Windows


class TrainingInterrupted(Exception):
    """Training stopped on request; `checkpoint`, the folder of `step`, holds all that resuming needs."""

    def __init__(self, step: int, checkpoint: Path, signal_name: str):
        self.step = step
        self.checkpoint = checkpoint
        self.signal_name = signal_name
        super().__init__(step, checkpoint, signal_name)

    def __str__(self) -> str:
        return f"{self.signal_name} after step {self.step}; saved in {self.checkpoint}"


class Interrupts:
    """What arrived so far: the name of the first signal, or None."""

    first: str | None = None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; on the second, raise KeyboardInterrupt where the program stands."""
        if self.first is not None:
            raise KeyboardInterrupt
        self.first = signal.Signals(number).name


@contextmanager
def deferred_interrupts() -> Iterator[Interrupts]:
    """Collect SIGINT, SIGTERM and SIGUSR1 inside the block instead of dying of them; handlers are put back afterwards.

    SIGUSR1 is what launchers of several ranks hand on and then wait, where they kill soon after the other two.
    Outside the main thread, where Python allows no handlers, nothing is collected.
    """
    interrupts = Interrupts()
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    previous = {number: signal.signal(number, interrupts.receive) for number in numbers}
    try:
        yield interrupts
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
