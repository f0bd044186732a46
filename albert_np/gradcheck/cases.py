"""The proof that `albert-np verify` runs: every op, every block, every class, against finite differences.

Cases are plain data, so that tests, notebooks and the command line prove the same things.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np

from albert_np import ops
from albert_np.backend import get_backend
from albert_np.config import SHARING, AlbertConfig
from albert_np.execution import Pattern, dense_pattern, packed_pattern
from albert_np.gradcheck.checks import Backward, Comparison, Forward, check_gradients, check_model, scattered
from albert_np.heads import (
    answer_class_backward,
    answer_class_forward,
    answer_loss_backward,
    answer_loss_forward,
    end_logits_backward,
    end_logits_forward,
    span_backward,
    span_forward,
    span_loss_backward,
    span_loss_forward,
    start_logits_backward,
    start_logits_forward,
)
from albert_np.layers import (
    AlbertInputs,
    attention_branch_backward,
    attention_branch_forward,
    classifier_backward,
    classifier_forward,
    embeddings_backward,
    embeddings_forward,
    encoder_backward,
    encoder_forward,
    feed_forward_branch_backward,
    feed_forward_branch_forward,
    layer_backward,
    layer_forward,
    mlm_backward,
    mlm_forward,
    mlm_loss_backward,
    mlm_loss_forward,
    pooler_backward,
    pooler_forward,
)
from albert_np.model import (
    AlbertBase,
    AlbertForMaskedLM,
    AlbertForMultipleChoice,
    AlbertForPreTraining,
    AlbertForQuestionAnswering,
    AlbertForQuestionAnsweringV2,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    AlbertModel,
)
from albert_np.params import Scope

__all__ = [
    "DROPOUT",
    "Case",
    "ModelCase",
    "block_cases",
    "check_case",
    "inputs_of",
    "model_cases",
    "op_cases",
    "randomize",
    "small_batch",
    "small_config",
    "squad2_case",
    "task_cases",
    "torch_cases",
]

B, T, H = 2, 5, 12  # of the cases
M = TypeVar("M", bound=AlbertBase)
BlockBackward = Callable[[Any, Any, Scope], Any]  # dy, cache, g → the gradients of the inputs


class Case(NamedTuple):
    """A forward and backward pair with arguments to check it at; see `gradcheck.check_gradients`."""

    name: str
    forward: Forward
    backward: Backward
    inputs: Mapping[str, np.ndarray]
    fixed: Mapping[str, object]


class ModelCase(NamedTuple):
    """A model, the arguments of its call, and the outputs that get an upstream gradient."""

    name: str
    model: AlbertBase
    inputs: Mapping[str, np.ndarray]
    outputs: tuple[str, ...]


def check_case(case: Case | ModelCase, seed: int = 0) -> list[Comparison]:
    """Check one case in float64 by finite differences."""
    if isinstance(case, ModelCase):
        return check_model(case.model, case.inputs, case.outputs, seed=seed)
    return check_gradients(case.forward, case.backward, case.inputs, fixed=case.fixed, seed=seed)


def op_cases(seed: int = 0) -> Iterator[Case]:
    """Every op of `ops`, with repeated ids, non-contiguous inputs and masks."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape[::-1]).T  # not contiguous

    ids = np.array([[3, 1, 3, 3, 0], [1, 1, 4, 0, 3]])
    for padding_idx in (None, 0):
        yield Case(
            f"embedding, padding_idx={padding_idx}",
            ops.embedding_forward,
            # with padding_idx the gradient is by definition not the derivative: its row is checked in the tests
            ops.embedding_backward,
            {"weight": normal(6, 4)},
            {"ids": ids if padding_idx is None else np.where(ids == 0, 5, ids), "padding_idx": padding_idx},
        )
    linear = {"x": normal(B, T, 4), "weight": normal(3, 4), "bias": normal(3)}
    yield Case("linear", ops.linear_forward, ops.linear_backward, linear, {})
    norm = {"x": 3 + 2 * normal(B, T, 7), "weight": normal(7), "bias": normal(7)}
    yield Case("layer_norm", ops.layer_norm_forward, ops.layer_norm_backward, norm, {"eps": 1e-12})
    for name in ops.ACTIVATIONS:
        x = np.where(abs(x := 2 * normal(T, 9)) < 1e-3, 1.0, x)  # relu has a kink at 0
        yield Case(name, ops.activation_forward, ops.activation_backward, {"x": x}, {"name": name})
    yield Case("softmax", ops.softmax_forward, ops.softmax_backward, {"x": 3 * normal(B, 2, 6)}, {})
    yield Case(
        "dropout",
        _with_fixed_masks(ops.dropout_forward),
        ops.dropout_backward,
        {"x": normal(4, 9)},
        {"prob": 0.4},
    )
    qkv = {"query": normal(B, 3, T, 4), "key": normal(B, 3, 6, 4), "value": normal(B, 3, 6, 4)}
    masks = {"no": None, "a": np.where(_masked(rng, (B, 1, 1, 6)), -1e9, 0.0)}
    for kind, mask in masks.items():
        yield Case(
            f"attention, {kind} mask, dropout",
            _with_fixed_masks(ops.attention_forward),
            ops.attention_backward,
            qkv,
            {"mask": mask, "dropout_prob": 0.3},
        )
    yield from _loss_cases(normal)
    yield Case("tanh, from its value", ops.tanh_forward, ops.tanh_backward, {"x": normal(T, 9)}, {})


def _loss_cases(normal: Callable[..., np.ndarray]) -> Iterator[Case]:
    """The losses, with and without a denominator of their own. normal: draws an array of a shape."""
    labels = np.array([2, -100, 0, 4, 4, -100])
    for denominator in (None, 11.0):
        yield Case(
            f"cross_entropy, denominator={denominator}",
            ops.cross_entropy_forward,
            ops.cross_entropy_backward,
            {"logits": 3 * normal(6, 5)},
            {"labels": labels, "denominator": denominator},
        )
    shares = np.array([[0.0, 2.0, 0.5], [0.0, 0.0, 0.0], [0.3, 0.1, 0.0]])
    for denominator in (None, 2.5):
        soft = (ops.soft_cross_entropy_forward, ops.soft_cross_entropy_backward)
        fixed = {"targets": shares, "denominator": denominator}
        yield Case(f"soft_cross_entropy, denominator={denominator}", *soft, {"logits": 3 * normal(3, 3)}, fixed)
    targets = np.array([[0.0, 1.0, 1.0], [0.3, 0.0, 1.0]])
    for denominator in (None, 4.0):
        fixed = {"labels": targets, "denominator": denominator}
        squared = (ops.mean_squared_error_forward, ops.mean_squared_error_backward)
        yield Case(f"mean_squared_error, denominator={denominator}", *squared, {"x": normal(2, 3)}, fixed)
        binary = (ops.binary_cross_entropy_forward, ops.binary_cross_entropy_backward)
        yield Case(f"binary_cross_entropy, denominator={denominator}", *binary, {"logits": 3 * normal(2, 3)}, fixed)


def _masked(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw which keys are hidden: never all, for beside a score of -1e9 no small difference shows."""
    masked = rng.random(shape) < 0.3
    return masked & ~masked.all(axis=-1, keepdims=True)


def _with_fixed_masks(forward: Forward) -> Forward:
    return lambda **kwargs: forward(**kwargs, rng=np.random.default_rng(5))


def small_config(**changes: Any) -> AlbertConfig:
    """Return a configuration in which every width differs, small enough for finite differences."""
    sizes = {
        "vocab_size": 23,
        "embedding_size": 6,
        "hidden_size": H,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 20,
        "max_position_embeddings": 9,
        "classifier_dropout_prob": 0.0,
    }
    return AlbertConfig(**{**sizes, **changes})


DROPOUT = {
    "hidden_dropout_prob": 0.2,
    "attention_probs_dropout_prob": 0.3,
    "classifier_dropout_prob": 0.2,
    "ffn_output_dropout": True,
}


def block_cases(seed: int = 0) -> Iterator[Case]:
    """Every block of `layers` and `heads`, without and with dropout, as a pure function of its input and weights."""
    for label, config in (("", small_config()), (", dropout", small_config(**DROPOUT))):
        for name, forward, backward, weights, x in _blocks(config, seed):
            yield _pure(name + label, forward, backward, weights, {"x": x})
        for name, forward, backward, weights, inputs in _answer_blocks(config, seed):
            yield _pure(name + label, forward, backward, weights, inputs)


def _blocks(
    config: AlbertConfig, seed: int
) -> list[tuple[str, Forward, BlockBackward, dict[str, np.ndarray], np.ndarray]]:
    """Return (name, forward of x, p and rng, backward, weights, x) of each block."""
    model = randomize(AlbertForPreTraining(config, dtype="float64"), seed)
    rng = np.random.default_rng(seed)
    x, embeds = rng.standard_normal((B, T, H)), rng.standard_normal((B, T, config.embedding_size))
    dense = dense_pattern(B, T, np.where(_masked(rng, (B, 1, 1, T)), np.finfo(np.float64).min, 0.0))
    types, positions = rng.integers(0, 2, (B, T)), np.arange(T)[None]
    labels = np.where(rng.random((B, T)) < 0.5, rng.integers(0, config.vocab_size, (B, T)), ops.IGNORE_INDEX)

    def weights(prefix: str, *without: str) -> dict[str, np.ndarray]:
        names = [name.removeprefix(prefix) for name in model.layout.slots if name.startswith(prefix)]
        return {name: model.params[prefix + name].copy() for name in names if not name.startswith(without)}

    def embeddings(x: np.ndarray, p: Scope, rng: np.random.Generator) -> tuple[np.ndarray, object]:
        return embeddings_forward(AlbertInputs(None, types, positions, x, dense), p, config, rng)

    def attending(forward: Forward, pattern: Pattern = dense, **options: str) -> Forward:
        return lambda x, p, rng: forward(x, pattern, p, config, rng, **options)

    real = np.arange(T) < np.array([[T], [T - 2]])
    numpy = get_backend("numpy")
    packed = packed_pattern(real, numpy)
    wanted = np.arange(T) % 2 == np.array([[0], [1]])

    def plain(forward: Forward) -> Forward:
        return lambda x, p, rng: forward(x, p, config, rng)

    layer = "albert.encoder.albert_layer_groups.0.albert_layers.0."
    single = ("query.", "key.", "value.")  # a block reads the three stacked
    attention = weights(layer + "attention.", *single)
    feed_forward = weights(layer, "attention.", "full_layer")
    in_layer = weights(layer, *("attention." + name for name in single))
    encoder = weights("albert.", "embeddings.", "pooler.", *(f"{layer}attention.{name}"[7:] for name in single))
    pooler, head = weights("albert.pooler."), weights("predictions.", "bias")
    packed_attention = attending(attention_branch_forward, packed), attention_branch_backward
    return [
        ("embeddings", embeddings, embeddings_backward, weights("albert.embeddings.", "word"), embeds),
        ("attention_branch", attending(attention_branch_forward), attention_branch_backward, attention, x),
        ("attention_branch of real tokens", *packed_attention, attention, x[real]),
        ("feed_forward_branch", plain(feed_forward_branch_forward), feed_forward_branch_backward, feed_forward, x),
        ("layer", attending(layer_forward), layer_backward, in_layer, x),
        ("layer of wanted rows", attending(layer_forward, dense.wanting(wanted, numpy)), layer_backward, in_layer, x),
        ("encoder", attending(encoder_forward), encoder_backward, encoder, embeds),
        ("encoder, recomputed", attending(encoder_forward, keep="inputs"), encoder_backward, encoder, embeds),
        ("pooler", lambda x, p, rng: pooler_forward(x, p), pooler_backward, pooler, x),
        ("mlm", lambda x, p, rng: mlm_forward(x, p, config), mlm_backward, head, x[0]),
        ("mlm_loss", lambda x, p, rng: mlm_loss_forward(x, labels, p, config), mlm_loss_backward, head, x),
        ("classifier", plain(classifier_forward), classifier_backward, weights("sop_classifier."), x[:, 0]),
    ]


def _answer_blocks(
    config: AlbertConfig, seed: int
) -> list[tuple[str, Forward, BlockBackward, dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """Return (name, forward of the inputs, p and rng, backward, weights, inputs) of the parts of answering heads."""
    model = randomize(AlbertForQuestionAnsweringV2(config, dtype="float64"), seed)
    rng = np.random.default_rng(seed)
    x, logits, ends, cls = (rng.standard_normal(shape) for shape in ((B, T, H), (B, T), (B, T), B))
    allowed = np.array([[True, False, True, True, True], [True, True, True, False, False]])
    starts = np.array([[2, 4, 2], [0, 1, 2]])  # one of them twice
    labels = (np.array([2, 0]), np.array([4, 0]), np.array([0.0, 1.0]))

    def weights(prefix: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(prefix): w.copy() for name, w in model.params.items() if name.startswith(prefix)}

    def start_logits(x: np.ndarray, p: Scope, rng: np.random.Generator) -> tuple[np.ndarray, object]:
        y, cache = start_logits_forward(x, allowed, p)
        return y * allowed, cache  # beside -1e30 no difference would show

    def end_logits(x: np.ndarray, p: Scope, rng: np.random.Generator) -> tuple[np.ndarray, object]:
        y, cache = end_logits_forward(x, starts, allowed, p, config)
        return y * allowed[:, None], cache

    def answer_class(
        x: np.ndarray, logits: np.ndarray, p: Scope, rng: np.random.Generator
    ) -> tuple[np.ndarray, object]:
        return answer_class_forward(x, logits, p, config, rng)

    def span_loss(start: np.ndarray, end: np.ndarray, p: Scope, rng: np.random.Generator) -> tuple[np.ndarray, object]:
        return span_loss_forward(start, end, np.array([2, T]), np.array([4, 0]), 3.0)

    def span(x: np.ndarray, p: Scope, rng: np.random.Generator) -> tuple[np.ndarray, object]:
        start, end, cache = span_forward(x, dense_pattern(B, T), p)
        return np.stack([start, end]), cache  # (2, B, T)

    span_weights = {"qa_outputs.weight": rng.standard_normal((2, H)), "qa_outputs.bias": rng.standard_normal(2)}
    return [
        ("span", span, lambda d, cache, g: span_backward(d[0], d[1], cache, g), span_weights, {"x": x}),
        ("span_loss", span_loss, lambda d, cache, g: span_loss_backward(d, cache), {}, {"start": logits, "end": ends}),
        ("start_logits", start_logits, start_logits_backward, weights("start_logits."), {"x": x}),
        ("end_logits", end_logits, end_logits_backward, weights("end_logits."), {"x": x}),
        ("answer_class", answer_class, answer_class_backward, weights("answer_class."), {"x": x, "logits": logits}),
        (
            "answer_loss",
            lambda start, end, cls, p, rng: answer_loss_forward(start, end, cls, *labels, denominator=7.0),
            lambda dloss, cache, g: answer_loss_backward(dloss, cache),
            {},
            {"start": logits, "end": ends, "cls": cls},
        ),
    ]


def _pure(
    name: str, forward: Forward, backward: BlockBackward, weights: dict[str, np.ndarray], inputs: dict[str, np.ndarray]
) -> Case:
    """Turn a block, which reads one scope and adds into another, into a function of its inputs and weights."""

    def pure_forward(**arrays: np.ndarray) -> tuple[np.ndarray, object]:
        p = Scope({n: arrays[n] for n in weights}, "")
        return forward(*(arrays[n] for n in inputs), p, np.random.default_rng(5))

    def pure_backward(dy: np.ndarray, cache: object) -> tuple[np.ndarray, ...]:
        g = {n: np.zeros_like(weight) for n, weight in weights.items()}
        dinputs = backward(dy, cache, Scope(g, ""))
        return *(dinputs if isinstance(dinputs, tuple) else (dinputs,)), *g.values()

    return Case(name, pure_forward, pure_backward, {**inputs, **weights}, {})


def randomize(model: M, seed: int = 0, scale: float = 0.5) -> M:
    """Give every parameter, biases too, values without a pattern, so that no zero hides a bug. Returns the model."""
    start = 1 + 1_000_000 * seed
    for name, weight in model.params.items():
        values = scale * scattered(weight.shape, start) + ("orm.weight" in name)
        weight[...] = model.backend.from_numpy(values.astype(model.dtype))
        start += values.size
    return model


def small_batch(config: AlbertConfig, seed: int = 0, batch: int = 3, positions: int = 7) -> dict[str, np.ndarray]:
    """Return random pretraining inputs with ragged padding and repeated ids, without token 0 (padding) in the text."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, positions + 1, batch)
    lengths[0] = positions
    real = np.arange(positions) < lengths[:, None]
    ids = rng.integers(1, config.vocab_size, (batch, positions))
    labels = np.where(real & (rng.random(ids.shape) < 0.4), rng.integers(0, config.vocab_size, ids.shape), -100)
    labels[0, 1] = 3
    return {
        "input_ids": np.where(real, ids, config.pad_token_id or 0),
        "attention_mask": real.astype(np.int64),
        "token_type_ids": rng.integers(0, 2, ids.shape),
        "labels": labels,
        "sentence_order_label": rng.integers(0, 2, batch),
    }


MODEL_SHAPES: dict[str, dict[str, Any]] = {
    "one group": {},
    "2 groups": {"num_hidden_layers": 4, "num_hidden_groups": 2},
    "3 groups, 2 inner": {"num_hidden_layers": 3, "num_hidden_groups": 3, "inner_group_num": 2},
    "gelu": {"hidden_act": "gelu"},
    "dropout": DROPOUT,
    **{f"sharing {mode}": {"num_hidden_layers": 3, "sharing": mode} for mode in SHARING},
}


def model_cases(seed: int = 0) -> Iterator[ModelCase]:
    """The bare model and those of pretraining in every way of sharing, all others without and with dropout."""
    for label, changes in MODEL_SHAPES.items():
        # The padding row's own gradient is by definition not the derivative (see embedding_forward): switch it off.
        config = small_config(pad_token_id=None, **changes)
        batch = small_batch(config, seed)
        trunk = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
        embeds = np.random.default_rng(seed).standard_normal((*trunk["input_ids"].shape, config.embedding_size))
        masked = {**trunk, "labels": batch["labels"]}

        def model(cls: type[M], config: AlbertConfig = config) -> M:
            return randomize(cls(config, dtype="float64", seed=seed), seed)

        yield ModelCase(f"AlbertModel, {label}", model(AlbertModel), trunk, ("last_hidden_state", "pooler_output"))
        yield ModelCase(f"AlbertForPreTraining, {label}", model(AlbertForPreTraining), batch, ("loss",))
        yield ModelCase(f"AlbertForMaskedLM, {label}", model(AlbertForMaskedLM), masked, ("loss",))
        if label == "one group":
            outputs = ("prediction_logits", "sop_logits", "loss", "pooler_output")
            yield ModelCase("AlbertForPreTraining, all outputs", model(AlbertForPreTraining), batch, outputs)
            given = {**{k: v for k, v in trunk.items() if k != "input_ids"}, "inputs_embeds": embeds}
            yield ModelCase("AlbertModel, inputs_embeds", model(AlbertModel), given, ("last_hidden_state",))
    dropouts: dict[str, dict[str, Any]] = {"": {}, ", dropout": DROPOUT}
    for label, changes in dropouts.items():
        for name, task_model, inputs in task_cases(seed=seed, pad_token_id=None, **changes):
            yield ModelCase(name + label, task_model, inputs, ("loss",))
        name, task_model, inputs = squad2_case(seed=seed, pad_token_id=None, **changes)
        yield ModelCase(name + label, task_model, inputs, ("loss",))


Labels = Callable[[np.random.Generator, int, int], dict[str, np.ndarray]]  # of (rng, B, T)
TASKS: dict[str, tuple[type[AlbertBase], dict[str, Any], Labels]] = {
    "regression": (
        AlbertForSequenceClassification,
        {"num_labels": 1},
        lambda rng, B, T: {"labels": rng.standard_normal(B)},
    ),
    "regression of 3": (
        AlbertForSequenceClassification,
        {"num_labels": 3, "problem_type": "regression"},
        lambda rng, B, T: {"labels": rng.standard_normal((B, 3))},
    ),
    "single label": (
        AlbertForSequenceClassification,
        {"num_labels": 4},
        lambda rng, B, T: {"labels": rng.integers(0, 4, B)},
    ),
    "multi label": (
        AlbertForSequenceClassification,
        {"num_labels": 3},
        lambda rng, B, T: {"labels": rng.integers(0, 2, (B, 3)).astype(np.float64)},
    ),
    "tokens": (
        AlbertForTokenClassification,
        {"num_labels": 5},
        lambda rng, B, T: {"labels": np.where(rng.random((B, T)) < 0.7, rng.integers(0, 5, (B, T)), -100)},
    ),
    "answers": (
        AlbertForQuestionAnswering,
        {},
        lambda rng, B, T: {"start_positions": np.array([1, T + 3, -2]), "end_positions": np.array([T, 3, 1])},
    ),
    "choices": (AlbertForMultipleChoice, {}, lambda rng, B, T: {"labels": rng.integers(0, 2, B)}),
}


def task_cases(
    dtype: str = "float64", seed: int = 0, **changes: Any
) -> Iterator[tuple[str, AlbertBase, dict[str, np.ndarray]]]:
    """Return (name, model, inputs) of every class of fine-tuning and every kind of problem."""
    rng = np.random.default_rng(seed)
    for task, (cls, settings, labels) in TASKS.items():
        config = small_config(**{**settings, **changes})
        model = randomize(cls(config, dtype=dtype, seed=seed), seed, 0.3)
        choices = cls is AlbertForMultipleChoice
        batch = small_batch(config, seed, batch=6 if choices else 3)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
        if choices:
            inputs = {name: array.reshape(3, 2, -1) for name, array in inputs.items()}
        yield f"{cls.__name__}, {task}", model, inputs | labels(rng, 3, batch["input_ids"].shape[1])


def squad2_case(dtype: str = "float64", seed: int = 0, **changes: Any) -> tuple[str, AlbertBase, dict[str, np.ndarray]]:
    """Return (name, model, inputs) of the class for SQuAD 2: one answer after a question, no answer, another one."""
    config = small_config(**changes)
    model = randomize(AlbertForQuestionAnsweringV2(config, dtype=dtype, seed=seed), seed, 0.3)
    batch = small_batch(config, seed)
    real = batch["attention_mask"]
    p_mask = 1 - real
    p_mask[0, 1] = 1
    labels = {
        "p_mask": p_mask,
        "start_positions": np.array([2, 0, 1]),
        "end_positions": np.array([4, 0, real[2].sum() - 1]),
        "is_impossible": np.array([0, 1, 0]),
    }
    trunk = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    return "AlbertForQuestionAnsweringV2, answers or none", model, trunk | labels


def inputs_of(model: AlbertBase, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the part of a pretraining batch that the model's class takes."""
    taken = inspect.signature(model.forward).parameters
    return {name: value for name, value in batch.items() if name in taken}


def torch_cases(
    dtype: str, preset: str | None = None, seed: int = 0
) -> Iterator[tuple[str, AlbertBase, dict[str, np.ndarray]]]:
    """Return (name, model, inputs) to compare with PyTorch: small ones of every kind, or one of a released size."""
    if preset is not None:
        config = AlbertConfig.preset(preset)
        model: AlbertBase = AlbertForPreTraining(config, dtype=dtype, seed=seed)
        yield f"{preset}, {dtype}", model, small_batch(config, seed, batch=2, positions=32)
        return
    shapes = {**MODEL_SHAPES, "relu": {"hidden_act": "relu"}, "2 inner": {"inner_group_num": 2}}
    del shapes["dropout"]  # PyTorch draws other masks
    for label, changes in shapes.items():
        config = small_config(**changes)
        for cls in (AlbertModel, AlbertForPreTraining, AlbertForMaskedLM):
            random = randomize(cls(config, dtype=dtype), seed, 0.3)
            yield f"{cls.__name__}, {label}, {dtype}", random, inputs_of(random, small_batch(config, seed))
    for name, model, inputs in task_cases(dtype, seed):
        yield f"{name}, {dtype}", model, inputs
