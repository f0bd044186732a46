"""Change ALBERT: replace a part of the trunk by a pair of your own, for a while or for good.

    with swap(norm=(rms_norm_forward, rms_norm_backward, {"weight": (("W",), 1.0)})):
        model = AlbertForPreTraining(config)

Whatever is made and run inside the block has the part: models, their training, `gradcheck.check_model`. Without `with`
the call holds for good, as in a file for `albert-np experiment NAME --with change.py`. The functions that stand in
`layers` are exchanged, for the whole process and all its threads. A model belongs to the swap that it was made under:
under another, or none, it refuses to run, and so does its folder.

Pure pairs, as the ops of the package. `forward` returns y and a cache; `backward(dy, cache)` returns the gradients of
the arrays, in the order of forward's arguments, as one array or a tuple. An array of float32 must stay one.

    norm          forward(x, weight, bias, eps): all three LayerNorms of the trunk
    activation    forward(x): in the feed-forward branch
    attention     forward(query, key, value, mask, dropout_prob, rng): scores, softmax and what they weigh
    feed_forward  forward(x, ffn_weight, ffn_bias, ffn_output_weight, ffn_output_bias)

    wiring        forward(x, attention, feed_forward, norm_1, norm_2): a layer, from its four parts as functions of x;
                  backward(dy, cache, attention, feed_forward, norm_1, norm_2) is given the ways back through them

With a third value, a pair has parameters of its own: name → (shape, start). They are passed by position after the
arrays, before all else, and take the place of weight, bias, … above. A shape holds whole numbers and the names of
`changes.SIZES` ("H" hidden, "I" intermediate, …), in a norm "W", its width; start is the number that they are filled
with, or None for small random numbers.

Blocks, as those of `layers`, which take their parameters from a scope `p` and add gradients into a scope `g`:

    attention_branch, layer    forward(x, pattern, p, config, rng), backward(dy, cache, g)
    embeddings                 forward(inputs, p, config, rng), backward(dy, cache, g)

A block that calls others must write `layers.norm_forward`, so that it finds what stands there at that moment.

    schedule      the group of each layer step, such as (0, 1, 1, 2, 0, 1, 2), in place of even runs
"""

import inspect
import threading
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple, Self

from numpy.random import Generator

from albert_np import layers, ops
from albert_np.backend import Array
from albert_np.changes import SIZES, Change, Parameter, put_in_force
from albert_np.config import AlbertConfig
from albert_np.course.answers import Function
from albert_np.execution import Pattern
from albert_np.params import Scope

__all__ = ["Swap", "swap", "swap_back"]

Pair = tuple[Function, Function] | tuple[Function, Function, Mapping[str, Any]]


class Kind(NamedTuple):
    """What can be replaced, and how.

    arrays: forward's first arguments, whose gradients come back first. given: its last ones. default: parameters, by
    the names that they have in a layer. places: prefix of own parameters → what "W" stands for there. block: whether
    the pair works with scopes.
    """

    arrays: tuple[str, ...]
    given: tuple[str, ...]
    default: tuple[str, ...]
    places: dict[str, str]
    block: bool = False


_FFN = ("ffn.weight", "ffn.bias", "ffn_output.weight", "ffn_output.bias")
KINDS = {
    "norm": Kind(
        ("x",),
        ("eps",),
        ("weight", "bias"),
        {"embeddings.LayerNorm.": "E", "attention.LayerNorm.": "H", "full_layer_layer_norm.": "H"},
    ),
    "activation": Kind(("x",), (), (), {"ffn.activation.": "I"}),
    "attention": Kind(("query", "key", "value"), ("mask", "dropout_prob", "rng"), (), {"attention.": "D"}),
    "feed_forward": Kind(("x",), (), _FFN, {"ffn.": "H"}),
    "wiring": Kind(("x",), ("attention", "feed_forward", "norm_1", "norm_2"), (), {"": "H"}),
    "attention_branch": Kind(("x",), ("pattern", "p", "config", "rng"), (), {"attention.": "H"}, block=True),
    "layer": Kind(("x",), ("pattern", "p", "config", "rng"), (), {"": "H"}, block=True),
    "embeddings": Kind(("inputs",), ("p", "config", "rng"), (), {"embeddings.": "E"}, block=True),
}
_SEES_POSITIONS = {"attention", "attention_branch", "layer", "wiring"}


class Part:
    """A part of a student's: two functions, its parameters, and what is checked when it runs."""

    def __init__(self, name: str, given: object):
        if not isinstance(given, tuple | list) or len(given) not in (2, 3) or not all(map(callable, given[:2])):
            raise TypeError(f"{name}={given!r}: must be (forward, backward), or (forward, backward, parameters)")
        self.name, self.kind = name, KINDS[name]
        self.forward, self.backward = given[0], given[1]
        self.own = None if len(given) == 2 else _parameters(name, given[2])
        self.parameters = self.kind.default if self.own is None else tuple(self.own)
        takes = [*self.kind.arrays, *([] if self.kind.block else self.parameters), *self.kind.given]
        _check_signature(self._place(self.forward), self.forward, takes, self.own or {})
        back = ["dy", "cache", *["g"] * self.kind.block, *(self.kind.given if name == "wiring" else ())]
        _check_signature(self._place(self.backward), self.backward, back, {})

    def described(self) -> dict[str, Any]:
        """Return what config.json says of the part."""
        names = {"forward": _name(self.forward), "backward": _name(self.backward)}
        return names if self.own is None else {**names, "parameters": {n: list(p.shape) for n, p in self.own.items()}}

    def in_model(self) -> dict[str, Parameter]:
        """Return the own parameters under the names that they have in the embeddings and in a layer."""
        return {
            prefix + name: Parameter(tuple(width if size == "W" else size for size in parameter.shape), parameter.start)
            for prefix, width in self.kind.places.items()
            for name, parameter in (self.own or {}).items()
        }

    def gone(self) -> set[str]:
        """Return what own parameters take the place of."""
        if self.own is None:
            return set()
        prefixes = self.kind.places if self.name == "norm" else ("",)
        return {prefix + name for prefix in prefixes for name in self.kind.default} - self.in_model().keys()

    def run(self, arrays: Sequence[Array], p: Scope, *given: Any) -> tuple[Array, "Kept"]:
        """Call forward; ValueError or TypeError if it does not give y, like the first array, and a cache."""
        values = [*arrays, *(p[name] for name in self.parameters)]
        y, cache = self.pair_of(self.forward(*values, *given))
        self.check(self.forward, "y", y, arrays[0].shape, arrays[0].dtype)
        return y, Kept(self, cache, tuple(value.shape for value in values))

    def run_back(self, dy: Array, kept: "Kept", g: Scope, *given: Any) -> Sequence[Array]:
        """Call backward, add the gradients of the parameters, return those of the arrays; errors as of `run`."""
        result = self.backward(dy, kept.cache, *given)
        gradients = tuple(result) if isinstance(result, tuple | list) else (result,)
        names = [f"d{name}" for name in (*self.kind.arrays, *self.parameters)]
        if len(gradients) != len(names) or result is None:
            got = "None: is a `return` missing?" if result is None else f"{len(gradients)} gradients"
            raise ValueError(f"{self._place(self.backward)} returned {got}, expected {len(names)}: {', '.join(names)}")
        for name, gradient, shape in zip(names, gradients, kept.shapes, strict=True):
            self.check(self.backward, name, gradient, shape, dy.dtype)
        arrays = len(self.kind.arrays)
        for name, gradient in zip(self.parameters, gradients[arrays:], strict=True):
            g[name] += gradient
        return gradients[:arrays]

    def pair_of(self, result: object) -> tuple[Any, Any]:
        """Return y and cache; ValueError if forward returned anything else."""
        if isinstance(result, tuple | list) and len(result) == 2:
            return result[0], result[1]
        got = f"{len(result)} values" if isinstance(result, tuple | list) else f"one {type(result).__name__}"
        got = "None: is a `return` missing?" if result is None else got
        raise ValueError(f"{self._place(self.forward)} returned {got}, expected y and cache")

    def check(self, function: Function, name: str, value: Any, shape: tuple[int, ...], dtype: object) -> None:
        """Raise TypeError or ValueError unless a function's result has that shape and dtype."""
        where = f"{self._place(function)}: {name}"
        if not hasattr(value, "shape") or not hasattr(value, "dtype"):
            raise TypeError(f"{where} is a {type(value).__name__}, expected an array of shape {tuple(shape)}")
        if tuple(value.shape) != tuple(shape):
            raise ValueError(f"{where} has shape {tuple(value.shape)}, expected {tuple(shape)}")
        if value.dtype != dtype:
            raise TypeError(f"{where} is {value.dtype}, expected {dtype}, the type that it was given")

    def _place(self, function: Function) -> str:
        return f"swap({self.name}=…): {_name(function)}"


class Kept(NamedTuple):
    """What a part's forward leaves: backward takes from here which function to call, whatever is in force by then."""

    part: Part
    cache: Any
    shapes: tuple[tuple[int, ...], ...]  # of the arrays and the parameters


class KeptAttention(NamedTuple):
    kept: Kept
    query: Array  # (B, N, T, D)

    @property
    def dropped(self) -> Array:
        """The probabilities after dropout, if the cache has such a field."""
        return _field(self.kept, "dropped", "(B, N, T, T), the probabilities after dropout")


class KeptBlock(NamedTuple):
    kept: Kept

    @property
    def attention(self) -> Any:
        return _field(self.kept, "attention", "what layers.attention_branch_forward left")

    @property
    def heads(self) -> Any:
        return _field(self.kept, "heads", "what layers.heads_forward left")


class KeptWiring(NamedTuple):
    kept: Kept
    pattern: Pattern
    used: Mapping[str, list[Any]]  # what each of the four parts left, call by call

    @property
    def attention(self) -> Any:
        if len(self.used["attention"]) != 1:
            raise ValueError("output_attentions: swap(wiring=…) does not call attention once")
        return self.used["attention"][0]


class KeptBranch(NamedTuple):
    kept: Kept
    dropout: ops.DropoutCache


def _field(kept: Kept, name: str, what: str) -> Any:
    if not hasattr(kept.cache, name):
        raise ValueError(
            f"output_attentions: the cache of swap({kept.part.name}=…) has no field `{name}` ({what}) to show them from"
        )
    return getattr(kept.cache, name)


def _parameters(part: str, given: object) -> dict[str, Parameter]:
    if not isinstance(given, Mapping):
        raise TypeError(f"swap({part}=…): parameters are {given!r}, expected name → (shape, start)")
    sizes = (*SIZES, "W")
    found = {}
    for name, value in given.items():
        if not isinstance(name, str) or not all(word.isidentifier() for word in name.split(".")):
            raise ValueError(f"swap({part}=…): {name!r} is no name of a parameter")
        try:
            shape, start = value
            good = all(size in sizes if isinstance(size, str) else type(size) is int and size > 0 for size in shape)
            good = good and isinstance(shape, tuple | list) and (start is None or isinstance(start, int | float))
        except (TypeError, ValueError):
            good = False
        if not good:
            raise ValueError(
                f"swap({part}=…): parameter {name}={value!r}: must be (shape, start), a shape of whole numbers and "
                f"{', '.join(sizes)}, and a number to start from, or None for random ones"
            )
        found[name] = Parameter(tuple(shape), start)
    return found


def _check_signature(place: str, function: Function, takes: Sequence[str], named: Collection[str]) -> None:
    """Raise TypeError unless a function can be called with so many arguments, those of `named` under their names."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # built in, or elsewhere
        return
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = [parameter.name for parameter in signature.parameters.values() if parameter.kind in kinds]
    is_open = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in signature.parameters.values())
    try:
        signature.bind(*takes)
        pairs = zip(takes, found, strict=False)
        fits = is_open or all(wanted.replace(".", "_") == got for wanted, got in pairs if wanted in named)
    except TypeError:
        fits = False
    if not fits:
        wanted = ", ".join(name.replace(".", "_") for name in takes)
        raise TypeError(f"{place} must take ({wanted}), it takes {signature}")


def _name(function: Function) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


class Swap:
    """Parts that are in force, or not: leave the `with` block, or call `undo`, and all is as it was before.

    Entering again puts them in force again. Of two swaps of one part the later one counts.
    """

    def __init__(self, parts: Mapping[str, Part], schedule: tuple[int, ...] | None):
        self.parts, self.schedule = dict(parts), schedule

    def __enter__(self) -> Self:
        if self not in _swaps:
            _hold([*_swaps, self])
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()

    def undo(self) -> None:
        """Put back what these parts replaced."""
        _hold([one for one in _swaps if one is not self])

    def __repr__(self) -> str:
        parts = [f"{name}={_name(part.forward)}" for name, part in self.parts.items()]
        parts += [] if self.schedule is None else [f"schedule={self.schedule}"]
        return f"swap({', '.join(parts)}), {'in force' if self in _swaps else 'not in force'}"


_swaps: list[Swap] = []  # in force, the oldest first


def swap(
    *,
    norm: Pair | None = None,
    activation: Pair | None = None,
    attention: Pair | None = None,
    feed_forward: Pair | None = None,
    wiring: Pair | None = None,
    attention_branch: Pair | None = None,
    layer: Pair | None = None,
    embeddings: Pair | None = None,
    schedule: Sequence[int] | None = None,
) -> Swap:
    """Replace parts of ALBERT from now on, or inside a `with` block; what each may be, the module's text says.

    TypeError or ValueError, by the part's and the function's name, for what is no pair, a signature that does not fit,
    and parts that would not be used.
    """
    given = {
        "norm": norm,
        "activation": activation,
        "attention": attention,
        "feed_forward": feed_forward,
        "wiring": wiring,
        "attention_branch": attention_branch,
        "layer": layer,
        "embeddings": embeddings,
    }
    parts = {name: Part(name, pair) for name, pair in given.items() if pair is not None}
    if schedule is not None:
        groups = tuple(schedule)
        if not groups or any(type(group) is not int for group in groups) or set(groups) != set(range(max(groups) + 1)):
            raise ValueError(f"schedule={schedule!r}: must give each layer step its group, using all groups from 0")
    if not parts and schedule is None:
        raise ValueError(f"swap() replaces nothing: give one of {', '.join([*KINDS, 'schedule'])}")
    made = Swap(parts, None if schedule is None else groups)
    return made.__enter__()


def swap_back() -> None:
    """Put every part back: ALBERT is as it was."""
    _hold([])


def _hold(swaps: Sequence[Swap]) -> None:
    """Let these swaps, and no others, be in force; if they do not go together, all stays as it was."""
    parts = {name: part for one in swaps for name, part in one.parts.items()}
    schedule = next((one.schedule for one in reversed(swaps) if one.schedule is not None), None)
    _check_together(parts)
    functions = _functions(parts)
    for name, original in _ORIGINALS.items():
        setattr(layers, name, functions.get(name, original))
    _swaps[:] = swaps
    described: dict[str, Any] = {name: part.described() for name, part in sorted(parts.items())}
    if schedule is not None:
        described["schedule"] = list(schedule)
    change = Change(
        described,
        {name: parameter for part in parts.values() for name, parameter in part.in_model().items()},
        frozenset(name for part in parts.values() for name in part.gone()),
        schedule,
        not _SEES_POSITIONS.isdisjoint(parts),
    )
    put_in_force(change if swaps else None)


_ORIGINALS: dict[str, Any] = {"ops": ops} | {
    f"{block}_{way}": getattr(layers, f"{block}_{way}")
    for block in ("norm", "feed_forward_branch", "attention_branch", "layer", "embeddings")
    for way in ("forward", "backward")
}


def _check_together(parts: Mapping[str, Part]) -> None:
    """Raise ValueError for a part that nobody would call: its place is in another that is replaced too."""
    if {"activation", "feed_forward"} <= parts.keys():
        raise ValueError("activation= has its place in what feed_forward= replaces: apply it there")
    if {"layer", "wiring"} <= parts.keys():
        raise ValueError("layer= and wiring= have the same place: give one of them")
    own: dict[str, str] = {}
    for name, part in parts.items():
        for parameter in part.in_model():
            if own.setdefault(parameter, name) != name:
                raise ValueError(f"{own[parameter]}= and {name}= both have a parameter {parameter}: name one otherwise")
    replaced = {id(_ORIGINALS[f"{block}_{way}"]): f"{block}_{way}" for block in _blocks(parts) for way in WAYS}
    for name, part in parts.items():
        for function in (part.forward, part.backward):
            if part.kind.block and (found := _reached(function, replaced)):
                raise ValueError(
                    f"swap({name}=…): {_name(function)} uses {found} as it was before the swap: "
                    f"`from albert_np import layers`, and call layers.{found}"
                )


WAYS = ("forward", "backward")


def _blocks(parts: Mapping[str, Part]) -> list[str]:
    """Return the blocks of `layers` that these parts exchange."""
    inside = {"activation": "feed_forward_branch", "feed_forward": "feed_forward_branch", "wiring": "layer"}
    return list(dict.fromkeys(inside.get(name, name) for name in parts if name != "attention"))


def _reached(function: Any, wanted: Mapping[int, str], seen: set[int] | None = None) -> str:
    """Return the name of a wanted function that another uses by a name of its own file, or "" if there is none."""
    seen = set() if seen is None else seen
    code = getattr(function, "__code__", None)
    if code is None or id(function) in seen:
        return ""
    seen.add(id(function))
    used = [function.__globals__.get(name) for name in _names(code)]
    used += [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    for value in used:
        if id(value) in wanted and value is not function:
            return wanted[id(value)]
        is_near = isinstance(value, types.FunctionType) and value.__globals__ is function.__globals__
        if is_near and (found := _reached(value, wanted, seen)):
            return found
    return ""


def _names(code: types.CodeType) -> set[str]:
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*inner)


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


# What stands in `layers` while parts are in force: the same names, the same signatures.


def _functions(parts: Mapping[str, Part]) -> dict[str, Any]:
    functions: dict[str, Any] = {}
    if "norm" in parts:
        functions |= _norm(parts["norm"])
    if "feed_forward" in parts:
        functions |= _feed_forward(parts["feed_forward"])
    if "wiring" in parts:
        functions |= _wiring(parts["wiring"])
    for name in ("attention_branch", "layer", "embeddings"):
        if name in parts:
            functions |= _block(parts[name])
    inner: dict[str, Function] = {}
    if "activation" in parts:
        inner |= _activation(parts["activation"])
        functions |= _lending("feed_forward_branch", functions)
    if "attention" in parts:
        inner |= _attention(parts["attention"])
        functions |= _lending("attention_branch", functions)
    if inner:
        functions["ops"] = types.SimpleNamespace(**{**vars(ops), **inner})
    return functions


def _norm(part: Part) -> dict[str, Function]:
    """Return the trunk's pair; the MLM head, in `layers` too, has the LayerNorm that it always had."""

    def norm_forward(x: Array, p: Scope, config: AlbertConfig) -> Any:
        if p.prefix.endswith("predictions.LayerNorm."):
            return _ORIGINALS["norm_forward"](x, p, config)
        return part.run([x], p, config.layer_norm_eps)

    def norm_backward(dy: Array, cache: Kept | ops.LayerNormCache, g: Scope) -> Array:
        if not isinstance(cache, Kept):
            return _ORIGINALS["norm_backward"](dy, cache, g)
        return cache.part.run_back(dy, cache, g)[0]

    return {"norm_forward": norm_forward, "norm_backward": norm_backward}


def _feed_forward(part: Part) -> dict[str, Function]:
    prefix = "" if part.own is None else "ffn."

    def feed_forward_branch_forward(
        x: Array, p: Scope, config: AlbertConfig, rng: Generator | None = None
    ) -> tuple[Array, KeptBranch]:
        outer, kept = part.run([x], p.scope(prefix))
        y, dropout = ops.dropout_forward(outer, config.hidden_dropout_prob if config.ffn_output_dropout else 0.0, rng)
        return y, KeptBranch(kept, dropout)

    def feed_forward_branch_backward(dy: Array, cache: KeptBranch, g: Scope) -> Array:
        douter = ops.dropout_backward(dy, cache.dropout)
        return cache.kept.part.run_back(douter, cache.kept, g.scope(prefix))[0]

    return {
        "feed_forward_branch_forward": feed_forward_branch_forward,
        "feed_forward_branch_backward": feed_forward_branch_backward,
    }


def _wiring(part: Part) -> dict[str, Function]:
    """Return a layer's pair; it computes all rows and takes the wanted ones at the end."""

    def layer_forward(
        x: Array, pattern: Pattern, p: Scope, config: AlbertConfig, rng: Generator | None = None
    ) -> tuple[Array, KeptWiring]:
        whole = replace(pattern, wanted=None)
        used: dict[str, list[Any]] = {name: [] for name in part.kind.given}
        scopes = _scopes(p)
        ways: dict[str, Function] = {
            "attention": lambda h: layers.attention_branch_forward(h, whole, scopes["attention"], config, rng),
            "feed_forward": lambda h: layers.feed_forward_branch_forward(h, scopes["feed_forward"], config, rng),
            "norm_1": lambda h: layers.norm_forward(h, scopes["norm_1"], config),
            "norm_2": lambda h: layers.norm_forward(h, scopes["norm_2"], config),
        }

        def way(name: str) -> Function:
            def go(h: Array) -> Array:
                part.check(part.forward, f"the argument of {name}", h, x.shape, x.dtype)
                y, cache = ways[name](h)
                used[name].append(cache)
                result: Array = y
                return result

            return go

        y, kept = part.run([x], p, *map(way, part.kind.given))
        return pattern.gather(y), KeptWiring(kept, pattern, used)

    def layer_backward(dy: Array, cache: KeptWiring, g: Scope) -> Array:
        waiting = {name: list(caches) for name, caches in cache.used.items()}
        back: dict[str, Function] = {
            "attention": layers.attention_branch_backward,
            "feed_forward": layers.feed_forward_branch_backward,
            "norm_1": layers.norm_backward,
            "norm_2": layers.norm_backward,
        }
        scopes, owner = _scopes(g), cache.kept.part
        shape = cache.kept.shapes[0]

        def way(name: str) -> Function:
            def go(dh: Array) -> Array:
                owner.check(owner.backward, f"the argument of {name}", dh, shape, dy.dtype)
                if not waiting[name]:
                    raise ValueError(f"swap(wiring=…): {_name(owner.backward)} goes back through {name} too often")
                dx: Array = back[name](dh, waiting[name].pop(), scopes[name])
                return dx

            return go

        (dx,) = owner.run_back(cache.pattern.spread(dy), cache.kept, g, *map(way, owner.kind.given))
        if left := [name for name, caches in waiting.items() if caches]:
            raise ValueError(f"swap(wiring=…): {_name(owner.backward)} does not go back through {', '.join(left)}")
        return dx

    return {"layer_forward": layer_forward, "layer_backward": layer_backward}


def _scopes(scope: Scope) -> dict[str, Scope]:
    """Return where the parameters of a layer's four parts are."""
    return {
        "attention": scope.scope("attention."),
        "feed_forward": scope,
        "norm_1": scope.scope("attention.LayerNorm."),
        "norm_2": scope.scope("full_layer_layer_norm."),
    }


def _block(part: Part) -> dict[str, Function]:
    names = part.kind.given

    def forward(x: Any, *given: Any, **named: Any) -> tuple[Array, KeptBlock]:
        given = (*given, *(named.get(name) for name in names[len(given) :]))
        y, cache = part.pair_of(part.forward(x, *given))
        shape, dtype = _of_block(part.name, x, given)
        part.check(part.forward, "y", y, shape, dtype)
        return y, KeptBlock(Kept(part, cache, (_of_input(part.name, x, shape),)))

    def backward(dy: Array, cache: KeptBlock, g: Scope) -> Array:
        (_, own_cache, (shape,)) = cache.kept
        dx: Array = cache.kept.part.backward(dy, own_cache, g)
        cache.kept.part.check(cache.kept.part.backward, "dx", dx, shape, dy.dtype)
        return dx

    return {f"{part.name}_forward": forward, f"{part.name}_backward": backward}


def _of_block(name: str, x: Any, given: Sequence[Any]) -> tuple[tuple[int, ...], object]:
    """Return the shape and dtype that a block's y must have."""
    if name == "embeddings":
        rows = x.token_type_ids.shape if x.inputs_embeds is None else x.inputs_embeds.shape[:-1]
        weight = given[0]["word_embeddings.weight"]
        return (*rows, weight.shape[-1]), weight.dtype
    pattern: Pattern = given[0]
    return x.shape if pattern.wanted is None else (len(pattern.wanted), x.shape[-1]), x.dtype


def _of_input(name: str, x: Any, y_shape: tuple[int, ...]) -> tuple[int, ...]:
    return y_shape if name == "embeddings" else tuple(x.shape)


# An activation and an attention are ops, which see no scope: the branch around them lends them its own.

_lent = threading.local()


@contextmanager
def _lend(scope: Scope) -> Iterator[None]:
    before, _lent.scope = getattr(_lent, "scope", None), scope
    try:
        yield
    finally:
        _lent.scope = before


def _lending(block: str, functions: Mapping[str, Function]) -> dict[str, Function]:
    """Return a branch's pair as it stands, lending its scope to the ops inside."""
    inner_forward, inner_backward = (functions.get(f"{block}_{way}", _ORIGINALS[f"{block}_{way}"]) for way in WAYS)

    def forward(*given: Any, **named: Any) -> Any:
        with _lend(next(one for one in (*given, *named.values()) if isinstance(one, Scope))):
            return inner_forward(*given, **named)

    def backward(dy: Array, cache: Any, g: Scope) -> Any:
        with _lend(g):
            return inner_backward(dy, cache, g)

    return {f"{block}_forward": forward, f"{block}_backward": backward}


def _activation(part: Part) -> dict[str, Function]:
    """Return the trunk's pair; outside its branches, in the MLM head, an activation is what it always was."""

    def activation_forward(x: Array, name: str) -> tuple[Array, Kept | ops.ActivationCache]:
        scope = getattr(_lent, "scope", None)
        if scope is None:
            return ops.activation_forward(x, name)
        return part.run([x], scope.scope("ffn.activation."))

    def activation_backward(dy: Array, cache: Kept | ops.ActivationCache) -> Array:
        if not isinstance(cache, Kept):
            return ops.activation_backward(dy, cache)
        return cache.part.run_back(dy, cache, _lent.scope.scope("ffn.activation."))[0]

    return {"activation_forward": activation_forward, "activation_backward": activation_backward}


def _attention(part: Part) -> dict[str, Function]:
    def attention_forward(
        query: Array,
        key: Array,
        value: Array,
        mask: Array | None,
        dropout_prob: float = 0.0,
        rng: Generator | None = None,
    ) -> tuple[Array, KeptAttention]:
        context, kept = part.run([query, key, value], _lent.scope, mask, dropout_prob, rng)
        return context, KeptAttention(kept, query)

    def attention_backward(dcontext: Array, cache: KeptAttention) -> Sequence[Array]:
        return cache.kept.part.run_back(dcontext, cache.kept, _lent.scope)

    return {"attention_forward": attention_forward, "attention_backward": attention_backward}
