"""Whole models as ONNX files, and what ONNX Runtime makes of them.

A shared layer is L times the same nodes over one set of weights, which the file holds once: that of base-v2 is as
large as its model.safetensors. Exporters that trace a model write out each layer's weights, twelve times as much.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from albert_np.changes import refuse_changed
from albert_np.export import nodes
from albert_np.export.graph import Graph
from albert_np.files import whole_file
from albert_np.model import AlbertForMultipleChoice, AlbertForQuestionAnsweringV2
from albert_np.model.base import AlbertBase
from albert_np.model.loading import check_config

__all__ = ["export_onnx", "onnx_difference"]

OPSET, IR_VERSION = 17, 8  # the first with LayerNormalization, so that older runtimes read the files too
MAX_BYTES = 2**31 - 2**20  # of one message, a limit of protobuf's
INPUTS = ("input_ids", "attention_mask", "token_type_ids")

Outputs = dict[str, tuple[str, Sequence[object]]]  # name → value, shape


def export_onnx(model: AlbertBase, path: str | Path) -> int:
    """Write a model as one ONNX file and return its size in bytes.

    Inputs: input_ids, attention_mask and token_type_ids, integers (B, T), or (B, C, T) of multiple choice; B, C and T
    are free, T up to the model's positions. The SQuAD 2 head takes p_mask (B, T) too, 1 where no answer may be.
    Outputs, float32 but for places, in eval mode: those of the class under its names, such as last_hidden_state and
    pooler_output, or logits. Weights are stored in float32, each once.

    The file appears whole or not at all. ValueError for a class that is not exported, or a model of more than 2 GB;
    ImportError without onnx.
    """
    name = type(model).__name__
    if not isinstance(model, AlbertBase):
        raise TypeError(f"model must be one of albert_np's, got a {name}")
    refuse_changed(model.config.extra, "the export to ONNX")
    if name not in _OUTPUTS:
        raise ValueError(f"{name} is not exported to ONNX; allowed are {', '.join(_OUTPUTS)}")
    if 4 * model.layout.size > MAX_BYTES:
        raise ValueError(f"{name} has {4 * model.layout.size / 1e9:.1f} GB of weights; an ONNX file holds 2 GB at most")
    check_config(model)
    proto = _model_proto(model)
    with whole_file(path) as hidden:
        hidden.write_bytes(proto.SerializeToString())
    return int(proto.ByteSize())


def _model_proto(model: AlbertBase) -> Any:
    g = Graph(model)
    helper, types = g.onnx.helper, g.onnx.TensorProto
    axes = ["batch", "choices", "positions"] if isinstance(model, AlbertForMultipleChoice) else ["batch", "positions"]
    outputs = _OUTPUTS[type(model).__name__](g)
    for name, (value, _) in outputs.items():
        g.name_output(value, name)
    graph = helper.make_graph(
        g.nodes,
        type(model).__name__,
        [helper.make_tensor_value_info(name, types.INT64, axes) for name in _inputs(model)],
        [
            helper.make_tensor_value_info(name, types.INT64 if _is_index(name) else types.FLOAT, shape)
            for name, (_, shape) in outputs.items()
        ],
        list(g.initializers.values()),
    )
    proto = helper.make_model(
        graph, producer_name="albert_np", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )
    config = model.config.to_dict()
    labels = {"id2label": json.dumps(config["id2label"])} if "id2label" in config else {}
    helper.set_model_props(proto, {"class": type(model).__name__, **labels})
    g.onnx.checker.check_model(proto)
    return proto


def _inputs(model: AlbertBase) -> tuple[str, ...]:
    return (*INPUTS, "p_mask") if isinstance(model, AlbertForQuestionAnsweringV2) else INPUTS


def _is_index(output: str) -> bool:
    return output.endswith("_index")


def _bare(g: Graph) -> Outputs:
    x, H = nodes.albert(g, *INPUTS), g.model.config.hidden_size
    pooled = {"pooler_output": (nodes.pooler(g, x), ["batch", H])} if g.model.has_pooler else {}
    return {"last_hidden_state": (x, ["batch", "positions", H]), **pooled}


def _masked_lm(g: Graph) -> Outputs:
    logits = nodes.mlm(g, nodes.albert(g, *INPUTS), "input_ids")
    return {"logits": (logits, ["batch", "positions", g.model.config.vocab_size])}


def _pretraining(g: Graph) -> Outputs:
    x = nodes.albert(g, *INPUTS)
    order = nodes.dense(g, nodes.pooler(g, x), "sop_classifier.classifier.")
    return {
        "prediction_logits": (nodes.mlm(g, x, "input_ids"), ["batch", "positions", g.model.config.vocab_size]),
        "sop_logits": (order, ["batch", len(g.model.params["sop_classifier.classifier.bias"])]),
    }


def _sequence(g: Graph) -> Outputs:
    logits = nodes.dense(g, nodes.pooler(g, nodes.albert(g, *INPUTS)), "classifier.")
    return {"logits": (logits, ["batch", g.model.config.num_labels])}


def _tokens(g: Graph) -> Outputs:
    logits = nodes.dense(g, nodes.albert(g, *INPUTS), "classifier.")
    return {"logits": (logits, ["batch", "positions", g.model.config.num_labels])}


def _choices(g: Graph) -> Outputs:
    """Score the choices as so many sequences: (B, C, T) → (B · C, T), and logits (B · C, 1) → (B, C)."""
    positions = g.node("Shape", "input_ids", start=2, end=3)
    flat = g.node("Concat", g.integers(-1), positions, axis=0)
    x = nodes.albert(g, *(g.node("Reshape", name, flat) for name in INPUTS))
    logits = nodes.dense(g, nodes.pooler(g, x), "classifier.")
    shape = g.node("Shape", "input_ids", start=0, end=2)
    return {"logits": (g.node("Reshape", logits, shape), ["batch", "choices"])}


def _spans(g: Graph) -> Outputs:
    start, end = nodes.spans(g, nodes.albert(g, *INPUTS))
    shape = ["batch", "positions"]
    return {"start_logits": (start, shape), "end_logits": (end, shape)}


def _answers(g: Graph) -> Outputs:
    model = g.model
    assert isinstance(model, AlbertForQuestionAnsweringV2)
    found = nodes.answers(g, nodes.albert(g, *INPUTS), "p_mask", model.start_n_top, model.end_n_top)
    width = {"start_logits": ["positions"], "cls_logits": []}
    return {name: (value, ["batch", *width.get(name, [None])]) for name, value in found.items()}


_OUTPUTS: dict[str, Callable[[Graph], Outputs]] = {
    "AlbertModel": _bare,
    "AlbertForPreTraining": _pretraining,
    "AlbertForMaskedLM": _masked_lm,
    "AlbertForSequenceClassification": _sequence,
    "AlbertForTokenClassification": _tokens,
    "AlbertForMultipleChoice": _choices,
    "AlbertForQuestionAnswering": _spans,
    "AlbertForQuestionAnsweringV2": _answers,
}


def onnx_difference(model: AlbertBase, path: str | Path, seed: int = 0) -> float:
    """Return how far ONNX Runtime's outputs of a file are from a model's, at most, on a random padded batch.

    Numbers are compared, and not the places of the likeliest answers, which rounding may exchange. The model's mode is
    put back afterwards. ImportError without onnxruntime.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError("to run ONNX files: pip install 'albert-np[onnx]'") from error
    session = onnxruntime.InferenceSession(Path(path), providers=["CPUExecutionProvider"])
    inputs = _batch(model, np.random.default_rng(seed))
    was_training = model.training
    try:
        expected = model.eval()(**inputs, grad=False)
    finally:
        model.training = was_training
    names = [output.name for output in session.get_outputs() if not _is_index(output.name)]
    return max(
        float(np.abs(got - model.backend.to_numpy(getattr(expected, name))).max())
        for name, got in zip(names, session.run(names, inputs), strict=True)
    )


def _batch(model: AlbertBase, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return three sequences, two of them padded, as the class takes them."""
    config = model.config
    T = min(config.max_position_embeddings, 48)
    shape = (3, 2, T) if isinstance(model, AlbertForMultipleChoice) else (3, T)
    mask = np.ones(shape, np.int64)
    mask[1:, ..., T // 2 :] = 0
    batch = {
        "input_ids": rng.integers(0, config.vocab_size, shape),
        "attention_mask": mask,
        "token_type_ids": rng.integers(0, config.type_vocab_size, shape),
        "p_mask": 1 - mask,
    }
    return {name: batch[name] for name in _inputs(model)}
