"""Parting examples into some to train with and some to evaluate on."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from albert_np.tasks.examples import Example, QuestionExample, TaggedExample, TextExample

__all__ = ["HeldOut", "hold_out"]


class HeldOut(NamedTuple):
    """The two parts, and the labels that no example to evaluate on has."""

    train: list[Example]
    evaluation: list[Example]
    absent: list[str]


def hold_out(examples: Sequence[Example], share: float, seed: int = 0) -> HeldOut:
    """Hold out a share of the examples at random, so that each label keeps its share in both parts.

    In a random order that is sorted by label, every (1 / share)-th example is held out; numbers are spread alike, and
    questions by whether they have an answer. An example with a label that would then be missing in training is not
    held out. Raises ValueError if that leaves nothing on either side.
    """
    if not 0 < share < 1:
        raise ValueError(f"held_out={share!r}: must be a share, between 0 and 1")
    if not isinstance(examples, Sequence):
        raise TypeError(f"examples must be a list of them, got a {type(examples).__name__}")
    count = round(share * len(examples))
    order = np.random.default_rng(seed).permutation(len(examples)).tolist()
    ranked = sorted(order, key=lambda i: _rank(examples[i]))
    held = {ranked[int((place + 0.5) * len(ranked) / count)] for place in range(count)}
    left = Counter(label for i in order if i not in held for label in _labels(examples[i]))
    for i in order:
        if i in held and not all(left[label] for label in _labels(examples[i])):
            held.remove(i)
            left.update(_labels(examples[i]))
    if not 0 < len(held) < len(examples):
        raise ValueError(f"held_out={share} leaves {len(held)} of {len(examples)} examples to evaluate on")
    asked = {label for i in held for label in _labels(examples[i])}
    absent = sorted(label for label in left if label not in asked)
    return HeldOut([examples[i] for i in order if i not in held], [examples[i] for i in order if i in held], absent)


def _rank(example: Example) -> Any:
    """Return what examples of one kind are sorted by."""
    match example:
        case TextExample(label=label) if label is not None:
            return label
        case QuestionExample(answers=answers):
            return bool(answers)
    return 0


def _labels(example: Example) -> set[str]:
    """Return the names of classes or tags that an example has."""
    match example:
        case TextExample(label=str(name)):
            return {name}
        case TextExample(label=tuple(names)) | TaggedExample(tags=tuple(names)):
            return set(names)
    return set()
