"""Walk one pass, forward and back, in a browser: `explore` records it and writes the page that shows it."""

import sys
import types
from typing import Any

from albert_np.explore.explorer import Exploration, explore, explore_sentence, explore_toy
from albert_np.explore.sentence import sentence_batch

__all__ = ["Exploration", "explore", "explore_sentence", "explore_toy", "sentence_batch"]


class _Room(types.ModuleType):
    """Lets `albert_np.explore(model, batch)` stand for the function of the same name."""

    def __call__(self, *args: Any, **kwargs: Any) -> Exploration:
        return explore(*args, **kwargs)


sys.modules[__name__].__class__ = _Room
