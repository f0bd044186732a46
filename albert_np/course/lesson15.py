"""Notebook 15: what can be known of a hidden word, one update, a question, and what a broken loop looks like."""

import itertools
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from albert_np.backend import Array, Floats, Ints
from albert_np.config import AlbertConfig
from albert_np.course.answers import Function
from albert_np.course.hunt import by_signs, named_bugs
from albert_np.course.report import Finding, equal, holds, self_check
from albert_np.model import AlbertForMaskedLM
from albert_np.params import ParamStore
from albert_np.study.world import GETS, Exam, Probe, World, train_step, world_config
from albert_np.training import AdamW, clip_by_global_norm

__all__ = ["check_posterior", "check_question", "check_train_step", "check_which_bug"]

RATE = 0.01  # of the updates that a check makes
SMALL = AlbertConfig(
    vocab_size=11,
    embedding_size=4,
    hidden_size=6,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=8,
    initializer_range=0.4,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)


@self_check("what can be known of hidden words")
def check_posterior(posterior: Function) -> Iterator[Finding]:
    """Check `p = posterior(stories, probability, seen)`, (V,) for each place where `seen` is -1: (places, V).

    stories (N, T) ids below V = stories.max() + 1, probability (N,), seen (T,) with -1 at hidden places.
    """
    stories = np.array([[0, 2], [0, 3], [1, 3]])
    probability = np.array([0.6, 0.2, 0.2])
    given = stories.copy(), probability.copy()
    got = np.asarray(posterior(*given, np.array([0, -1])))
    if got.shape == (1, 4):
        total = got.sum()
        told = f"to {total:g}: divide by what agrees"
        if np.isnan(total):
            told = "no story agrees: a hidden place agrees with every word"
        elif total > 1:
            told = f"to {total:g}: a story counts by its probability, divided by that of all that agree"
        yield holds("a row adds up to 1", bool(np.isclose(total, 1)), told)
        alike = bool(np.allclose(got, [[0, 0, 0.5, 0.5]]))
        yield holds("a story counts by its probability", not alike, "all count alike")
    mistakes = {
        "this is the answer where nothing is seen: only stories that agree with what is seen count": [[0, 0, 0.6, 0.4]]
    }
    row = "by hand, the first word 0 is seen: 3/4 and 1/4 for the second"
    yield equal(row, got, [[0, 0, 0.75, 0.25]], mistakes=mistakes)
    got = posterior(*given, np.array([-1, 3]))
    yield equal("by hand, the second word 3 is seen: half and half for the first", got, [[0.5, 0.5, 0, 0]])
    both = [[0.8, 0.2, 0, 0], [0, 0, 0.6, 0.4]]
    yield equal("both hidden: what is left is how frequent words are", posterior(*given, np.array([-1, -1])), both)
    got = np.asarray(posterior(*given, np.array([1, 3])))
    yield holds("nothing hidden: no row", got.size == 0, f"got shape {got.shape}, expected (0, 4)")
    unchanged = bool((given[0] == stories).all() and (given[1] == probability).all())
    yield holds("no argument was changed", unchanged, "one was")

    rng = np.random.default_rng(15)
    stories = np.array(list(itertools.product(range(3), range(3, 5), range(5, 9), range(3))))
    stories = stories[rng.random(len(stories)) < 0.6]
    probability = rng.random(len(stories))
    probability /= probability.sum()
    for hidden in ((1,), (0, 2), (1, 2, 3)):
        seen = stories[7].copy()
        seen[list(hidden)] = -1
        expected = _counted(stories, probability, seen)
        yield equal(f"{len(stories)} stories, places {hidden} hidden", posterior(stories, probability, seen), expected)


def _counted(stories: Ints, probability: Floats, seen: Ints) -> np.ndarray:
    """The same story by story, in plain loops."""
    hidden = [place for place, word in enumerate(seen) if word < 0]
    counts = np.zeros((len(hidden), stories.max() + 1))
    for story, share in zip(stories, probability, strict=True):
        if all(word in (-1, told) for word, told in zip(seen, story, strict=True)):
            for row, place in enumerate(hidden):
                counts[row, story[place]] += share
    counts /= counts.sum(axis=1, keepdims=True)
    return counts


@self_check("one update")
def check_train_step(train: Function) -> Iterator[Finding]:
    """Check `loss = train(model, batch, optimizer, learning_rate)`, which makes one update as `train_step` does."""
    rng = np.random.default_rng(3)
    batches = [_batch(rng) for _ in range(3)]
    ours, theirs = _trained(train, batches[:1]), _trained(train_step, batches[:1])
    seen = _seen(train, batches[0])
    told = (
        "they do not: is `optimizer.step(learning_rate)` called, after `backward`, before gradients are set to 0 again?"
    )
    yield holds("the weights move", bool(seen.any()), told)
    yield equal("the loss of the batch, before the update", ours.losses[0], theirs.losses[0])
    fresh = _trained(train, batches[:1], before=0.0)
    forgotten = np.allclose(fresh.weights, theirs.weights) and not np.allclose(ours.weights, theirs.weights)
    yield holds("what was in the gradients before does not count", not forgotten, "it does: set them to 0 first")
    norm = np.linalg.norm(seen)
    told = f"the step sees a norm of {norm:.3g}: clip it to 1, after backward and before the step"
    yield holds("gradients are clipped", bool(np.isclose(norm, 1)), told)
    yield equal("weights after one update", ours.weights, theirs.weights)
    calm = [_seen(each, _known(), sure=5.0) for each in (train, train_step)]
    told = (
        f"a gradient of norm {np.linalg.norm(calm[1]):.2f} stays as it is; in yours the step sees "
        f"{np.linalg.norm(calm[0]):.2f}: is it divided by its norm always, or added up twice?"
    )
    yield holds("a short gradient is not clipped", bool(np.allclose(calm[0], calm[1], rtol=1e-6)), told)
    ours, theirs = _trained(train, batches), _trained(train_step, batches)
    told = "the first update was right and a later one is not: `backward` adds, so where do gradients start again at 0?"
    same = bool(np.allclose(ours.weights, theirs.weights, rtol=0, atol=1e-9))
    yield holds("weights after three updates", same, told)
    same = bool(np.allclose(ours.losses, theirs.losses, rtol=1e-9))
    yield holds("three losses", same, f"got {ours.losses}, expected {theirs.losses}")


def _batch(rng: np.random.Generator) -> dict[str, np.ndarray]:
    ids = rng.integers(4, SMALL.vocab_size, (3, 6))
    labels = np.where(rng.random(ids.shape) < 0.4, ids, -100)
    labels[:, 0] = ids[:, 0]
    return {"input_ids": np.where(labels >= 0, 3, ids), "attention_mask": np.ones_like(ids), "labels": labels}


def _known() -> dict[str, np.ndarray]:
    """A batch in which every hidden word is word 5."""
    ids = np.full((3, 6), 3)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "labels": np.full_like(ids, 5)}


class _Descent:
    """Takes the gradient off the weights as it is: where they go tells which gradient a step has seen."""

    def __init__(self, params: ParamStore, grads: ParamStore):
        self._params, self._grads = params, grads

    def step(self, learning_rate: float) -> None:
        self._params.flat[...] -= learning_rate * self._grads.flat


def _seen(train: Function, batch: dict[str, np.ndarray], sure: float = 0.0) -> Array:
    """The gradient that the step of an update sees."""
    start, end = (_trained(train, batches, 0.0, sure, _Descent).weights for batches in ([], [batch]))
    return (start - end) / RATE


def _trained(
    train: Function,
    batches: list[dict[str, np.ndarray]],
    before: float = 0.5,
    sure: float = 0.0,
    optimizer: Callable[[ParamStore, ParamStore], object] = AdamW,
) -> SimpleNamespace:
    """The weights and losses of a fresh model after an update with each batch.

    before: what is in its first gradients. sure: how much it is for word 5 from the start.
    """
    model = AlbertForMaskedLM(SMALL, dtype="float64", seed=15)
    model.params["predictions.bias"][5] = sure
    model.grads.flat.fill(before)
    made = optimizer(model.params, model.grads)
    losses = [train(model, {name: a.copy() for name, a in batch.items()}, made, RATE) for batch in batches]
    return SimpleNamespace(model=model, weights=model.params.flat.copy(), losses=losses)


def package_posterior(stories: Ints, probability: Floats, seen: Ints) -> np.ndarray:
    """Return (15.1) of a small world, called as the exercise is."""
    share = np.where(((stories == seen) | (seen < 0)).all(axis=1), probability, 0)
    share = share / share.sum()
    size = stories.max() + 1
    rows = [np.bincount(stories[:, place], share, size) for place in np.flatnonzero(seen < 0)]
    return np.array(rows).reshape(-1, size)


_TELLING = ("move", "pronoun", "get", "second pronoun", "use")  # the parts that show the subject's number


def package_question() -> Probe:
    """Return the question of the exercise: the number of the second sentence's verb, across a misleading noun."""
    forms = dict.fromkeys(GETS, "singular") | dict.fromkeys(GETS.values(), "plural")
    return Probe(_TELLING, "get", forms, "other number")


@self_check("a question that gives nothing away")
def check_question(question: Callable[[], object]) -> Iterator[Finding]:
    """Check `probe = question()`, a `Probe` that asks for the number of the second sentence's verb."""
    probe, right = question(), package_question().classes
    yield holds("a Probe comes back", isinstance(probe, Probe), f"got a {type(probe).__name__}: return Probe(…)")
    if not isinstance(probe, Probe):
        return
    given: Any = probe.hidden
    hidden = {given} if isinstance(given, str) else set(given)
    parts = set(np.unique(_world().parts)) - {""}
    unknown = sorted(hidden - parts)
    yield holds("the hidden parts are parts of a story", not unknown, f"there is no part {unknown}")
    told = f"it asks for {probe.asked!r}; the verb of *she finds a new apple* is the part 'get'"
    yield holds("the second sentence's verb is asked for", probe.asked == "get", told)
    yield holds("the asked word is hidden", "get" in hidden, "it can still be read: hide 'get' too")
    lost = [word for word in right if word not in probe.classes]
    told = f"none for {', '.join(lost)}: `classes` is word → class, for three verbs in two forms"
    yield holds("all six verbs have a class", not lost, told)
    if lost:
        return
    groups = {frozenset(w for w in probe.classes if probe.classes[w] == c) for c in set(probe.classes.values())}
    expected = {frozenset(w for w in right if right[w] == c) for c in ("singular", "plural")}
    made = "; ".join(sorted(", ".join(sorted(group)) for group in groups))
    told = f"yours are {made}. One is for *finds, sees, buys*, one for *find, see, buy*, and no other word"
    yield holds("two classes, one for each number", groups == expected, told)
    yield holds("the subject can be read", "subject" not in hidden, "it is hidden too: then nobody can know")
    readable = [part for part in _TELLING if part not in hidden and _tells(part)]
    told = f"{' and '.join(map(repr, readable))} can be read, and show the number without the subject"
    yield holds("nothing else gives the number away", not readable, told)
    needless = sorted(hidden - set(_TELLING))
    yield holds("nothing more is hidden", not needless, f"{needless} say nothing of the number: leave them to be read")
    told = f"neighbour is {probe.neighbour!r}; where the noun in between has the other number is 'other number'"
    yield holds("only stories with a misleading noun", probe.neighbour == "other number", told)


@lru_cache(1)
def _world() -> World:
    return World()


def _tells(part: str) -> bool:
    """Whether the number of the subject can be known exactly from this part, the subject and all others hidden."""
    world = _world()
    row = int(np.flatnonzero((world.parts == "neighbour").any(axis=1))[0])
    hide = np.isin(world.parts[row], [p for p in ("subject", *_TELLING) if p != part])
    exact = world.posterior(np.where(hide, world.id_of["[MASK]"], world.ids[row]))[0]  # of the subject
    plural = exact[[world.id_of[word] for word in ("boys", "girls", "kings", "queens")]].sum()
    return bool(plural < 1e-9 or plural > 1 - 1e-9)


class Symptoms(dict[str, list[tuple[int, float, float, float]]]):
    """Loop → (updates, loss of the batch, of another one made the same way, of the exam); best: the exam's floor."""

    best: float

    def __str__(self) -> str:
        lines = [f"the best there is on the exam: {self.best:.2f}", "", "loop  update   batch  another batch    exam"]
        for loop, rows in self.items():
            lines += [f"{loop:>4}  {n:>6}  {own:6.2f}  {other:13.2f}  {exam:6.2f}" for n, own, other, exam in rows]
        return "\n".join(lines)


_BUGS = {
    1: "with gradients of 0 nothing moves, and all losses stay near ln 54 = 3.99",
    2: "the answers can be read in any batch made like this one, so both batches go below the floor; the exam does not",
    3: "one batch is learned by heart, far below the floor, and another one is not",
    4: "without order no loss comes near the floor, but all three fall together",
    5: "the weights jump, and losses go up, far above ln 54 = 3.99",
    6: "old gradients act like a long momentum: it learns, and all three losses fall together",
}
_LOOPS = {"A": 2, "B": 1, "C": 3, "D": 4}
_UPDATES = (0, 30, 100)


def symptoms(world: World) -> Symptoms:
    """Train four small models of the world, each with one bug, and return what one sees of it. Takes seconds."""
    exam = world.exam(100)
    found = Symptoms({loop: _with_bug(world, exam, bug) for loop, bug in _LOOPS.items()})
    found.best = exam.loss
    return found


def _with_bug(world: World, exam: Exam, bug: int) -> list[tuple[int, float, float, float]]:
    model = AlbertForMaskedLM(world_config(world, embedding_size=32, hidden_size=32, intermediate_size=128), seed=15)
    optimizer = AdamW(model.params, model.grads)
    places = {"position_ids": 0} if bug == 4 else {}

    def batch(number: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([15, number])
        made = world.hide(world.sample(rng, 16), rng)
        if bug == 2:
            made["input_ids"] = np.where(made["labels"] >= 0, made["labels"], made["input_ids"])
        return made | {name: np.full_like(made["labels"], value) for name, value in places.items()}

    def loss(of: dict[str, np.ndarray]) -> float:
        return float(model(**of, grad=False).loss)

    rows = []
    for update in range(_UPDATES[-1] + 1):
        made = batch(0 if bug == 3 else update)
        if update in _UPDATES:
            rows.append((update, loss(made), loss(batch(10_000)), world.measure(model, exam, **places)[0]))
        model.zero_grad()
        model(**made)
        model.backward()
        if bug == 1:
            model.zero_grad()
        clip_by_global_norm(model.grads, 1.0)
        optimizer.step(3e-3)
    return rows


@self_check("which bug is this?")
def check_which_bug(which_bug: Callable[[], object]) -> Iterator[Finding]:
    """Check `numbers = which_bug()`: loop → the number of its bug, for the loops of `symptoms()`."""
    yield from named_bugs(which_bug(), _LOOPS, _BUGS, by_signs(_BUGS))
