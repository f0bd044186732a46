"""One pass of a model, forward and back, as what the page is given."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from albert_np.changes import refuse_changed
from albert_np.config import AlbertConfig
from albert_np.explore.export import Arrays, Json, export_rows, fingerprint
from albert_np.explore.program import program_of
from albert_np.explore.rows import Program, Row
from albert_np.explore.tape import Tape, TapeArray
from albert_np.model import AlbertBase, AlbertModel

__all__ = ["LARGEST", "model_pass"]

LARGEST = 2_000_000  # parameters of a model that a page can carry and compute
VOCABULARY = 10_000  # pieces that a page names


def model_pass(
    model: AlbertBase,
    batch: Mapping[str, Any],
    tokens: Sequence[Sequence[str]] | None,
    vocabulary: Sequence[str] | None,
) -> tuple[Json, Arrays, Program]:
    """Run `model(**batch)` and its backward pass in float64; return the page's data, its numbers, and the program.

    tokens: the text at each position, B lists of T; by default the ids. vocabulary: the text of each id. ValueError for
    a model of more than LARGEST parameters, and where no loss comes out; a bare `AlbertModel` goes back from random
    upstream gradients, the same in each call.
    """
    refuse_changed(model.config.extra, "the explorer")
    if model.layout.size > LARGEST:
        raise ValueError(
            f"{type(model).__name__} has {model.layout.size:,} parameters: a page computes with {LARGEST:,} at most"
        )
    twin = _on_tape(model)
    batch = {name: np.asarray(x) if isinstance(x, list | tuple) else x for name, x in batch.items()}
    tape = Tape()
    tape.parameters(twin.params, twin.grads)
    upstream: dict[str, TapeArray] = {}
    with tape.running():
        out = twin(**batch)
        loss = getattr(out, "loss", None)
        if loss is None:
            upstream = _upstream(twin, out)
        tape.turn_back()
        twin.backward(**upstream)
    if not twin.grads.flat.inner.any():
        raise ValueError("no gradient comes back: the labels of the batch ask for nothing")
    _check_texts(batch, tokens, vocabulary)
    probes = {getattr(out, name).value: gradient.inner for name, gradient in upstream.items()}
    program = program_of(tape, None if loss is None else loss.value, probes)
    arrays = Arrays()
    axes = _Axes(twin, batch, program)
    data = export_rows(program, arrays, axes.of)
    numbers = data.pop("numbers")
    ids = batch.get("input_ids")
    names = [[str(i) for i in row] for row in np.asarray(ids)] if tokens is None and ids is not None else tokens
    data |= {
        "version": 1,
        "kind": "model",
        "model": _about(twin),
        "tokens": [list(row) for row in names or []],
        "asked": _asked(batch, axes, vocabulary),
        "vocabulary": list(vocabulary) if vocabulary is not None and len(vocabulary) <= VOCABULARY else None,
        "params": _parameters(twin, tape, program, arrays, data["values"], numbers),
        "loss": None if program.loss is None else numbers[program.loss],
        "probe": [{"value": numbers[v], "upstream": arrays.add(x)} for v, x in probes.items()] or None,
        "outputs": _outputs(program, numbers),
        "places": axes.places,
        "arrays": arrays.table,
    }
    return data, arrays, program


def _check_texts(
    batch: Mapping[str, Any], tokens: Sequence[Sequence[str]] | None, vocabulary: Sequence[str] | None
) -> None:
    """Raise ValueError where texts do not go with the ids that they are of."""
    ids = batch.get("input_ids")
    if ids is None or np.ndim(ids) != 2:
        return
    shape = [len(row) for row in tokens] if tokens is not None else []
    if tokens is not None and shape != [np.shape(ids)[1]] * len(ids):
        raise ValueError(f"tokens must be {len(ids)} lists of {np.shape(ids)[1]} texts, got lists of {shape}")
    if vocabulary is not None and not isinstance(vocabulary, Sequence):
        raise TypeError(f"vocabulary must be a list of texts, one for each id, got {vocabulary!r:.80}")
    if vocabulary is not None and len(vocabulary) <= np.max(ids):
        raise ValueError(f"vocabulary has {len(vocabulary)} texts, and the batch the id {np.max(ids)}")


def _on_tape(model: AlbertBase) -> AlbertBase:
    """Return the same model in float64, on tape arrays."""
    twin = type(model)(model.config, dtype="float64", backend="tape")
    twin.params.flat[...] = np.asarray(model.backend.to_numpy(model.params.flat), dtype=np.float64)
    twin.training = model.training
    twin.rng = copy.deepcopy(model.rng)
    return twin


def _upstream(twin: AlbertBase, out: Any) -> dict[str, TapeArray]:
    if not isinstance(twin, AlbertModel):
        raise ValueError(f"{type(twin).__name__} computed no loss to go back from: give its labels in the batch")
    rng = np.random.default_rng(0)
    names = ["last_hidden_state"] + (["pooler_output"] if out.pooler_output is not None else [])
    return {name: TapeArray(rng.standard_normal(getattr(out, name).shape)) for name in names}


def _about(twin: AlbertBase) -> Json:
    config: AlbertConfig = twin.config
    sizes = (
        "vocab_size embedding_size hidden_size intermediate_size num_hidden_layers num_hidden_groups inner_group_num "
        "num_attention_heads hidden_act layer_norm_eps pad_token_id"
    )
    return {
        "class": type(twin).__name__,
        "parameters": twin.layout.size,
        "config": {name: getattr(config, name) for name in sizes.split()},
    }


def _asked(batch: Mapping[str, Any], axes: "_Axes", vocabulary: Sequence[str] | None) -> list[Json]:
    if "asked" not in axes.places:
        return []
    labels = np.asarray(batch["labels"])
    return [
        {"sequence": b, "position": t, "id": int(i), "label": str(i) if vocabulary is None else vocabulary[i]}
        for b, t in axes.places["asked"]
        for i in [labels[b, t]]
    ]


def _outputs(program: Program, numbers: dict[int, int]) -> dict[str, int]:
    outputs = {}
    for row in program.rows:
        if row.kind == "cross_entropy" and row.call is not None and row.inputs[0] in numbers:
            name = "prediction" if row.call.within("mlm_loss_forward") else "sop"
            outputs[name] = numbers[row.inputs[0]]
    return outputs


def _parameters(
    twin: AlbertBase, tape: Tape, program: Program, arrays: Arrays, values: list[Json], numbers: dict[int, int]
) -> list[Json]:
    """Return the parameters that rows read; a span stands for the adjacent parts that it is read in place of."""
    made = {i: n for n, row in enumerate(program.rows) for i in row.out}
    params: list[Json] = []
    for value, number in list(numbers.items()):
        name = program.values[value].param
        if name is None:
            continue
        values[number]["param"] = len(params)
        values[number]["name"] = name.rpartition(".")[2]
        added = program.gradients.get(name, [])
        params.append(
            {
                "name": name,
                "value": number,
                "array": arrays.add(program.values[value].array),
                "parts": _parts(twin, name),
                "grad": {
                    "contributions": [numbers[i] for i in added],
                    "rows": [made[i] for i in added],
                    "print": fingerprint(twin.grads[name].inner),
                },
            }
        )
    return params


def _parts(twin: AlbertBase, name: str) -> list[str] | None:
    offset, shape = twin.layout.slots[name]
    end = offset + int(np.prod(shape))
    inside = [other for other in twin.layout.shapes if offset <= twin.layout.slots[other][0] < end]
    return inside if inside != [name] else None


class _Axes:
    """Names what the axes of an array stand for."""

    def __init__(self, twin: AlbertBase, batch: Mapping[str, Any], program: Program):
        config: AlbertConfig = twin.config
        albert = getattr(twin.cache, "albert", twin.cache)
        pattern = albert.pattern
        self.program, self.B, self.T = program, pattern.batch, pattern.positions
        self.sizes = {
            config.hidden_size: "H",
            config.intermediate_size: "I",
            config.embedding_size: "E",
            3 * config.hidden_size: "3H",
            config.vocab_size: "V",
        }
        self.places: dict[str, list[list[int]]] = {}
        if pattern.tokens is not None:
            self.places["real"] = self._grid(pattern.tokens.inner)
        if pattern.wanted is not None:
            rows = pattern.wanted.inner
            self.places["wanted"] = self._grid(rows if pattern.tokens is None else pattern.tokens.inner[rows])
        if any(row.call and row.call.within("mlm_loss_forward") for row in program.rows):
            self.places["asked"] = self._grid(np.flatnonzero(np.asarray(batch["labels"]) != -100))

    def _grid(self, flat: np.ndarray) -> list[list[int]]:
        return [[int(i) // self.T, int(i) % self.T] for i in flat]

    def of(self, shape: tuple[int, ...], row: Row | None, value: int) -> list[str]:
        """Return a name for each axis, "" where there is none."""
        if not shape:
            return []
        if row is not None and len(shape) == 4:
            scores = row.kind.startswith(("scores", "softmax", "context", "dropout", "view"))
            if scores and shape[-2:] == (self.T, self.T):
                return ["B", "N", "T", "S"]
            return ["B", "N", "T", "D"] if shape[2] == self.T else ["B", "T", "N", "D"]
        last = self.sizes.get(shape[-1], "")
        if self.program.values[value].param is not None or _is_of_parameter(row, value):
            return [self.sizes.get(n, "") for n in shape[:-1]] + [last]
        if row is not None and self._inside_mlm(row) and shape[0] == len(self.places["asked"]):
            return ["asked", last][: len(shape)]
        if shape[:2] == (self.B, self.T):
            return ["B", "T", last][: len(shape)]
        if len(shape) > 1 and shape[:2] == (1, self.T):
            return ["", "T", last][: len(shape)]
        for name in ("real", "wanted"):
            if shape[0] == len(self.places.get(name, [])):
                return [name, *[""] * (len(shape) - 2), last][: len(shape)]
        return ["B" if shape[0] == self.B else "", *[""] * (len(shape) - 2), last][: len(shape)]

    def _inside_mlm(self, row: Row) -> bool:
        call = row.call
        return call is not None and any(call.within(f"mlm_loss_{way}") for way in ("forward", "backward"))


def _is_of_parameter(row: Row | None, value: int) -> bool:
    """Whether a value is the gradient of a parameter: all outputs of a backward pair but the first."""
    if row is None or value not in row.out:
        return False
    return row.kind == "embedding_backward" or (
        row.kind in ("linear_backward", "layer_norm_backward") and value != row.out[0]
    )
