"""A toy world: short stories from a small grammar, in which the best that can be known of a hidden word is known.

    the girl near the boys goes home . she finds a new apple . she eats the new apple .

All stories can be listed, each with its probability. So the exact distribution of a hidden word given all that is seen
is a sum over the stories that agree with it, and no model, of whatever size, can do better on average.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from albert_np.backend import Floats, Ints
from albert_np.config import AlbertConfig
from albert_np.model import AlbertForMaskedLM
from albert_np.ops import IGNORE_INDEX
from albert_np.pretraining import choose_ngrams
from albert_np.training import AdamW, clip_by_global_norm, warmup_linear

__all__ = [
    "PROBES",
    "STEPS",
    "Exam",
    "Moment",
    "Probe",
    "Word",
    "World",
    "learning",
    "train_step",
    "watched",
    "world_config",
]


PAD, CLS, SEP, MASK = "[PAD]", "[CLS]", "[SEP]", "[MASK]"
NOUNS = {"boy": "boys", "girl": "girls", "king": "kings", "queen": "queens"}  # singular: plural
PRONOUNS = {"boy": "he", "king": "he", "girl": "she", "queen": "she"}
MOVES = {"goes": "go", "runs": "run", "walks": "walk"}
PLACES = ("home", "away", "outside")
GETS = {"finds": "find", "sees": "see", "buys": "buy"}
ADJECTIVES = ("new", "red", "big", "small")
USES = {"eats": "eat", "reads": "read", "wears": "wear", "throws": "throw"}
OBJECTS = {
    "apple": "eats",
    "cake": "eats",
    "book": "reads",
    "letter": "reads",
    "hat": "wears",
    "coat": "wears",
    "ball": "throws",
    "stone": "throws",
}
HELD_OUT = 0.1  # of the stories
NEIGHBOURS = ("", "none", "other number")  # what a probe may ask for between subject and verb
HIDDEN = 0.25  # of a story's words
STEPS = 800  # updates of 48 stories, after which 0.02 to 0.04 nats are missing to the optimum


def _number(forms: Mapping[str, str], word: str, plural: bool) -> str:
    return forms[word] if plural else word


def _stories() -> Iterator[tuple[float, list[tuple[str, str]]]]:
    """Every story as its relative probability and its words, each with the part it plays."""
    subjects = list(product(NOUNS, (False, True)))
    for (noun, plural), move, place, get, adjective, thing in product(
        subjects, MOVES, PLACES, GETS, ADJECTIVES, OBJECTS
    ):
        others = [(n, p) for n, p in subjects if n != noun]
        pronoun = "they" if plural else PRONOUNS[noun]
        opening = [("the", ""), (_number(NOUNS, noun, plural), "subject")]
        rest = [
            (_number(MOVES, move, plural), "move"),
            (place, "place"),
            (".", ""),
            (pronoun, "pronoun"),
            (_number(GETS, get, plural), "get"),
            ("a", ""),
            (adjective, "adjective"),
            (thing, "object"),
            (".", ""),
            (pronoun, "second pronoun"),
            (_number(USES, OBJECTS[thing], plural), "use"),
            ("the", ""),
            (adjective, "second adjective"),
            (thing, "second object"),
            (".", ""),
        ]
        yield 1.0, [*opening, *rest]
        for other, several in others:  # half of the stories have such a noun
            near = [("near", ""), ("the", ""), (_number(NOUNS, other, several), "neighbour")]
            yield 1.0 / len(others), [*opening, *near, *rest]


class Probe(NamedTuple):
    """A question with a known answer: which class of words does the model expect at one place?

    hidden: the parts of the story that are masked, so that nothing but the skill gives the answer away. asked: the part
    whose word is asked for. classes: word → class; the answer is right if its class has the most probability.
    neighbour: "other number" asks only of stories where a noun of the other number stands between subject and verb,
    "none" of those without such a noun, "" of all.
    """

    hidden: tuple[str, ...]
    asked: str
    classes: Mapping[str, str]
    neighbour: str = ""


_FORMS = {word: "singular" for forms in (NOUNS, MOVES) for word in forms} | {
    word: "plural" for forms in (NOUNS, MOVES) for word in forms.values()
}
_NUMBERED = ("move", "pronoun", "get", "second pronoun", "use")  # the words that show the subject's number
PROBES = {
    "agreement": Probe(_NUMBERED, "move", _FORMS, "none"),
    "agreement across a misleading noun": Probe(_NUMBERED, "move", _FORMS, "other number"),
    "pronoun": Probe(("pronoun", "second pronoun"), "pronoun", {word: word for word in ("he", "she", "they")}),
    "copying": Probe(("use", "second object"), "second object", {word: word for word in OBJECTS}),
    "choice of verb": Probe(("use",), "use", {word: verb for verb, plural in USES.items() for word in (verb, plural)}),
}


class Word(NamedTuple):
    """A model's answer at a hidden place: its likeliest word, that word's probability, and the exact one."""

    word: str
    probability: float
    exact: float


class Exam(NamedTuple):
    """Held-out stories with hidden words, and the best that can be had on them: loss in nats, accuracy as a share."""

    input_ids: Ints  # (B, T)
    attention_mask: Ints  # (B, T)
    labels: Ints  # (B, T), -100 where nothing is asked
    loss: float
    accuracy: float

    @property
    def inputs(self) -> dict[str, Ints]:
        return {"input_ids": self.input_ids, "attention_mask": self.attention_mask, "labels": self.labels}


class Moment(NamedTuple):
    """What a model knows after `step` updates: its loss (nats) and accuracy on an exam, and for each probe a share."""

    step: int
    loss: float
    accuracy: float
    skills: dict[str, float]


class World:
    """All stories: `words`, by id; `ids` (N, T), padded; `parts` (N, T), what each word is; `probability` (N,).

    seed: decides which stories are held out.
    """

    def __init__(self, seed: int = 0) -> None:
        stories = list(_stories())
        weights = np.array([weight for weight, _ in stories])
        self.probability: Floats = weights / weights.sum()
        self.words = [PAD, CLS, SEP, MASK, *dict.fromkeys(word for _, story in stories for word, _ in story)]
        self.id_of = {word: i for i, word in enumerate(self.words)}
        rows = [[(CLS, ""), *story, (SEP, "")] for _, story in stories]
        width = max(map(len, rows))
        padded = [row + [(PAD, "")] * (width - len(row)) for row in rows]
        self.ids: Ints = np.array([[self.id_of[word] for word, _ in row] for row in padded])
        self.lengths: Ints = np.array([len(row) for row in rows])
        self._columns = self.ids.T.astype(
            np.int8, order="C"
        )  # a place of all stories lies together: `posterior` is quick
        self.parts = np.array([[part for _, part in row] for row in padded])
        self.held_out: npt.NDArray[np.bool_] = np.random.default_rng([seed, 0]).random(len(rows)) < HELD_OUT
        self._drawn = {held_out: self._shares(np.flatnonzero(self.held_out == held_out)) for held_out in (False, True)}
        self._asked = {kind: self._shares(np.flatnonzero(self.held_out & self._with(kind))) for kind in NEIGHBOURS}

    def encode(self, text: str) -> Ints:
        """Return the ids of a text, words and "[MASK]" between spaces, with [CLS] and [SEP]; (T,).

        ValueError for a word that the world does not know.
        """
        if unknown := [word for word in text.split() if word not in self.id_of]:
            raise ValueError(f"the world has no word {unknown[0]!r}; it has {' '.join(self.words[4:])}")
        return np.array([self.id_of[word] for word in (CLS, *text.split(), SEP)])

    def decode(self, ids: Sequence[int] | Ints) -> str:
        """Return the words of a row of ids, without [CLS], [SEP] and padding."""
        words = [self.words[int(i)] for i in ids]
        return " ".join(word for word in words if word not in (PAD, CLS, SEP))

    def sample(self, rng: np.random.Generator, count: int, held_out: bool = False) -> Ints:
        """Return the rows of `count` stories, drawn by their probability among those held out, or among the others."""
        return self._draw(rng, count, *self._drawn[held_out])

    def _shares(self, rows: Ints) -> tuple[Ints, Floats]:
        """Return rows, and how probable it is that one of them is drawn up to each."""
        upto = np.cumsum(self.probability[rows])
        return rows, upto / upto[-1]

    @staticmethod
    def _draw(rng: np.random.Generator, count: int, rows: Ints, upto: Floats) -> Ints:
        """Return what `rng.choice` would, whose sums over all stories are made once here, and not at each draw."""
        return rows[upto.searchsorted(rng.random(count), side="right")]

    def hide(
        self, rows: Ints, rng: np.random.Generator, share: float = HIDDEN, max_ngram: int | None = None
    ) -> dict[str, Ints]:
        """Return input_ids, attention_mask and labels (B, T) of stories in which each word is hidden by chance.

        share: the probability; at least one word of a story is hidden. max_ngram: hide that share of each story's
        words, no more and no less but for rounding, in n-grams of up to so many words (`choose_ngrams`), rather than
        each word by itself. A hidden word always becomes [MASK], so that what can be known of it is exact.
        """
        ids = self.ids[rows, : self.lengths[rows].max()]
        if max_ngram is None:
            drawn = np.where(ids >= 4, rng.random(ids.shape), np.inf)  # special tokens stay
            hidden = drawn <= np.maximum(share, drawn.min(axis=1, keepdims=True))
        else:
            hidden = np.zeros(ids.shape, bool)
            for row, words in zip(hidden, self.lengths[rows] - 2, strict=True):
                budget = max(1, round(share * words))
                for start, n in choose_ngrams(np.ones(words, int), budget, rng, max_ngram):
                    row[1 + start : 1 + start + n] = True
        return {
            "input_ids": np.where(hidden, self.id_of[MASK], ids),
            "attention_mask": (ids != 0).astype(np.int64),
            "labels": np.where(hidden, ids, IGNORE_INDEX),
        }

    def posterior(self, input_ids: Ints) -> Floats:
        """Return, for each [MASK] of a row in order, the exact probability of every word; (masks, V).

        input_ids (T,). ValueError if no story agrees with what is seen.
        """
        input_ids = np.asarray(input_ids)
        length = int((input_ids != 0).sum())
        hidden = input_ids[:length] == self.id_of[MASK]
        found = np.flatnonzero(self.lengths == length)
        for place in np.flatnonzero(~hidden):
            found = found[self._columns[place, found] == input_ids[place]]
        if not len(found):
            raise ValueError(f"no story agrees with {self.decode(input_ids)!r}")
        share = self.probability[found] / self.probability[found].sum()
        counts = [np.bincount(self._columns[place, found], share, len(self.words)) for place in np.flatnonzero(hidden)]
        return np.array(counts, dtype=np.float64).reshape(-1, len(self.words))

    def exam(self, count: int = 500, share: float = HIDDEN, seed: int = 0, max_ngram: int | None = None) -> Exam:
        """Return held-out stories with hidden words, and the loss and accuracy of whoever knows the world exactly.

        share, max_ngram: as in `hide`.
        """
        rng = np.random.default_rng([seed, 1])
        batch = self.hide(self.sample(rng, count, held_out=True), rng, share, max_ngram)
        best = np.concatenate([self.posterior(row) for row in batch["input_ids"]])
        truth = batch["labels"][batch["labels"] >= 0]
        right = best.argmax(axis=1) == truth
        loss = -np.log(best[np.arange(len(truth)), truth]).mean()
        return Exam(**batch, loss=float(loss), accuracy=float(right.mean()))

    def frequent(self, exam: Exam) -> float:
        """Return the accuracy of whoever always answers the word that is hidden most often."""
        asked = exam.labels[exam.labels >= 0]
        return float(np.bincount(asked).max() / len(asked))

    def neighbours(self, exam: Exam) -> float:
        """Return the accuracy of the best guess from the words to the left and to the right, hidden or not."""
        size, inner = len(self.words), self.ids[:, 1:-1] >= 4
        table = np.zeros((size, size, size))  # left, word, right
        places = self.ids[:, :-2][inner], self.ids[:, 1:-1][inner], self.ids[:, 2:][inner]
        np.add.at(table, places, np.broadcast_to(self.probability[:, None], inner.shape)[inner])
        mask = self.id_of[MASK]
        table[mask] = table.sum(axis=0)
        table[:, :, mask] = table.sum(axis=2)
        row, place = np.nonzero(exam.labels >= 0)
        guess = table[exam.input_ids[row, place - 1], :, exam.input_ids[row, place + 1]].argmax(axis=1)
        return float((guess == exam.labels[row, place]).mean())

    def measure(self, model: AlbertForMaskedLM, exam: Exam, **inputs: int) -> tuple[float, float]:
        """Return a model's loss in nats and its accuracy on an exam; inputs as in `probe`."""
        out = model(**exam.inputs, **_everywhere(exam.input_ids, inputs), grad=False, skip_padding=True)
        asked = exam.labels >= 0
        return float(out.loss), float((out.logits[asked].argmax(axis=1) == exam.labels[asked]).mean())

    def fill(self, model: AlbertForMaskedLM, text: str) -> list[Word]:
        """Return a model's answers to a story with hidden words, such as "the girl [MASK] home . …", in their order.

        ValueError for a word that the world does not know, or if no story agrees with what is seen.
        """
        ids = self.encode(text)
        exact = self.posterior(ids)
        logits = model(ids[None], grad=False).logits[0, ids == self.id_of[MASK]].astype(np.float64)
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        best = chances.argmax(axis=1)
        return [Word(self.words[w], float(p[w]), float(q[w])) for w, p, q in zip(best, chances, exact, strict=True)]

    def probe(self, model: AlbertForMaskedLM, probe: Probe, count: int = 200, seed: int = 0, **inputs: int) -> float:
        """Return the share of `count` held-out stories for which a model answers a probe rightly.

        inputs: further arguments of the model that are the same for every story and place, such as position_ids=0.
        """
        ids, places, right = self.questions(probe, count, seed)
        out = model(ids, (ids != 0).astype(np.int64), **_everywhere(ids, inputs), grad=False)
        logits = out.logits[np.arange(len(ids)), places]
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        classes = sorted(set(probe.classes.values()))
        table = np.zeros((len(self.words), len(classes)))
        for word, name in probe.classes.items():
            table[self.id_of[word], classes.index(name)] = 1
        answers = (chances @ table).argmax(axis=1)
        return float(np.mean([classes[a] == probe.classes[self.words[w]] for a, w in zip(answers, right, strict=True)]))

    def questions(self, probe: Probe, count: int = 200, seed: int = 0) -> tuple[Ints, Ints, Ints]:
        """Return a probe's stories with their parts hidden (count, T), the asked places and right words (count,).

        ValueError for a `neighbour` that there is not.
        """
        if probe.neighbour not in NEIGHBOURS:
            raise ValueError(f"neighbour={probe.neighbour!r}: allowed are {', '.join(map(repr, NEIGHBOURS))}")
        rng = np.random.default_rng([seed, 2])
        rows = self._draw(rng, count, *self._asked[probe.neighbour])
        hidden = np.isin(self.parts[rows], probe.hidden)
        ids = np.where(hidden, self.id_of[MASK], self.ids[rows])
        places = (self.parts[rows] == probe.asked).argmax(axis=1)
        return ids, places, self.ids[rows, places]

    def _with(self, kind: str) -> npt.NDArray[np.bool_]:
        """Which stories have the neighbour that a probe asks for."""
        if not kind:
            return np.ones(len(self.ids), bool)
        plural = np.isin(self.ids, [self.id_of[word] for word in NOUNS.values()])
        has: npt.NDArray[np.bool_] = (self.parts == "neighbour").any(axis=1)
        if kind == "none":
            return ~has
        differs: npt.NDArray[np.bool_] = (plural & (self.parts == "neighbour")).any(axis=1) != (
            plural & (self.parts == "subject")
        ).any(axis=1)
        return has & differs


def _everywhere(ids: Ints, inputs: Mapping[str, int]) -> dict[str, Ints]:
    return {name: np.full_like(ids, value) for name, value in inputs.items()}


def world_config(world: World, **changes: Any) -> AlbertConfig:
    """Return a configuration that learns the world: two shared steps, H = E = 64, no dropout, but for `changes`."""
    fields: dict[str, Any] = {
        "vocab_size": len(world.words),
        "embedding_size": 64,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 256,
        "max_position_embeddings": world.ids.shape[1],
        "type_vocab_size": 1,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.05,
    }
    return AlbertConfig(**(fields | changes))


def train_step(model: AlbertForMaskedLM, batch: dict[str, Ints], optimizer: Any, learning_rate: float) -> float:
    """Make one update with a batch of a model's arguments, gradients clipped to a norm of 1; return the loss, nats."""
    model.zero_grad()
    out = model(**batch, skip_padding=True)
    model.backward()
    clip_by_global_norm(model.grads, 1.0)
    optimizer.step(learning_rate)
    return float(out.loss)


def learning(
    world: World,
    model: AlbertForMaskedLM,
    steps: int = STEPS,
    seed: int = 0,
    *,
    batch_size: int = 48,
    learning_rate: float = 3e-3,
    share: float = HIDDEN,
    max_ngram: int | None = None,
    warmup: float = 0.1,
    optimizer: Any = AdamW,
    train: Callable[[AlbertForMaskedLM, dict[str, Ints], Any, float], float] = train_step,
    **inputs: int,
) -> Iterator[tuple[int, float]]:
    """Train a model on the world; yield the number of updates made and the loss of the last batch, in nats.

    The learning rate rises for the share `warmup` of the updates and then falls in a line. share, max_ngram: as in
    `World.hide`. optimizer: made of the model's weights and gradients, with a method `step(learning_rate)`. train:
    makes one update, as `train_step`. inputs: as in `World.probe`. The model is ready to be asked whenever this yields.
    """
    update = optimizer(model.params, model.grads)
    schedule = partial(warmup_linear, warmup_steps=int(steps * warmup), total_steps=steps, peak=learning_rate)
    for step in range(steps):
        rng = np.random.default_rng([seed, 3, step])
        batch = world.hide(world.sample(rng, batch_size), rng, share, max_ngram)
        yield step + 1, train(model, batch | _everywhere(batch["input_ids"], inputs), update, schedule(step))


def watched(
    world: World,
    model: AlbertForMaskedLM,
    exam: Exam,
    steps: int = STEPS,
    seed: int = 0,
    every: int = 25,
    **options: Any,
) -> Iterator[Moment]:
    """Train a model as `learning` does, and measure it before the first update and after each `every`.

    options: those of `learning`.
    """
    inputs = {name: value for name, value in options.items() if name.endswith("_ids")}

    def moment(step: int) -> Moment:
        skills = {name: world.probe(model, probe, 50, **inputs) for name, probe in PROBES.items()}
        return Moment(step, *world.measure(model, exam, **inputs), skills)

    yield moment(0)
    for step, _ in learning(world, model, steps, seed, **options):
        if step % every == 0 or step == steps:
            yield moment(step)
