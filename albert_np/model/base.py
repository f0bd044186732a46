"""What all model classes share: the parameter arena, the modes, one pass through the trunk, loading and saving.

A model owns its parameters, their gradients and the cache of its last forward pass (`model.cache`, a tree of named
tuples). `out = model(…)`, then `model.backward()` adds d loss / d parameter into `model.grads`. The maths is in
`layers` and `heads`; a class calls its pairs.
"""

import copy
import functools
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, NamedTuple, ParamSpec, Self, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

from albert_np.backend import Array, ArrayLike, Backend, backend_of, get_backend
from albert_np.changes import change_in_force, recorded, require_change, unchanged
from albert_np.checkpoints import Checkpoint, open_checkpoint, write_folder
from albert_np.config import AlbertConfig
from albert_np.execution import PRECISIONS, precision_of_products, weights_rounded_once
from albert_np.layers import AlbertCache, AlbertInputs, Keep, albert_backward, albert_forward
from albert_np.model.elsewhere import CALLED_ELSEWHERE, LOADED_ELSEWHERE, hint, refuse_foreign
from albert_np.model.inputs import as_array, check_inputs
from albert_np.model.loading import (
    OtherNames,
    check_config,
    check_state,
    check_weights,
    fill,
    initialize,
    initialize_changed,
    other_names,
    register_class,
    resized,
)
from albert_np.model.outputs import Looked, looked_at
from albert_np.params import Layout, ParamStore, Shapes, albert_shapes, albert_spans, albert_ties
from albert_np.schema import check_flag, check_whole

__all__ = ["RECOMPUTE", "AlbertBase", "in_own_precision", "require"]

RECOMPUTE = ("none", "layer")
P = ParamSpec("P")
T = TypeVar("T")


class Embeddings(NamedTuple):
    """The table of word embeddings, `weight` (V, E), a view of the model's; called with ids (…), it gives (…, E)."""

    weight: Array

    def __call__(self, input_ids: ArrayLike) -> Array:
        return self.weight[input_ids]


def _by_one_thread(
    backward: Callable[Concatenate["AlbertBase", P], Array],
) -> Callable[Concatenate["AlbertBase", P], Array]:
    """Return a backward pass that refuses to run beside another one of the same model: they would lose gradients."""

    @functools.wraps(backward)
    def guarded(self: "AlbertBase", /, *args: P.args, **kwargs: P.kwargs) -> Array:
        if self.__dict__.setdefault("_going_back", get_ident()) != get_ident():
            raise RuntimeError(f"another thread is in a backward pass of this model: {_REPLICAS}")
        try:
            return backward(self, *args, **kwargs)
        finally:
            self.__dict__.pop("_going_back", None)

    return guarded


def in_own_precision(run: Callable[Concatenate["AlbertBase", P], T]) -> Callable[Concatenate["AlbertBase", P], T]:
    """Return what a model computes, the first argument, with its products in the model's `precision`."""

    @functools.wraps(run)
    def precise(self: "AlbertBase", /, *args: P.args, **kwargs: P.kwargs) -> T:
        with precision_of_products(self.precision), weights_rounded_once():
            return run(self, *args, **kwargs)

    return precise


_REPLICAS = "give each thread a model.replica() of its own, and add up their grads"


class AlbertBase:
    """A trunk whose subclasses add heads: `head_shapes`, `forward` and `backward`.

    A class becomes known to `from_pretrained`, `convert` and all else that picks a class by being defined.
    """

    prefix: ClassVar[str] = "albert."  # of the trunk's names; heads stand beside it
    has_pooler: ClassVar[bool] = True
    params: ParamStore
    grads: ParamStore
    _shares_weights: bool = False  # with the model that this one is a replica of
    forward: Callable[..., Any]
    backward: Callable[..., Array]

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "forward" in cls.__dict__:
            cls.forward = in_own_precision(cls.__dict__["forward"])
        if "backward" in cls.__dict__:
            cls.backward = _by_one_thread(in_own_precision(cls.__dict__["backward"]))
        if not cls.__name__.startswith("_"):
            register_class(cls)

    def __init__(self, config: AlbertConfig, dtype: DTypeLike = "float32", backend: str = "numpy", seed: int = 0):
        """Make a model with freshly initialised weights, in training mode.

        dtype: "float32" or "float64"; backend: "numpy" or "cupy"; seed: of the initial weights and the dropout masks.
        """
        if not _is_allowed(dtype):
            raise ValueError(f"dtype={dtype!r}: allowed are float32 and float64, as strings")
        _own_config(config).check()
        extra = recorded(config.extra)
        if extra != config.extra:
            config = replace(config, extra=extra)
        self.config = config
        self.dtype = np.dtype(dtype)
        self.training = True
        self._recompute = "none"
        self._offload = "none"
        self._precision = "float32"
        try:
            self.rng = np.random.default_rng(seed)
        except (TypeError, ValueError) as error:
            raise ValueError(f"seed={seed!r:.80} must be a whole number of at least 0") from error
        self.layout = self.make_layout(config)
        device = get_backend(backend)
        host = ParamStore(self.layout, np.zeros(self.layout.size, self.dtype))
        if change_in_force() is None:
            initialize(host, config, self.rng)
        else:
            with unchanged():
                plain = self.make_layout(config)
            initialize_changed(host, plain, config, self.rng)
        self._place(device.from_numpy(host.flat))

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        """Return name → shape of the parameters above the trunk."""
        return {}

    @classmethod
    def head_ties(cls, config: AlbertConfig) -> Mapping[str, str]:
        """Return alias → name of stored parameters that the heads share."""
        return {}

    @classmethod
    def make_layout(cls, config: AlbertConfig) -> Layout:
        """Return where each parameter lies in the arena: the trunk's, then the heads'."""
        shapes = {cls.prefix + name: shape for name, shape in albert_shapes(config, cls.has_pooler).items()}
        ties = {cls.prefix + alias: cls.prefix + name for alias, name in albert_ties(config).items()}
        spans = {cls.prefix + span: [cls.prefix + n for n in names] for span, names in albert_spans(config).items()}
        return Layout({**shapes, **cls.head_shapes(config)}, {**ties, **cls.head_ties(config)}, spans)

    @classmethod
    def parameter_shapes(cls, config: AlbertConfig) -> Shapes:
        """Return name → shape of every stored parameter, without making the model."""
        recorded(config.extra)  # refuses a configuration that was made under another change
        return cls.make_layout(config).shapes

    def _place(self, flat: Array) -> None:
        if "params" in self.__dict__ and not self._shares_weights:
            self.params.abandoned = True
        self._shares_weights = False
        self.params = ParamStore(self.layout, flat)
        self.grads = self.params.zeros_like()
        self.cache = None

    @property
    def cache(self) -> Any:
        """What the last forward pass kept for `backward`, None if nothing; `backward` wants it from its own thread."""
        return self._cache

    @cache.setter
    def cache(self, cache: Any) -> None:
        self._cache, self._thread = cache, get_ident()

    @property
    def backend(self) -> Backend:
        """The array library that the weights belong to."""
        return backend_of(self.params.flat)

    def to(self, backend: str) -> Self:
        """Move the weights to another backend. Returns the model.

        There, gradients start again at zero, and an optimizer must be made anew. Where the model is there already,
        nothing changes.

        "cpu" and "cuda" stand for "numpy" and "cupy".
        """
        name = str(backend).partition(":")[0]
        device = get_backend({"cpu": "numpy", "cuda": "cupy"}.get(name, name))
        if device is not self.backend:
            self._place(device.from_numpy(self.backend.to_numpy(self.params.flat)))
        return self

    def resize_token_embeddings(
        self, vocab_size: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> Embeddings:
        """Make room for `vocab_size` pieces, or cut the last ones off.

        vocab_size: the present one by default; pad_to_multiple_of: rounds it up. New rows are drawn around the mean of
        the old ones, with a billionth of their covariance, as in Hugging Face since 4.46, so that new pieces are
        neither likelier nor less likely than the others; with mean_resizing=False, as in a new model. Gradients start
        again at zero, and an optimizer must be made anew. The config becomes a changed copy. Returns the new table, as
        `get_input_embeddings` does; ValueError where a special token that the configuration names would be cut off.
        """
        check_config(self)
        check_flag("mean_resizing", mean_resizing)
        size = check_whole("vocab_size", self.config.vocab_size if vocab_size is None else vocab_size, 1)
        if pad_to_multiple_of is not None:
            multiple = check_whole("pad_to_multiple_of", pad_to_multiple_of, 1)
            size = -(-size // multiple) * multiple
        for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
            if (getattr(self.config, name) or 0) >= size:
                raise ValueError(f"vocab_size={size} would cut off {name}={getattr(self.config, name)}")
        config = replace(self.config, vocab_size=size)
        new = type(self)(config, dtype=self.dtype, seed=int(self.rng.integers(2**63)))
        old = ParamStore(self.layout, self.backend.to_numpy(self.params.flat))
        for name, weight in old.items():
            new.params[name] = resized(weight, new.params[name], new.rng if mean_resizing else None)
        self.config, self.layout = config, new.layout
        self._place(self.backend.from_numpy(new.params.flat))
        return self.get_input_embeddings()

    def replica(self) -> Self:
        """Return a model that shares this one's weights and has gradients, cache and random stream of its own."""
        other = copy.copy(self)
        other._shares_weights = True
        other.grads = self.params.zeros_like()
        other.rng = copy.deepcopy(self.rng)
        return other

    def __getstate__(self) -> dict[str, object]:
        state = {**self.__dict__, "_cache": None}  # a copy, or what is pickled, starts without a forward pass
        state.pop("_going_back", None)
        return state

    if not TYPE_CHECKING:  # type checkers know all attributes there are

        def __getattr__(self, name: str) -> Any:
            names = self.__dict__["layout"].names if "layout" in self.__dict__ else ()
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{hint(name, names)}")

    def state_dict(self) -> dict[str, Array]:
        """Return name → array of every parameter, views of the model's, tied ones under each of their names."""
        return {name: self.params[name] for name in self.layout.names}

    def load_state_dict(self, state: Mapping[str, ArrayLike], strict: bool = True) -> OtherNames:
        """Copy numbers into the parameters; of tied names, one is enough.

        Returns the names that are `missing_keys` and `unexpected_keys`, both empty if `strict`. ValueError, before
        anything is written, lists what has another shape, differs from what it is tied to, and, if `strict`, is missing
        or unexpected.
        """
        check_flag("strict", strict)
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be a dict name → array, got a {type(state).__name__}")
        arrays = {name: as_array(name, value, self.backend) for name, value in state.items()}
        for name, array in check_state(self.layout, arrays, strict).items():
            is_own = isinstance(array, self.backend.array_type)
            self.params[name] = array if is_own else self.backend.from_numpy(array)
        return other_names(self.layout, arrays)

    def parameters(self) -> Iterator[Array]:
        """Go over the arrays of `params`, tied ones once."""
        return iter(self.params.values())

    def named_parameters(self) -> Iterator[tuple[str, Array]]:
        """Go over names and arrays of `params`, tied ones once."""
        return iter(self.params.items())

    def num_parameters(self) -> int:
        """Return how many numbers the parameters hold, tied ones counted once."""
        return self.layout.size

    def get_input_embeddings(self) -> Embeddings:
        """Return the table of word embeddings."""
        return Embeddings(self.params[f"{self.prefix}embeddings.word_embeddings.weight"])

    def train(self, mode: bool = True) -> Self:
        """Switch dropout on, or with False off. Returns the model; TypeError for a mode that is no bool."""
        self.training = check_flag("mode", mode)
        return self

    def eval(self) -> Self:
        """Switch dropout off. Returns the model."""
        self.training = False
        return self

    @property
    def recompute(self) -> str:
        """What a forward pass leaves to be computed again in the backward pass: "none" or "layer".

        "layer" keeps the input of each layer step alone (gradient checkpointing, Chen et al., 2016): the memory of
        about one step instead of all, for one more forward pass; the gradients are the same to the bit.
        """
        return self._recompute

    @recompute.setter
    def recompute(self, what: str) -> None:
        if what not in RECOMPUTE:
            raise ValueError(f"recompute={what!r}: allowed are {', '.join(RECOMPUTE)}")
        if what == "none":
            self._offload = "none"
        self._recompute = what

    @property
    def offload(self) -> str:
        """What a device hands to the memory of the host until the backward pass wants it back: "none" or "inputs".

        "inputs" are those of the layer steps that `recompute="layer"` keeps. It frees their memory for one copy of each
        out and one back; the gradients are the same to the bit. On CuPy the copies are made beside what is computed:
        the next input comes back during a step's backward pass. On NumPy, whose device is the host, nothing changes.
        """
        return self._offload

    @offload.setter
    def offload(self, what: str) -> None:
        if what not in ("none", "inputs"):
            raise ValueError(f"offload={what!r}: allowed are none, inputs")
        if what == "inputs" and self.recompute == "none":
            raise ValueError("offload='inputs' is of what recompute='layer' keeps: set that before")
        self._offload = what

    @property
    def precision(self) -> str:
        """What operands of matrix products are rounded to: "float32" (not at all), "tf32", "bfloat16" or "float16".

        Weights, sums and all else stay in float32. On a GPU the others are faster; on NumPy they are played, which
        takes longer: see `execution.rounded`. Training in float16 needs its loss scaled, see `training.LossScale`.

        In bfloat16 and float16 a pass rounds each weight once, and what it keeps for products with weights lies in 16
        bits: their inputs, in half the memory, and the weights, once more. In float32 stays what anything else reads:
        the weights themselves, the activation's input, query, key, value and probabilities of attention, normalised
        values, residuals (and so the inputs that `recompute` keeps), gradients. Such arrays in `cache` hold bfloat16
        as bits in uint16; `execution.widened` gives the numbers.
        """
        return self._precision

    @precision.setter
    def precision(self, precision: str) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision={precision!r}: allowed are {', '.join(PRECISIONS)}")
        if precision != "float32" and self.dtype != np.float32:
            raise ValueError(f"precision={precision!r} rounds float32, and this model computes in {self.dtype}")
        self._precision = precision

    def zero_grad(self) -> None:
        """Set all gradients to zero; `backward` only ever adds."""
        self.grads.flat.fill(0)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.layout.size:,} parameters, {self.dtype}, {self.backend.name})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        refuse_foreign(f"{type(self).__name__}'s call", kwargs, CALLED_ELSEWHERE)
        return self.forward(*args, **kwargs)

    # One pass: what every `forward` and `backward` begins or ends with.

    def _inputs(self, input_ids: ArrayLike | None, *others: Any) -> AlbertInputs:
        """Check what a call was given: the arguments of `check_inputs` from input_ids on, in its order."""
        return check_inputs(self.config, self.backend, self.dtype, input_ids, *others)

    def _dropout_rng(self) -> Generator | None:
        """Return a generator for one pass's dropout masks, seeded from `self.rng`; None in eval mode."""
        return np.random.default_rng(int(self.rng.integers(2**63))) if self.training else None

    def _albert_forward(
        self,
        inputs: AlbertInputs,
        rng: Generator | None,
        grad: bool,
        hidden_states: bool | None,
        attentions: bool | None,
    ) -> tuple[Array, Array | None, Looked, AlbertCache]:
        """Run `layers.albert_forward` with the model's weights; returns what it does, and what is shown of its cache.

        hidden_states, attentions: whether to show them; None stands for what the config says.
        """
        grad = check_flag("grad", grad)
        asked = self.config.output_hidden_states if hidden_states is None else hidden_states
        hidden_states = check_flag("output_hidden_states", asked)
        asked = self.config.output_attentions if attentions is None else attentions
        attentions = check_flag("output_attentions", asked)
        self._require_change()
        self.cache = None  # frees the last pass's memory before this one needs it
        keep: Keep = "inputs" if grad or hidden_states else "nothing"
        if attentions or (grad and self.recompute == "none"):
            keep = "caches and inputs" if hidden_states else "caches"
        elif grad and self.offload == "inputs" and not hidden_states:
            keep = "inputs on host"
        y, pooled, cache = albert_forward(inputs, self.params.scope(self.prefix), self.config, rng, keep)
        return y, pooled, looked_at(cache, hidden_states, attentions), cache

    def _last_pass(self) -> Any:
        if self.cache is None:
            raise RuntimeError("backward needs a forward pass before it, one made with grad=True")
        if self._thread != get_ident():
            raise RuntimeError(f"the last forward pass of this model was made by another thread: {_REPLICAS}")
        return self.cache

    def _upstream_of_loss(self, value: ArrayLike | None) -> float | None:
        """Return the upstream gradient of a loss, a number; None if it is None."""
        if value is None:
            return None
        array = as_array("the gradient of loss", value, self.backend)
        if array.dtype.kind not in "iuf":
            raise TypeError(f"the gradient of loss must be a number, got {value!r}")
        if array.ndim:
            raise ValueError(f"the gradient of loss must be a number without axes, got shape {tuple(array.shape)}")
        return float(array)

    def _upstream_or_zeros(self, name: str, value: ArrayLike | None, shape: tuple[int, ...]) -> Array:
        """Return an upstream gradient as an array of the model's backend and dtype; zeros where none is given."""
        if value is None:
            return self.backend.xp.zeros(shape, dtype=self.dtype)
        value = as_array(f"the gradient of {name}", value, self.backend)
        if value.dtype.kind not in "iuf":
            raise TypeError(f"the gradient of {name} must hold real numbers, got {value.dtype}")
        if value.shape != shape:
            raise ValueError(f"the gradient of {name} must have shape {shape}, got {tuple(value.shape)}")
        return self.backend.own(value).astype(self.dtype, copy=False)

    def _require_change(self) -> None:
        """Raise ValueError where other parts are in force than those that the model was made with."""
        require_change(self.config.extra, f"this {type(self).__name__}")

    def _albert_backward(self, dsequence: Array, dpooled: Array | None, cache: AlbertCache) -> Array:
        """Run `layers.albert_backward`, which adds into the model's gradients."""
        self._require_change()
        return albert_backward(dsequence, dpooled, cache, self.grads.scope(self.prefix))

    # Loading and saving.

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        dtype: DTypeLike = "float32",
        backend: str = "numpy",
        seed: int = 0,
        *,
        revision: str | None = None,
        config: AlbertConfig | None = None,
        ignore_mismatched_sizes: bool = False,
        **changes: Any,
    ) -> Self:
        """Load a model, in eval mode, from all that `checkpoints.open_checkpoint` opens.

        source: a Hugging Face folder, a TensorFlow checkpoint, or a name on the model hub, of which `revision` picks a
        branch, tag or commit. config: takes the place of the source's own. changes: fields of the config to set
        otherwise, such as num_labels=3. Weights that the source lacks, of a head or a pooler, are initialised from
        `seed`; so are those of another shape, if `ignore_mismatched_sizes` allows it. A warning names them, and what no
        class of model has; another warns of values that the weights cannot contradict. ValueError lists the names and
        shapes in which config and weights disagree otherwise; TypeError tells where arguments are that are Hugging
        Face's alone.
        """
        refuse_foreign("from_pretrained", changes, LOADED_ELSEWHERE)
        given = None if config is None else _own_config(config)
        checkpoint = open_checkpoint(source, revision)
        checkpoint = checkpoint._replace(config=given or checkpoint.config)
        return cls.from_checkpoint(
            checkpoint, dtype, backend, seed, ignore_mismatched_sizes=ignore_mismatched_sizes, **changes
        )

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: Checkpoint,
        dtype: DTypeLike = "float32",
        backend: str = "numpy",
        seed: int = 0,
        *,
        ignore_mismatched_sizes: bool = False,
        **changes: Any,
    ) -> Self:
        """Load an opened checkpoint; everything else as in `from_pretrained`."""
        get_backend(backend)  # before the weights are read
        check_flag("ignore_mismatched_sizes", ignore_mismatched_sizes)
        config = checkpoint.config.changed(**changes)
        remarks = check_weights(
            cls, config, checkpoint, ignore_mismatched_sizes
        )  # before anything of its sizes is made
        model = cls(config, dtype=dtype, backend="numpy", seed=seed)
        fill(model, checkpoint)
        for remark in (*remarks, *(f"{checkpoint.source}: {each}" for each in (*checkpoint.remarks, *config.doubts()))):
            warnings.warn(remark, stacklevel=3)
        return model.to(backend).eval()

    def save_pretrained(
        self,
        folder: str | Path,
        dtype: str | None = None,
        max_shard_bytes: int | None = None,
        max_shard_size: int | str | None = None,
    ) -> None:
        """Write config.json and model.safetensors as Hugging Face reads them; what `sharing` ties is written out.

        dtype: "float64", "float32", "float16" or "bfloat16", the model's own by default. max_shard_bytes: cut the
        weights into files of that size at most, with an index; max_shard_size says the same as in "200MB". ValueError
        where the config was changed so that the weights no longer fit it.
        """
        check_config(self)
        if max_shard_size is not None:
            max_shard_bytes = _bytes(max_shard_size)
        host = ParamStore(self.layout, self.backend.to_numpy(self.params.flat))
        tied = self.head_ties(self.config) if self.config.tie_word_embeddings else {}
        aliases = [alias for alias in self.layout.ties if alias not in tied]
        weights = {name: host[name] for name in [*host, *aliases]}
        write_folder(folder, self.config, type(self).__name__, weights, dtype, max_shard_bytes)


_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def _bytes(size: int | str) -> int:
    match = re.fullmatch(r"(\d+) ?([KMG]i?B)?", str(size), re.IGNORECASE)
    if match is None:
        raise ValueError(f"max_shard_size={size!r}: must be a number of bytes, or one with KB, MB, GB, KiB, MiB or GiB")
    return int(match[1]) * _UNITS[(match[2] or "").upper()]


def _own_config(config: object) -> AlbertConfig:
    if not isinstance(config, AlbertConfig):
        kind = type(config)
        given = f"{kind.__module__}.{kind.__qualname__}"
        raise TypeError(f"config must be an albert_np.AlbertConfig, got one of {given}")
    return config


def _is_allowed(dtype: DTypeLike) -> bool:
    if isinstance(dtype, str):  # "float" is float64 to NumPy and float32 to PyTorch
        return dtype in ("float32", "float64")
    try:
        return np.dtype(dtype).name in ("float32", "float64")
    except TypeError:
        return False


def require(cache: T | None, name: str) -> T:
    """Return `cache`; ValueError if the forward pass left none for the output that backward is to start from."""
    if cache is None:
        raise ValueError(f"backward from {name}: the last forward pass did not compute it; a loss needs its labels")
    return cache
