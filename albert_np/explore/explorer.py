"""`explore`: record a pass and show it."""

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from albert_np.checkpoints import find_model, open_checkpoint
from albert_np.explore.export import Arrays, Json
from albert_np.explore.model_pass import model_pass
from albert_np.explore.page import build_page
from albert_np.explore.pair_pass import Claim, pair_pass
from albert_np.explore.rows import Program
from albert_np.explore.sentence import sentence_batch
from albert_np.explore.toy import make_toy
from albert_np.files import whole_file
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining, class_of
from albert_np.study import shipped_folder
from albert_np.tokenization import AlbertTokenizer

__all__ = ["Exploration", "explore", "explore_sentence", "explore_toy"]


class Exploration:
    """A recorded pass. In a notebook it shows itself; `save` writes the page."""

    def __init__(self, data: Json, arrays: Arrays, program: Program, title: str, claims: Sequence[Claim] = ()):
        self.data = data
        self.arrays = arrays
        self.program = program
        self.title = title
        self.claims = list(claims)

    def contributions(self, name: str) -> list[np.ndarray]:
        """Return what was added to the gradient of a parameter, in the order of the backward pass.

        KeyError names the parameters that have a gradient; query, key and value of a layer are one, query_key_value.
        """
        if name not in self.program.gradients:
            raise KeyError(f"{name!r} is not one of {', '.join(self.program.gradients)}")
        return [self.program.values[value].array for value in self.program.gradients[name]]

    @property
    def html(self) -> str:
        """The page: one HTML file that needs nothing else."""
        return self._page()

    def _page(self, **more: Any) -> str:
        return build_page({**self.data, "notebooks": _notebooks(), **more}, self.arrays, self.title)

    @property
    def differs(self) -> list[str]:
        """What is not as it should be, in the order of the pass: ops that did not compute their formula, by name and
        place, and, of a reader's pair, gradients that differences contradict."""
        rows = [row for row in self.data["rows"] if "differs" in row]
        found = [f"{_name(row)} ({', '.join(row['block'])})" for row in rows]
        return found + [f"{c.name} is not the gradient of {c.of}" for c in self.claims if not c.holds]

    def save(self, path: str | Path) -> Path:
        """Write the page, the whole of it or nothing; returns its path."""
        with whole_file(path) as hidden:
            hidden.write_text(self.html, encoding="utf-8", newline="\n")
        return Path(path)

    def _repr_html_(self) -> str:
        page = html.escape(self._page(amongNotebooks=True), quote=True)
        style = "width:100%;height:720px;border:1px solid #8884;border-radius:6px"
        return f'<iframe title="{html.escape(self.title)}" srcdoc="{page}" style="{style}"></iframe>'

    def __repr__(self) -> str:
        rows, stops = len(self.data["rows"]), len(self.data["stops"])
        wrong = f", wrong: {'; '.join(self.differs)}" if self.differs else ""
        return f"Exploration({self.title!r}, {rows} rows, {stops} stops{wrong})"


def _notebooks() -> dict[str, str]:
    """Return the file of each notebook of the course by its number; none where the installation has no course."""
    try:
        return {path.name[:2]: path.name for path in sorted(shipped_folder("notebooks").glob("[0-9][0-9]_*.ipynb"))}
    except FileNotFoundError:
        return {}


def _name(row: Json) -> str:
    return str(row["kind"] if row["phase"] == "backward" else f"{row['kind']}_forward")


def explore(
    model: Any,
    batch: Any,
    inputs: Sequence[Any] | Mapping[str, Any] | None = None,
    *,
    tokens: Sequence[Sequence[str]] | None = None,
    vocabulary: Sequence[str] | None = None,
    title: str | None = None,
) -> Exploration:
    """Record one pass, forward and back, so that it can be walked through in a browser.

    `explore(model, batch)`: a model of any class and the arguments of its call, labels included, by name. It is run on
    a copy in float64; `model.grads` stays as it is. tokens: the text at each position, B lists of T; vocabulary: the
    text of each id.

    `explore(forward, backward, inputs)`: a pair of your own, `y, cache = forward(…)` and `dx, … = backward(dy, cache)`,
    in NumPy's functions. Every `dNAME` of backward is held against `NAME` of forward by differences; `differs` names
    what is wrong, the first error of the backward pass first.

    ValueError for a model of more than two million parameters, where there is no loss to go back from, and for an
    operation of NumPy's that the page cannot compute; TypeError for functions that return something else.
    """
    if inputs is not None:
        forward, backward = _pair(model, batch)
        data, arrays, program, claims = pair_pass(forward, backward, inputs)
        return Exploration(data, arrays, program, title or f"{forward.__name__}, {backward.__name__}", claims)
    if not hasattr(model, "params") or not isinstance(batch, Mapping):
        raise TypeError(
            "explore takes a model and its batch, a mapping of arguments by name, or a forward function, a backward "
            f"function and their inputs; got {type(model).__name__} and {type(batch).__name__}"
        )
    data, arrays, program = model_pass(model, batch, tokens, vocabulary)
    return Exploration(data, arrays, program, title or type(model).__name__)


def explore_sentence(source: str | Path, text: str, second: str | None = None) -> Exploration:
    """Record a pass of a saved model over a sentence: the words in braces are masked and asked for.

    source: a run or a model folder. second: a sentence that follows; the loss then asks for their order as well.
    ValueError for a model without the heads that this takes, and for a text that marks nothing or is too long.
    """
    checkpoint = open_checkpoint(find_model(source))
    needed = ["predictions."] + (["sop_classifier."] if second is not None else [])
    for head in needed:
        if not any(name.startswith(head) for name in checkpoint.weights):
            held = class_of(checkpoint).__name__
            what = "a masked word" if head == "predictions." else "the order of two sentences"
            raise ValueError(f"{source} holds an {held}, which has no head for {what}")
    model = (AlbertForMaskedLM if second is None else AlbertForPreTraining).from_checkpoint(checkpoint)
    tokenizer = AlbertTokenizer.from_pretrained(checkpoint.source)
    batch, tokens = sentence_batch(tokenizer, text, second, model.config.max_position_embeddings)
    vocabulary = tokenizer.convert_ids_to_tokens(range(model.config.vocab_size))
    return explore(model, batch, tokens=tokens, vocabulary=vocabulary, title=Path(source).resolve().name)


def explore_toy() -> Exploration:
    """Record a pass of a tiny model, trained on the spot, in which every number fits on a screen."""
    toy = make_toy()
    return explore(toy.model, toy.batch, tokens=toy.tokens, vocabulary=toy.vocabulary, title="a tiny ALBERT")


def _pair(forward: Any, backward: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    for name, function in (("forward", forward), ("backward", backward)):
        if not hasattr(function, "__code__"):
            raise TypeError(f"{name} must be a function written in Python, got {type(function).__name__}")
    return forward, backward
