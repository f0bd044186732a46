"""Features to batches: in training a pure function of their position, in prediction in the order that pads least."""

import hashlib
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from albert_np.backend import Ints
from albert_np.execution import Model, Ranks, Replicas
from albert_np.ops import IGNORE_INDEX
from albert_np.tasks.kinds.base import CHUNK, Feature, Kind
from albert_np.tasks.readers.files import listed
from albert_np.training import Batch, Objective

__all__ = [
    "WINDOW",
    "FineTuningData",
    "Position",
    "Progress",
    "batches_by_length",
    "class_weights_for",
    "found_in_batches",
    "objective",
    "shared_out",
]

M = TypeVar("M", bound=Model)
T = TypeVar("T")
Item = TypeVar("Item")
Progress = Callable[[list[list[list[int]]]], Iterable[list[list[int]]]]  # wraps the rounds of batches of prediction

POOL = 50  # batches of a shuffled epoch whose examples are sorted by length
WINDOW = 1 << 14  # examples of which prediction has the features at a time: bounds its memory
MOST_TOKENS = 8192  # of a batch in prediction: what it needs must fit into memory


class Position(NamedTuple):
    """The place of a batch: the epoch, and which of the epoch's batches it is."""

    epoch: int
    batch: int


def batches_by_length(features: Sequence[Feature], tokens: int) -> Iterator[list[int]]:
    """Yield the numbers of features of similar length that fit together into about `tokens`, the longest first."""
    shapes = [feature.input_ids.shape for feature in features]
    batch: list[int] = []
    for i in sorted(range(len(features)), key=lambda i: shapes[i], reverse=True):
        if batch:
            *choices, longest = shapes[batch[0]]
            if [*shapes[i][:-1]] != choices or (len(batch) + 1) * math.prod([*choices, longest]) > tokens:
                yield batch
                batch = []
        batch.append(i)
    if batch:
        yield batch


def found_in_batches(
    replicas: Replicas[M],
    features: Sequence[Feature],
    work: Callable[[M, list[Feature]], T],
    progress: Progress | None = None,
) -> Iterator[tuple[list[int], T]]:
    """Yield the numbers of the features of a batch, and what `work(model, those features)` returns, batch by batch.

    A batch is one thread's, of whichever rank. Which features are in it depends on the features alone, so that what is
    found is the same to the bit for any number of threads and ranks, as long as there are not so few batches that
    threads are lent to the BLAS. All ranks find everything. RankError where one has other features or weights.
    """
    model, ranks = replicas.model, replicas.ranks
    ranks.require_alike(lambda: _checksums(model, features))
    tokens = MOST_TOKENS if model.backend.name != "numpy" else _tokens_at_once(features)
    batches = list(batches_by_length(features, tokens))
    rounds = [batches[i : i + replicas.parts] for i in range(0, len(batches), replicas.parts)]
    for own in rounds if progress is None else progress(rounds):
        parts = [[features[i] for i in numbers] for numbers in own]
        yield from zip(own, replicas.map(work, parts, gradients=False, lend=len(rounds) == 1), strict=True)


def shared_out(
    ranks: Ranks,
    items: Sequence[Item],
    work: Callable[[Sequence[Item], int], Sequence[T]],
    first: int,
    facts: Callable[[], Mapping[str, object]],
) -> list[T]:
    """Return work(items, first), which must not depend on where it is cut: each rank does a share, all get the whole.

    first: the number of the first item; a share gets that of its own first. A ValueError is that of the first bad item
    on all ranks, as of one process. RankError where one has other items or `facts`, asked for where there are several.
    """
    if ranks.size == 1:
        return [*work(items, first)]

    def own(at: int, stop: int) -> Sequence[T] | ValueError:
        try:
            return work(items[at:stop], first + at) if at < stop else []
        except ValueError as error:
            return error

    ranks.require_alike(lambda: {**facts(), "the checksum of the examples": _checksum(items)})
    found: list[T] = []
    for start in range(0, len(items), CHUNK):  # what all have sent and nobody has unpacked is held twice
        count = min(CHUNK, len(items) - start)
        bounds = [start + count * rank // ranks.size for rank in (ranks.rank, ranks.rank + 1)]
        for share in ranks.share(partial(own, *bounds)):
            if isinstance(share, ValueError):
                raise share
            found += share
    return found


def _checksum(items: Iterable[object]) -> int:
    total = 0
    for item in items:
        total = zlib.crc32(repr(item).encode("utf-8", "backslashreplace"), total)
    return total


def _tokens_at_once(features: Sequence[Feature]) -> int:
    """Return how many tokens a thread is given at a time.

    Small batches make slow products, and few batches leave threads idle: their number is a power of 2, which most
    machines have as threads, and grows as the root of what there is: 2 batches for 500 tokens, 4 for 2,000, 32 for
    120,000.
    """
    tokens = sum(feature.input_ids.size for feature in features)
    batches = 1 << max(0, round(math.log2(max(1, tokens) / 121) / 2))
    return min(MOST_TOKENS, 11 * tokens // (10 * batches) + 1)  # a tenth is padding


def _checksums(model: Model, features: Sequence[Feature]) -> dict[str, object]:
    """Return what must be equal on all ranks that share out the features."""
    inputs = 0
    for feature in features:
        inputs = zlib.crc32(feature.token_type_ids.tobytes(), zlib.crc32(feature.input_ids.tobytes(), inputs))
    weights = zlib.crc32(model.backend.to_numpy(model.params.flat).tobytes())
    return {"windows": len(features), "the checksum of the examples": inputs, "the checksum of the weights": weights}


class FineTuningData:
    """The endless stream of training batches of features, addressed by position.

    Each epoch shows all features in another order; its last batch may be smaller. Those of a batch are of similar
    length: runs of 50 batches are sorted by length before they are cut, and then the batches are shuffled. Batch b of
    epoch e depends on (features, batch size, seed, e, b) alone.
    """

    first_position = Position(0, 0)

    def __init__(self, kind: Kind[Any], features: Sequence[Feature], batch_size: int, pad_id: int, seed: int = 0):
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size} must be at least 1")
        if not features:
            raise ValueError("features is empty: there is nothing to train on")
        self.kind = kind
        self.features = features
        self.batch_size = batch_size
        self.pad_id = pad_id
        self.seed = seed
        self._lengths = np.array([feature.input_ids.shape[-1] for feature in features])
        self._plan: tuple[int, list[Ints]] | None = None  # of the last epoch asked for

    @property
    def batches_per_epoch(self) -> int:
        return -(-len(self.features) // self.batch_size)

    def settings(self) -> dict[str, object]:
        """All that the stream is a function of, as JSON can hold it; a resumed run must have the same."""
        digest = hashlib.sha256()
        for feature in self.features:
            digest.update(feature.input_ids.tobytes() + np.asarray(feature.target).tobytes())
        return {"features": digest.hexdigest(), "batch_size": self.batch_size, "seed": self.seed}

    def batch_at(self, position: Position) -> tuple[Batch, Position]:
        """Return the batch at a position, and the position of the one after it."""
        epoch, number = position
        batch = self.kind.collate([self.features[i] for i in self._batches(epoch)[number]], self.pad_id)
        return batch, Position(epoch, number + 1) if number + 1 < self.batches_per_epoch else Position(epoch + 1, 0)

    def _batches(self, epoch: int) -> list[Ints]:
        if self._plan is None or self._plan[0] != epoch:
            rng = np.random.default_rng([self.seed, epoch])
            order = rng.permutation(len(self.features))
            for start in range(0, len(order), POOL * self.batch_size):
                pool = order[start : start + POOL * self.batch_size]
                pool[...] = pool[np.argsort(self._lengths[pool], kind="stable")]
            cuts = range(self.batch_size, len(order), self.batch_size)
            batches = np.split(order, cuts)
            self._plan = epoch, [batches[i] for i in rng.permutation(len(batches))]
        return self._plan[1]


def objective(
    kind: Kind[Any], class_weights: npt.NDArray[np.float64] | None = None, label_smoothing: float = 0.0
) -> Objective:
    """Return how the losses of a kind of task add up; class_weights (labels,) and label_smoothing are the model's."""

    def asked(batches: Sequence[Any]) -> dict[str, Any]:
        denominators: dict[str, Any] = dict(kind.denominators(batches))
        if class_weights is not None:
            labels = np.concatenate([batch.labels.ravel() for batch in batches])
            weight = float(class_weights[labels[labels != IGNORE_INDEX]].sum())
            denominators = {"denominator": weight or 1.0, "class_weights": class_weights}
        return denominators | ({"label_smoothing": label_smoothing} if label_smoothing else {})

    return Objective(asked, lambda output: {"loss": float(output.loss)}, lambda totals: {"loss": totals["loss"]})


def class_weights_for(
    given: str | Mapping[str, float], labels: Sequence[str], features: Sequence[Feature]
) -> npt.NDArray[np.float64]:
    """Return the weight of each label, (labels,): 1 for those that `given` does not name.

    given: "balanced" for weights with which all labels count alike, examples / (labels · examples of the label), or
    label → weight. Raises ValueError for what is none of these.
    """
    if given == "balanced":
        targets = np.concatenate([np.ravel(feature.target) for feature in features])
        counts = np.bincount(targets[targets != IGNORE_INDEX], minlength=len(labels))
        return np.asarray(counts.sum() / (len(labels) * np.maximum(1, counts)), np.float64)
    if not isinstance(given, Mapping):
        raise ValueError(f"class_weights={given!r:.80} must be 'balanced', or a weight for each label")
    for name, weight in given.items():
        if name not in labels:
            raise ValueError(f"class_weights: {name!r:.80} is none of the labels {listed(labels)}")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise ValueError(
                f"class_weights: the weight of {name!r:.80} must be a finite number from 0, got {weight!r:.80}"
            )
    return np.array([float(given.get(name, 1)) for name in labels])
