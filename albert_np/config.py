"""AlbertConfig: Hugging Face's field names and defaults, and the eight released presets."""

import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from albert_np.files import read_json

__all__ = ["HIDDEN_ACTS", "PRESETS", "PROBLEM_TYPES", "SHARING", "AlbertConfig"]

PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
HIDDEN_ACTS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish", "tanh")
SHARING = ("all", "attention", "ffn", "none")

# L, H, N, dropout of version 1; I = 4H, E = 128, V = 30,000 everywhere. xlarge has 16 heads in the released
# configurations of Hugging Face, 32 in the paper (heads = H / 64): the weights fit both, the outputs do not.
_SIZES = {
    "base": (12, 768, 12, 0.1),
    "large": (24, 1024, 16, 0.1),
    "xlarge": (24, 2048, 16, 0.1),
    "xxlarge": (12, 4096, 64, 0.0),
}


def _preset(size: str, version: str) -> dict[str, Any]:
    layers, hidden, heads, dropout = _SIZES[size]
    dropout = dropout if version == "v1" else 0.0
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "hidden_act": "gelu" if version == "v1" else "gelu_new",
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    }


PRESETS = {f"{size}-{version}": _preset(size, version) for version in ("v1", "v2") for size in _SIZES}


@dataclass
class AlbertConfig:
    """The shape of an ALBERT: Hugging Face's fields and defaults (xxlarge's), and three of our own.

    num_hidden_groups: how many layers of their own are stored; the steps use them in even runs (`group_of`). 0 stands
        for what `sharing` needs: 1 with "all", `num_hidden_layers` otherwise.
    sharing: what the groups have in common, the paper's Table 4. "all" ties nothing beyond the groups themselves: with
        one group all steps are one layer. "attention", "ffn" and "none" need one group a step, and tie only the
        attention, only the feed-forward part, or nothing across them.
    ffn_output_dropout: drop the feed-forward output too, as Google's code does; Hugging Face's PyTorch does not.
    id2label: names of the labels, number → name. num_labels: 0 stands for as many as have names, 2 if none has.
    extra: whatever else a config.json held; it is written back unchanged.

    A field given as 0 holds the number it stands for as soon as the configuration is made: `to_dict` writes that
    number, and `dataclasses.replace` passes it on. Where `replace` changes `sharing`, give `num_hidden_groups=0` with
    it. Numbers may be NumPy's; they become Python's.

    Raises ValueError, naming the field, what it was given and what is allowed.
    """

    vocab_size: int = 30000
    embedding_size: int = 128
    hidden_size: int = 4096
    num_hidden_layers: int = 12
    num_hidden_groups: int = 0
    num_attention_heads: int = 64
    intermediate_size: int = 16384
    inner_group_num: int = 1
    hidden_act: str = "gelu_new"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    classifier_dropout_prob: float = 0.1
    pad_token_id: int | None = 0
    bos_token_id: int | None = 2
    eos_token_id: int | None = 3
    num_labels: int = 0
    id2label: dict[int, str] | None = None
    problem_type: str | None = None
    sharing: str = "all"
    ffn_output_dropout: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, np.generic):
                setattr(self, each.name, value.item())  # Python's number, which JSON can write
        if self.id2label is not None:
            self.id2label = _label_names(self.id2label)
        if self.num_labels == 0:
            self.num_labels = len(self.id2label or (0, 1))
        if self.sharing not in SHARING:
            raise ValueError(f"sharing={self.sharing!r}: allowed are {', '.join(SHARING)}")
        if self.num_hidden_groups == 0:
            self.num_hidden_groups = 1 if self.sharing == "all" else self.num_hidden_layers
        self._check_sizes()
        self._check_ranges()

    def _check_sizes(self) -> None:
        for name in _POSITIVE:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}={value!r}: must be a whole number of at least 1")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"num_attention_heads={self.num_attention_heads} does not divide hidden_size={self.hidden_size}"
            )
        if self.num_hidden_layers % self.num_hidden_groups:
            raise ValueError(
                f"num_hidden_groups={self.num_hidden_groups} does not divide num_hidden_layers={self.num_hidden_layers}"
            )
        if self.sharing != "all" and self.num_hidden_groups != self.num_hidden_layers:
            raise ValueError(
                f"sharing={self.sharing!r} needs one group a layer: num_hidden_groups={self.num_hidden_groups}, "
                f"num_hidden_layers={self.num_hidden_layers}; num_hidden_groups=0 stands for the number that is needed"
            )

    def _check_ranges(self) -> None:
        if self.hidden_act not in HIDDEN_ACTS:
            raise ValueError(f"hidden_act={self.hidden_act!r}: allowed are {', '.join(HIDDEN_ACTS)}")
        if self.problem_type not in (None, *PROBLEM_TYPES):
            raise ValueError(f"problem_type={self.problem_type!r}: allowed are None, {', '.join(PROBLEM_TYPES)}")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob"):
            if not _is_number(getattr(self, name)) or not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)!r}: must be a number from 0 to 1")
        for name in ("initializer_range", "layer_norm_eps"):
            if not _is_number(getattr(self, name)) or not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)!r}: must be a finite number of at least 0")
        names = self.id2label
        if names is not None and sorted(names) != list(range(self.num_labels)):
            raise ValueError(f"id2label={names!r} must name the labels 0 to {self.num_labels - 1} (num_labels)")
        pad = self.pad_token_id
        if pad is not None and (not isinstance(pad, int) or isinstance(pad, bool) or not 0 <= pad < self.vocab_size):
            raise ValueError(f"pad_token_id={pad!r}: must be None or in [0, {self.vocab_size})")
        if not isinstance(self.ffn_output_dropout, bool):
            raise ValueError(f"ffn_output_dropout={self.ffn_output_dropout!r}: must be True or False")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> "AlbertConfig":
        """Return one of the released configurations, `base|large|xlarge|xxlarge-v1|v2`, with `changes` applied.

        Version 1 has "gelu" as its hub configurations say; Google trained it with the tanh form, `gelu_new`.
        xlarge has 16 heads as released on the hub; the paper says 32.
        """
        if name not in PRESETS:
            raise ValueError(f"preset {name!r} is unknown; known are {', '.join(PRESETS)}")
        return cls(**{**PRESETS[name], **changes})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "AlbertConfig":
        """Build a config from Hugging Face's JSON keys; unknown ones are kept in `extra`."""
        known = {f.name for f in fields(cls)} - {"extra"}
        positions = values.get("position_embedding_type", "absolute")
        if positions != "absolute":
            raise ValueError(f"position_embedding_type={positions!r}: ALBERT as released has 'absolute' alone")
        derived = {"model_type", "label2id"}
        return cls(
            **{k: v for k, v in values.items() if k in known},
            extra={k: v for k, v in values.items() if k not in known | derived},
        )

    @classmethod
    def from_json_file(cls, path: str | Path) -> "AlbertConfig":
        """Read a Hugging Face config.json; ValueError names the file where it is not a JSON object or not ALBERT's."""
        values = read_json(path)
        if values.get("model_type", "albert") != "albert":
            raise ValueError(f"{path} is of model_type={values['model_type']!r}, not 'albert'")
        return cls.from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that Hugging Face reads as the same configuration."""
        values = asdict(self)
        extra = values.pop("extra")
        labels, names = values.pop("num_labels"), values.pop("id2label")
        if names is None and labels != 2:
            names = {i: f"LABEL_{i}" for i in range(labels)}
        if names is not None:  # where Hugging Face keeps the number of labels
            values["id2label"] = {str(i): name for i, name in names.items()}
            extra["label2id"] = {name: i for i, name in names.items()}
        return {"model_type": "albert", **values, **extra}

    def doubts(self) -> list[str]:
        """Return what may be wrong in ways that weights cannot contradict, against the released models of this size.

        Layers that share their weights fit any number of layers and heads and any activation, so that a wrong value
        loads without a word and computes something else.
        """
        released = [preset for preset in PRESETS.values() if self._weights_fit(preset)]
        doubts = [
            f"{name}={getattr(self, name)}: the released models of this size have {released[0][name]}, and the weights "
            "fit both"
            for name in ("num_hidden_layers", "num_attention_heads")
            if released and getattr(self, name) != released[0][name]
        ]
        if released and self.hidden_act not in ("gelu_new", "gelu_pytorch_tanh"):
            doubts.append(
                f"hidden_act={self.hidden_act}: Google trained this size with the tanh form, gelu_new; the hub's "
                "version 1 says gelu, the erf form, which Hugging Face computes, and TensorFlow did not"
            )
        return doubts

    def _weights_fit(self, preset: dict[str, Any]) -> bool:
        other = AlbertConfig(**preset)
        names = "vocab_size embedding_size hidden_size intermediate_size num_hidden_groups inner_group_num".split()
        return all(getattr(self, name) == getattr(other, name) for name in names)

    @property
    def head_size(self) -> int:
        """D = H / N, the width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    def group_of(self, layer: int) -> int:
        """Return the group whose parameters layer step `layer` (from 0) uses: layer · G // L.

        Derivation: notebook 11, eq. 11.5.
        """
        return layer * self.num_hidden_groups // self.num_hidden_layers


_POSITIVE = (
    "vocab_size",
    "embedding_size",
    "hidden_size",
    "num_hidden_layers",
    "num_hidden_groups",
    "num_attention_heads",
    "intermediate_size",
    "inner_group_num",
    "max_position_embeddings",
    "type_vocab_size",
    "num_labels",
)


def _label_names(given: Any) -> dict[int, str]:
    """Return number → name; JSON knows the numbers as strings."""
    try:
        return {int(i): str(name) for i, name in given.items()}
    except (AttributeError, ValueError) as error:
        raise ValueError(f"id2label={given!r} must map the numbers of the labels to their names") from error


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
