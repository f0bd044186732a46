"""What all model classes share: the parameter arena, the trunk of the network, loading and saving."""

import copy
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from albert_np.backend import Array, array_module, backend_of, get_backend
from albert_np.checkpoints import Checkpoint, open_checkpoint
from albert_np.checkpoints.huggingface import write_folder
from albert_np.config import AlbertConfig
from albert_np.execution.pattern import Packing, put_rows, take_rows, unpack
from albert_np.execution.row_blocks import keep_freed_memory
from albert_np.layers import (
    EmbeddingsCache,
    EncoderCache,
    LayerCache,
    PackedHeadsCache,
    PoolerCache,
    Shapes,
    albert_shapes,
    albert_spans,
    albert_ties,
    embeddings_backward,
    embeddings_forward,
    encoder_backward,
    encoder_forward,
    pooler_backward,
    pooler_forward,
)
from albert_np.model.inputs import check_inputs, check_labels
from albert_np.ops import IGNORE_INDEX, AttentionCache
from albert_np.params import Layout, ParamStore

__all__ = ["RECOMPUTE", "AlbertBase", "AlbertCache", "looked_at", "named_inputs", "require", "sum_of"]


RECOMPUTE = ("none", "layer")


class AlbertCache(NamedTuple):
    packing: Packing | None  # where padding was skipped
    embeddings: EmbeddingsCache
    encoder: EncoderCache
    places: Array | None  # of the encoder's results in the flattened batch, where they are not simply all
    sequence_output: Array  # (B, T, H), zero in all other places
    pooler: PoolerCache | None


class AlbertBase:
    """A trunk whose subclasses add heads: `head_shapes`, `forward` and `backward`."""

    prefix: ClassVar[str] = "albert."  # of the trunk's names; heads stand beside it
    ties: ClassVar[Mapping[str, str]] = {}

    def __init__(self, config: AlbertConfig, dtype: Any = "float32", backend: str = "numpy", seed: int = 0):
        """Make a model with freshly initialised weights, in training mode.

        dtype: "float32" or "float64"; backend: "numpy" or "cupy"; seed: of the initial weights and the dropout masks.
        """
        if np.dtype(dtype).name not in ("float32", "float64"):
            raise ValueError(f"dtype={dtype!r}: allowed are float32 and float64")
        self.config = config
        self.dtype = np.dtype(dtype)
        self.training = True
        self._recompute = "none"
        self.rng = np.random.default_rng(seed)
        self.cache: Any = None
        self.layout = self._make_layout(config)
        if backend == "numpy":
            keep_freed_memory()
        host = ParamStore(self.layout, np.zeros(self.layout.size, self.dtype))
        _initialize(host, config, self.rng)
        self._place(get_backend(backend).from_numpy(host.flat))

    @classmethod
    def _make_layout(cls, config: AlbertConfig) -> Layout:
        def prefixed(names: Mapping[str, Any]) -> dict[str, Any]:
            return {cls.prefix + name: value for name, value in names.items()}

        ties = {cls.prefix + alias: cls.prefix + name for alias, name in albert_ties(config).items()}
        spans = {cls.prefix + span: [cls.prefix + n for n in names] for span, names in albert_spans(config).items()}
        shapes = prefixed(albert_shapes(config, pooler=cls._has_pooler())) | cls.head_shapes(config)
        return Layout(shapes, {**ties, **cls.ties}, spans)

    @classmethod
    def _has_pooler(cls) -> bool:
        return True

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        """Return name → shape of the parameters above the trunk."""
        return {}

    @classmethod
    def parameter_shapes(cls, config: AlbertConfig) -> Shapes:
        """Return name → shape of every stored parameter, without making the model."""
        return cls._make_layout(config).shapes

    def _place(self, flat: Array) -> None:
        self.params = ParamStore(self.layout, flat)
        self.grads = self.params.zeros_like()
        self.backend = backend_of(flat)
        self.cache = None

    def to(self, backend: str) -> Self:
        """Move the weights to another backend; gradients start again at zero. Returns the model."""
        self._place(get_backend(backend).from_numpy(self.backend.to_numpy(self.params.flat)))
        return self

    def resize_token_embeddings(self, vocab_size: int) -> Self:
        """Make room for `vocab_size` pieces: new rows are initialised as in a new model, or the last ones cut off.

        Gradients start again at zero, and an optimizer must be made anew. The config becomes a changed copy. Returns
        the model; ValueError where a special token would be cut off.
        """
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
        other.cache = None
        return other

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
        return self.forward(*args, **kwargs)  # type: ignore[attr-defined]

    # The trunk: embeddings, encoder, pooler.

    def _dropout_rng(self) -> Any | None:
        """Return a generator on the device for one pass's dropout masks, seeded from `self.rng`; None in eval mode."""
        return self.backend.generator(int(self.rng.integers(2**63))) if self.training else None

    def _albert_forward(
        self,
        inputs: Mapping[str, Any],
        rng: Any | None,
        grad: bool,
        hidden_states: bool,
        attentions: bool,
        only: Any = None,
    ) -> tuple[Array, Array | None, AlbertCache]:
        """Run the trunk. only: labels (B, T), if the last step is to compute what is labelled, and [CLS], alone."""
        checked = check_inputs(self.config, self.backend, self.dtype, **inputs)
        p = self.params.scope(self.prefix)
        embedded, embeddings_cache = embeddings_forward(
            checked.input_ids,
            checked.token_type_ids,
            checked.position_ids,
            p.scope("embeddings."),
            self.config,
            rng,
            checked.inputs_embeds,
        )
        keep = grad or hidden_states or attentions
        recompute = self.recompute == "layer" and not attentions
        packing = checked.mask if isinstance(checked.mask, Packing) else None
        rows, places = None, None if packing is None else packing.rows
        if only is not None:
            rows, places = self._read_rows(only, checked.shape, places)
        encoded, encoder_cache = encoder_forward(embedded, checked.mask, p, self.config, rng, keep, recompute, rows)
        sequence_output = encoded if places is None else put_rows(encoded, places, checked.shape)
        pooled, pooler_cache = pooler_forward(sequence_output, p) if self._has_pooler() else (None, None)
        cache = AlbertCache(packing, embeddings_cache, encoder_cache, places, sequence_output, pooler_cache)
        return sequence_output, pooled, cache

    def _read_rows(self, labels: Any, shape: tuple[int, int], places: Array | None) -> tuple[Array, Array]:
        """Return which of the encoder's rows the pretraining heads read, and where these lie in the flattened batch."""
        labels = check_labels("labels", labels, shape, self.backend, self.config.vocab_size, "vocab_size")
        read = labels != IGNORE_INDEX
        read[:, 0] = True
        if places is None:
            rows = self.backend.xp.flatnonzero(read)
            return rows, rows
        rows = self.backend.xp.flatnonzero(read.ravel()[places])
        return rows, places[rows]

    def _albert_backward(self, dsequence: Array | None, dpooled: Array | None, cache: AlbertCache) -> Array:
        g = self.grads.scope(self.prefix)
        dy = self.backend.xp.zeros_like(cache.sequence_output) if dsequence is None else dsequence
        if dpooled is not None:
            dy = dy + pooler_backward(dpooled, require(cache.pooler, "pooler_output"), g)
        dencoded = dy if cache.places is None else take_rows(dy, cache.places, axes=2)
        dembedded = encoder_backward(dencoded, cache.encoder, g)
        return unpack(embeddings_backward(dembedded, cache.embeddings, g.scope("embeddings.")), cache.packing)

    def _start(self) -> None:
        self.cache = None  # frees the last pass's memory before the next pass needs it

    def _finish(self, cache: Any, grad: bool) -> None:
        self.cache = cache if grad else None

    def _last_cache(self) -> Any:
        if self.cache is None:
            raise RuntimeError("backward needs a forward pass before it, one made with grad=True")
        return self.cache

    def _upstream(self, name: str, value: Any, shape: tuple[int, ...]) -> Array | None:
        """Return an upstream gradient as an array of the model's backend and dtype, its shape checked."""
        if value is None:
            return None
        value = value if isinstance(value, self.backend.array_type) else self.backend.from_numpy(np.asarray(value))
        if value.shape != shape:
            raise ValueError(f"the gradient of {name} must have shape {shape}, got {tuple(value.shape)}")
        return value.astype(self.dtype, copy=False)

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
        new = cls._check(config, checkpoint)  # before anything of the config's sizes is made
        model = cls(config, dtype=dtype, backend="numpy", seed=seed)
        model._fill(checkpoint)
        if new:
            warnings.warn(f"not in {checkpoint.source}, so newly initialised: {', '.join(new)}", stacklevel=3)
        for remark in (*checkpoint.remarks, *config.doubts()):
            warnings.warn(f"{checkpoint.source}: {remark}", stacklevel=3)
        return model.to(backend).eval()

    @classmethod
    def _check(cls, config: AlbertConfig, checkpoint: Checkpoint) -> list[str]:
        """Return the names that a checkpoint lacks and may lack; ValueError if config and weights do not fit."""
        if config.num_hidden_groups * config.inner_group_num > len(checkpoint.weights):
            raise ValueError(
                f"the weights in {checkpoint.source} do not fit its config.json: {len(checkpoint.weights)} arrays for "
                f"{config.num_hidden_groups} groups of {config.inner_group_num} layers"
            )
        layout = cls._make_layout(config)
        slots = layout.slots
        named = {cls._own_name(name): array for name, array in checkpoint.weights.items()}
        unknown = sorted(n for n in named if n not in slots and not n.removeprefix("albert.").startswith(_OTHER_HEADS))
        wrong = sorted(
            f"{n} {a.shape} (expected {slots[n][1]})" for n, a in named.items() if n in slots and a.shape != slots[n][1]
        )
        found = {layout.ties.get(n, n) for n in named}
        missing = [n for n in layout.shapes if n not in found]
        heads = cls.head_shapes(config)
        problems = {
            "missing": [n for n in missing if n not in heads and "pooler." not in n],
            "unexpected": unknown,
            "of another shape": wrong,
        }
        if any(problems.values()):
            listed = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in problems.items() if names)
            raise ValueError(f"the weights in {checkpoint.source} do not fit its config.json: {listed}")
        return missing

    def _fill(self, checkpoint: Checkpoint) -> None:
        filled: set[str] = set()
        for given, array in checkpoint.weights.items():
            name = self._own_name(given)
            if name not in self.layout.slots:
                continue
            stored = self.layout.ties.get(name, name)
            if stored in filled and not np.array_equal(self.params[stored], array.astype(self.dtype)):
                raise ValueError(f"{checkpoint.source}: {name} differs from {stored}, to which sharing ties it")
            self.params[stored] = array
            filled.add(stored)

    @classmethod
    def _own_name(cls, name: str) -> str:
        """Return the name that a tensor of a bare `AlbertModel` or of a model with a head has in this class."""
        bare = name.removeprefix("albert.")
        is_trunk = bare.startswith(("embeddings.", "encoder.", "pooler."))
        return cls.prefix + bare if is_trunk else name

    def save_pretrained(self, folder: str | Path, dtype: str | None = None, max_shard_bytes: int | None = None) -> None:
        """Write config.json and model.safetensors as Hugging Face reads them; what `sharing` ties is written out.

        dtype: "float64", "float32", "float16" or "bfloat16", the model's own by default. max_shard_bytes: cut the
        weights into files of that size at most, with an index.
        """
        host = ParamStore(self.layout, self.backend.to_numpy(self.params.flat))
        aliases = [alias for alias in self.layout.ties if alias not in self.ties]
        weights = {name: host[name] for name in [*host, *aliases]}
        write_folder(folder, self.config, type(self).__name__, weights, dtype, max_shard_bytes)


_OTHER_HEADS = (
    *("predictions.", "sop_classifier.", "classifier.", "qa_outputs.", "pooler."),
    *("start_logits.", "end_logits.", "answer_class."),
)


def _initialize(params: ParamStore, config: AlbertConfig, rng: np.random.Generator) -> None:
    """Fill as Hugging Face does: matrices from N(0, initializer_range²); biases and the padding row 0; LayerNorms 1."""
    for name, weight in params.items():
        if name.endswith("bias"):
            weight[...] = 0
        elif weight.ndim == 1:
            weight[...] = 1
        else:
            weight[...] = config.initializer_range * rng.standard_normal(weight.shape, dtype=np.float32)
        if name.endswith("word_embeddings.weight") and config.pad_token_id is not None:
            weight[config.pad_token_id] = 0


def require(cache: Any, name: str) -> Any:
    """Return `cache`; ValueError if the forward pass left none for the output that a gradient was given for."""
    if cache is None:
        raise ValueError(f"a gradient of {name} was given, but the last forward pass did not compute it")
    return cache


def looked_at(
    cache: AlbertCache, output_hidden_states: bool, output_attentions: bool
) -> dict[str, tuple[Array, ...] | None]:
    """Return hidden states and attentions, read off the caches, where they were asked for."""
    steps, packing = cache.encoder.steps, cache.packing
    looked: dict[str, tuple[Array, ...] | None] = {"hidden_states": None, "attentions": None}
    if output_hidden_states:
        looked["hidden_states"] = (*(unpack(s.x, packing) for s in steps), cache.sequence_output)
    if output_attentions:
        looked["attentions"] = tuple(_probs(s.attention.attention) for s in steps if isinstance(s, LayerCache))
    return looked


def _probs(cache: AttentionCache | PackedHeadsCache) -> Array:
    """Return a step's attention probabilities after dropout, (B, N, T, T), zero in padding."""
    if isinstance(cache, AttentionCache):
        return cache.dropped
    first = cache.attention[0].dropped
    (B, T), N = cache.packing.shape, first.shape[1]
    probs = array_module(first).zeros((B * T, T, N), dtype=first.dtype)  # of each token to each place
    for run, part in zip(cache.packing.runs, cache.attention, strict=True):
        tokens = cache.packing.rows[run.rows].reshape(run.sequences, run.length)
        probs[tokens[:, :, None], tokens[:, None, :] % T] = part.dropped.transpose(0, 2, 3, 1)
    return probs.reshape(B, T, T, N).transpose(0, 3, 1, 2)


def named_inputs(
    input_ids: Any,
    attention_mask: Any,
    token_type_ids: Any,
    position_ids: Any,
    inputs_embeds: Any,
    skip_padding: bool,
) -> dict[str, Any]:
    """Return the trunk's arguments by name."""
    return {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "token_type_ids": token_type_ids,
        "position_ids": position_ids,
        "inputs_embeds": inputs_embeds,
        "skip_padding": skip_padding,
    }


def sum_of(a: Array | None, b: Array | None) -> Array | None:
    """Return a + b, where None stands for no gradient."""
    if a is None or b is None:
        return a if b is None else b
    return a + b
