"""What all model classes share: the parameter arena, the modes, one pass through the trunk, loading and saving.

A model owns its parameters, their gradients and the cache of its last forward pass (`model.cache`, a tree of named
tuples). `out = model(…)`, then `model.backward()` adds d loss / d parameter into `model.grads`. The maths is in
`layers` and `heads`; a class calls its pairs.
"""

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from albert_np.backend import Array, Backend, backend_of, get_backend
from albert_np.checkpoints import Checkpoint, open_checkpoint, write_folder
from albert_np.config import AlbertConfig
from albert_np.layers import AlbertCache, AlbertInputs, Keep, albert_backward, albert_forward
from albert_np.model.inputs import check_inputs
from albert_np.model.loading import check_weights, fill, initialize, register_class
from albert_np.params import Layout, ParamStore, Shapes, albert_shapes, albert_spans, albert_ties

__all__ = ["RECOMPUTE", "AlbertBase", "require"]

RECOMPUTE = ("none", "layer")


class AlbertBase:
    """A trunk whose subclasses add heads: `head_shapes`, `forward` and `backward`.

    A class becomes known to `from_pretrained`, `convert` and all else that picks a class by being defined.
    """

    prefix: ClassVar[str] = "albert."  # of the trunk's names; heads stand beside it
    has_pooler: ClassVar[bool] = True
    ties: ClassVar[Mapping[str, str]] = {}
    forward: Callable[..., Any]
    backward: Callable[..., Array]

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if not cls.__name__.startswith("_"):
            register_class(cls)

    def __init__(self, config: AlbertConfig, dtype: Any = "float32", backend: str = "numpy", seed: int = 0):
        """Make a model with freshly initialised weights, in training mode.

        dtype: "float32" or "float64"; backend: "numpy" or "cupy"; seed: of the initial weights and the dropout masks.
        """
        if not _is_allowed(dtype):
            raise ValueError(f"dtype={dtype!r}: allowed are float32 and float64")
        self.config = config
        self.dtype = np.dtype(dtype)
        self.training = True
        self._recompute = "none"
        self.rng = np.random.default_rng(seed)
        self.layout = self.make_layout(config)
        device = get_backend(backend)
        host = ParamStore(self.layout, np.zeros(self.layout.size, self.dtype))
        initialize(host, config, self.rng)
        self._place(device.from_numpy(host.flat))

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        """Return name → shape of the parameters above the trunk."""
        return {}

    @classmethod
    def make_layout(cls, config: AlbertConfig) -> Layout:
        """Return where each parameter lies in the arena: the trunk's, then the heads'."""

        def prefixed(names: Mapping[str, Any]) -> dict[str, Any]:
            return {cls.prefix + name: value for name, value in names.items()}

        ties = {cls.prefix + alias: cls.prefix + name for alias, name in albert_ties(config).items()}
        spans = {cls.prefix + span: [cls.prefix + n for n in names] for span, names in albert_spans(config).items()}
        shapes = prefixed(albert_shapes(config, cls.has_pooler)) | cls.head_shapes(config)
        return Layout(shapes, {**ties, **cls.ties}, spans)

    @classmethod
    def parameter_shapes(cls, config: AlbertConfig) -> Shapes:
        """Return name → shape of every stored parameter, without making the model."""
        return cls.make_layout(config).shapes

    def _place(self, flat: Array) -> None:
        self.params = ParamStore(self.layout, flat)
        self.grads = self.params.zeros_like()
        self.cache: Any = None

    @property
    def backend(self) -> Backend:
        """The array library that the weights belong to."""
        return backend_of(self.params.flat)

    def to(self, backend: str) -> Self:
        """Move the weights to another backend; gradients start again at zero. Returns the model."""
        self._place(get_backend(backend).from_numpy(self.backend.to_numpy(self.params.flat)))
        return self

    def resize_token_embeddings(self, vocab_size: int) -> Self:
        """Make room for `vocab_size` pieces: new rows are initialised as in a new model, or the last ones cut off.

        Gradients start again at zero, and an optimizer must be made anew. The config becomes a changed copy. Returns
        the model; ValueError where a special token that the configuration names would be cut off.
        """
        for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
            if (getattr(self.config, name) or 0) >= vocab_size:
                raise ValueError(f"vocab_size={vocab_size} would cut off {name}={getattr(self.config, name)}")
        config = replace(self.config, vocab_size=vocab_size)
        resized = type(self)(config, dtype=self.dtype, seed=int(self.rng.integers(2**63)))
        old = ParamStore(self.layout, self.backend.to_numpy(self.params.flat))
        for name, weight in old.items():
            rows = min(len(weight), len(resized.params[name]))
            resized.params[name][:rows] = weight[:rows]
        self.config, self.layout = config, resized.layout
        self._place(self.backend.from_numpy(resized.params.flat))
        return self

    def replica(self) -> Self:
        """Return a model that shares this one's weights and has gradients, cache and random stream of its own."""
        other = copy.copy(self)
        other.grads = self.params.zeros_like()
        other.rng = copy.deepcopy(self.rng)
        return other

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "cache": None}  # a copy, or what is pickled, starts without a forward pass

    def train(self) -> Self:
        """Switch dropout on. Returns the model."""
        self.training = True
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
        self._recompute = what

    def zero_grad(self) -> None:
        """Set all gradients to zero; `backward` only ever adds."""
        self.grads.flat.fill(0)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.layout.size:,} parameters, {self.dtype}, {self.backend.name})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    # One pass: what every `forward` and `backward` begins or ends with.

    def _inputs(self, input_ids: Any, *others: Any) -> AlbertInputs:
        """Check what a call was given: the arguments of `check_inputs` from input_ids on, in its order."""
        return check_inputs(self.config, self.backend, self.dtype, input_ids, *others)

    def _dropout_rng(self) -> Any | None:
        """Return a generator on the device for one pass's dropout masks, seeded from `self.rng`; None in eval mode."""
        return self.backend.generator(int(self.rng.integers(2**63))) if self.training else None

    def _trunk(
        self, inputs: AlbertInputs, rng: Any | None, grad: bool, hidden_states: bool, attentions: bool
    ) -> tuple[Array, Array | None, AlbertCache]:
        self.cache = None  # frees the last pass's memory before this one needs it
        keep: Keep = "inputs" if grad or hidden_states else "nothing"
        if attentions or (grad and self.recompute == "none"):
            keep = "caches"
        return albert_forward(inputs, self.params.scope(self.prefix), self.config, rng, keep)

    def _last_pass(self) -> Any:
        if self.cache is None:
            raise RuntimeError("backward needs a forward pass before it, one made with grad=True")
        return self.cache

    def _upstream(self, name: str, value: Any, shape: tuple[int, ...]) -> Array:
        """Return an upstream gradient as an array of the model's backend and dtype; zeros where none is given."""
        if value is None:
            return self.backend.xp.zeros(shape, dtype=self.dtype)
        value = value if isinstance(value, self.backend.array_type) else self.backend.from_numpy(np.asarray(value))
        if value.shape != shape:
            raise ValueError(f"the gradient of {name} must have shape {shape}, got {tuple(value.shape)}")
        return value.astype(self.dtype, copy=False)

    def _trunk_backward(self, dsequence: Array, dpooled: Array | None, cache: AlbertCache) -> Array:
        return albert_backward(dsequence, dpooled, cache, self.grads.scope(self.prefix))

    # Loading and saving.

    @classmethod
    def from_pretrained(
        cls, source: str | Path, dtype: Any = "float32", backend: str = "numpy", seed: int = 0, **changes: Any
    ) -> Self:
        """Load a model, in eval mode, from all that `checkpoints.open_checkpoint` opens.

        source: a Hugging Face folder, a TensorFlow checkpoint, or a name on the model hub. changes: fields of the
        config to set otherwise, such as num_labels=3. Weights of a head that the source lacks are initialised from
        `seed`, with a warning that names them; another warns of values that the weights cannot contradict.
        ValueError lists the names and shapes in which config and weights disagree.
        """
        return cls.from_checkpoint(open_checkpoint(source), dtype, backend, seed, **changes)

    @classmethod
    def from_checkpoint(
        cls, checkpoint: Checkpoint, dtype: Any = "float32", backend: str = "numpy", seed: int = 0, **changes: Any
    ) -> Self:
        """Load an opened checkpoint; everything else as in `from_pretrained`."""
        if "num_labels" in changes:
            changes = {"id2label": None, **changes}
        config = replace(checkpoint.config, **changes)
        new = check_weights(cls, config, checkpoint)  # before anything of the config's sizes is made
        model = cls(config, dtype=dtype, backend="numpy", seed=seed)
        fill(model, checkpoint)
        if new:
            warnings.warn(f"not in {checkpoint.source}, so newly initialised: {', '.join(new)}", stacklevel=3)
        for remark in (*checkpoint.remarks, *config.doubts()):
            warnings.warn(f"{checkpoint.source}: {remark}", stacklevel=3)
        return model.to(backend).eval()

    def save_pretrained(self, folder: str | Path, dtype: str | None = None, max_shard_bytes: int | None = None) -> None:
        """Write config.json and model.safetensors as Hugging Face reads them; what `sharing` ties is written out.

        dtype: "float64", "float32", "float16" or "bfloat16", the model's own by default. max_shard_bytes: cut the
        weights into files of that size at most, with an index.
        """
        host = ParamStore(self.layout, self.backend.to_numpy(self.params.flat))
        aliases = [alias for alias in self.layout.ties if alias not in self.ties]
        weights = {name: host[name] for name in [*host, *aliases]}
        write_folder(folder, self.config, type(self).__name__, weights, dtype, max_shard_bytes)


def _is_allowed(dtype: Any) -> bool:
    try:
        return np.dtype(dtype).name in ("float32", "float64")
    except TypeError:
        return False


def require(cache: Any, name: str) -> Any:
    """Return `cache`; ValueError if the forward pass left none for the output that backward is to start from."""
    if cache is None:
        raise ValueError(f"backward from {name}: the last forward pass did not compute it; a loss needs its labels")
    return cache
