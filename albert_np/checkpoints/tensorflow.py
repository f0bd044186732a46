"""The original checkpoints of ALBERT: Google's names and layouts, turned into Hugging Face's.

Google released each model as a folder with model.ckpt-best.index and its data, albert_config.json and 30k-clean.model,
and as a module of TF-Hub, version 1, with variables/ and assets/. The names are those of the variable scopes in
modeling.py, run_pretraining.py, classifier_utils.py and squad_utils.py of google-research/albert.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from albert_np.checkpoints.bundle import list_bundle, read_tensors
from albert_np.checkpoints.huggingface import Checkpoint, Weights
from albert_np.config import AlbertConfig
from albert_np.schema import listed

__all__ = ["find_tensorflow", "read_tensorflow"]

_CONFIG_FILE = "albert_config.json"
_FILE_OF_BUNDLE = re.compile(r"(.+)\.(index|meta|data-\d{5}-of-\d{5})")
_LATEST = re.compile(r'^model_checkpoint_path: "(?:.*/)?([^/"]+)"', re.MULTILINE)
_MAX_STATE = 2**16  # bytes of a `checkpoint` file
_OPTIMIZER = re.compile(r"(.+/)?((adam|lamb)_[mv]|(AdamWeightDecay|LAMB)Optimizer(_\d+)?)")
_LAYER = re.compile(r"bert/encoder/transformer/group_(\d+)/inner_group_(\d+)/(.+)")
_MAPPING = "albert.encoder.embedding_hidden_mapping_in"
_QUERY = "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.query.weight"

_WHOLE = {
    "bert/embeddings/word_embeddings": "albert.embeddings.word_embeddings.weight",
    "bert/embeddings/position_embeddings": "albert.embeddings.position_embeddings.weight",
    "bert/embeddings/token_type_embeddings": "albert.embeddings.token_type_embeddings.weight",
    "cls/predictions/output_bias": "predictions.bias",
    "cls/seq_relationship/output_weights": "sop_classifier.classifier.weight",
    "cls/seq_relationship/output_bias": "sop_classifier.classifier.bias",
    "output_weights": "classifier.weight",
    "output_bias": "classifier.bias",
    "cls/squad/output_weights": "qa_outputs.weight",
    "cls/squad/output_bias": "qa_outputs.bias",
}
_BLOCKS = {
    "bert/embeddings/LayerNorm": "albert.embeddings.LayerNorm",
    "bert/encoder/embedding_hidden_mapping_in": _MAPPING,
    "bert/pooler/dense": "albert.pooler",
    "cls/predictions/transform/dense": "predictions.dense",
    "cls/predictions/transform/LayerNorm": "predictions.LayerNorm",
    "start_logits/dense": "start_logits.dense",
    "end_logits/dense_0": "end_logits.dense_0",
    "end_logits/LayerNorm": "end_logits.LayerNorm",
    "end_logits/dense_1": "end_logits.dense_1",
    "answer_class/dense_0": "answer_class.dense_0",
    "answer_class/dense_1": "answer_class.dense_1",
}
_BLOCKS_OF_A_LAYER = {
    "attention_1/self/query": "attention.query",
    "attention_1/self/key": "attention.key",
    "attention_1/self/value": "attention.value",
    "attention_1/output/dense": "attention.dense",
    "LayerNorm": "attention.LayerNorm",
    "ffn_1/intermediate/dense": "ffn",
    "ffn_1/intermediate/output/dense": "ffn_output",
    "LayerNorm_1": "full_layer_layer_norm",
}
_LEAVES = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}

# What is no ALBERT as Google released it: what a name in it looks like, and what to say.
_FOREIGN = {
    r"/layer_normalization(_\d+)?/": "its LayerNorms are one per layer, while ALBERT as released shares them like all "
    "other weights of a layer, so that no model with shared layers can hold them",
    r"/layer_shared/": "it is one of albert_zh's own models, with other names and layers; those that Google released "
    "for Chinese are read",
    r"^(module/)?bert/encoder/layer_\d+/": "it is a BERT, in which every layer has weights of its own, not an ALBERT",
    r"/\.ATTRIBUTES/|^_CHECKPOINTABLE_OBJECT_GRAPH$": "it is a model of TensorFlow 2, like those of TF-Hub from "
    "version 2 on, with other names and layouts; version 1 and the original release are read",
}


def find_tensorflow(path: str | Path) -> Path | None:
    """Return the prefix of the TensorFlow checkpoint that `path` means, None if it means none.

    path: the prefix itself, such as albert_base/model.ckpt-best, one of its files, the folder, or a TF-Hub module. Of
    several checkpoints in a folder, the one that its file `checkpoint` calls the latest; ValueError lists them if it
    does not say.
    """
    path = Path(path)
    if path.is_dir():
        return _find_in(path) or _find_in(path / "variables")
    part = _FILE_OF_BUNDLE.fullmatch(path.name)
    prefix = path.with_name(part[1]) if part else path
    return prefix if prefix.with_name(f"{prefix.name}.index").is_file() else None


def _find_in(folder: Path) -> Path | None:
    names = sorted(index.name.removesuffix(".index") for index in folder.glob("*.index"))
    if len(names) < 2:
        return folder / names[0] if names else None
    latest = _latest(folder / "checkpoint")
    if latest not in names:
        raise ValueError(f"{folder} holds several checkpoints; give the path of one: {listed(names, 10)}")
    return folder / latest


def _latest(state: Path) -> str | None:
    """Return the name of the checkpoint that was written last, without the folder that it was written to."""
    if not state.is_file():
        return None
    with state.open("rb") as file:
        found = _LATEST.search(file.read(_MAX_STATE).decode(errors="replace"))
    return found and found[1]


def read_tensorflow(path: str | Path, config_path: str | Path | None = None) -> Checkpoint:
    """Read an original ALBERT: as released, of TF-Hub's version 1, or trained from there with Google's scripts.

    path: see `find_tensorflow`. config_path: its albert_config.json, where that is neither beside the checkpoint nor
    among the assets of a module. Arrays are read-only views of memory maps, in the type they are stored in, bfloat16
    widened to float32. Raises FileNotFoundError if a file is missing; ValueError, naming the file, if one is damaged,
    or if the model is not Google's ALBERT.
    """
    prefix = find_tensorflow(path)
    if prefix is None:
        raise FileNotFoundError(f"{path} is no TensorFlow checkpoint: no folder with a file *.index, no prefix of one")
    entries = list_bundle(prefix)
    moments = {name for name in entries if _OPTIMIZER.fullmatch(name)}
    variables = _variables(sorted(entries.keys() - moments - {"global_step"}), prefix)
    config = AlbertConfig.from_json_file(_find_config(prefix, config_path))
    arrays = read_tensors({old: entries[old] for old in variables.values()})
    weights = {new: arrays[old].T if old.endswith("/kernel") else arrays[old] for new, old in variables.items()}
    remarks = []
    if moments:
        remarks.append(f"its optimizer's moments, {len(moments)} of them, are left out: training starts them anew")
    if config.hidden_act == "gelu":
        config = replace(config, hidden_act="gelu_new")
        remarks.append("hidden_act is read as gelu_new, the tanh form, which Google's code computes for gelu")
    if (labels := _labels(config, weights)) != config.num_labels:
        config = replace(config, num_labels=labels, id2label=None)
        remarks.append(f"num_labels is {labels}, as many as output_weights has rows")
    if mapping := _identity_mapping(config, weights):
        weights |= mapping
        remarks.append("embedding_hidden_mapping_in is the identity: Google's code has none between equal sizes")
    folder = prefix.parent.parent if prefix.parent.name == "variables" else prefix.parent
    return Checkpoint("TensorFlow", folder, config, weights, remarks)


def _variables(stored: list[str], prefix: Path) -> dict[str, str]:
    """Return Hugging Face's name → variable, for every stored variable."""
    for pattern, message in _FOREIGN.items():
        if any(re.search(pattern, variable) for variable in stored):
            raise ValueError(f"{prefix}.index cannot be read as an ALBERT: {message}")
    variables: dict[str, str] = {}
    unknown = []
    for variable in stored:
        name = _new_name(variable.removeprefix("module/"))
        if name is None or name in variables:
            unknown.append(variable)
        else:
            variables[name] = variable
    if unknown:
        problem = f"{len(unknown)} of its variables are not ALBERT's, or there twice: {listed(unknown, 8)}"
        raise ValueError(f"{prefix}.index cannot be read as an ALBERT: {problem}")
    return variables


def _new_name(variable: str) -> str | None:
    scope, _, leaf = variable.rpartition("/")
    if layer := _LAYER.fullmatch(scope):
        block = _BLOCKS_OF_A_LAYER.get(layer[3])
        block = block and f"albert.encoder.albert_layer_groups.{layer[1]}.albert_layers.{layer[2]}.{block}"
    else:
        block = _BLOCKS.get(scope)
    return f"{block}.{_LEAVES[leaf]}" if block and leaf in _LEAVES else _WHOLE.get(variable)


def _find_config(prefix: Path, config_path: str | Path | None) -> Path:
    if config_path is not None:
        if not Path(config_path).is_file():
            raise FileNotFoundError(f"{config_path} is not a file; it should be an {_CONFIG_FILE}")
        return Path(config_path)
    places = [prefix.parent / _CONFIG_FILE, prefix.parent.parent / "assets" / _CONFIG_FILE]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(
        f"{prefix} has no {_CONFIG_FILE}: neither {places[0]} nor {places[1]} is there; give its path"
    )


def _labels(config: AlbertConfig, weights: Weights) -> int:
    """Return how many labels the fine-tuned head tells apart, the number of the config if there is none."""
    head = weights.get("classifier.weight")
    return config.num_labels if head is None or head.ndim != 2 else len(head)


def _identity_mapping(config: AlbertConfig, weights: Weights) -> Weights:
    """Return the projection from E to H that Google's graph leaves out where the two are equal, nothing elsewhere."""
    query = weights.get(_QUERY)  # (H, H): what is made here is no larger than what the file holds
    if f"{_MAPPING}.weight" in weights or query is None or query.shape != (config.hidden_size, config.embedding_size):
        return {}
    return {
        f"{_MAPPING}.weight": np.eye(len(query), dtype=query.dtype),
        f"{_MAPPING}.bias": np.zeros(len(query), query.dtype),
    }
