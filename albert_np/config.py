"""AlbertConfig: Hugging Face's field names and defaults, and the eight released presets."""

import difflib
import functools
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from albert_np.changes import schedule_of, unchanged
from albert_np.files import given, read_json, whole_files, write_json

__all__ = ["HIDDEN_ACTS", "PRESETS", "PROBLEM_TYPES", "SHARING", "AlbertConfig"]

PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
HIDDEN_ACTS = (
    "gelu",
    "gelu_new",
    "gelu_fast",
    "gelu_python",
    "gelu_pytorch_tanh",
    "quick_gelu",
    "relu",
    "silu",
    "swish",
    "tanh",
)
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


_Class = TypeVar("_Class", bound=type)


def _keeps_unknown_keywords(cls: _Class) -> _Class:
    """Let a class's `__init__` put keywords that are no fields into `extra`."""
    init: Any = cls.__init__  # type: ignore[misc]
    known = {each.name for each in fields(cls)}

    @functools.wraps(init)
    def keeping(self: Any, *args: Any, **values: Any) -> None:
        unknown = {name: values.pop(name) for name in sorted(values.keys() - known)}
        for name in unknown:
            _refuse_mistyped(name)
        if unknown:
            values["extra"] = {**values.get("extra", {}), **unknown}
        init(self, *args, **values)

    cls.__init__ = keeping  # type: ignore[misc]
    return cls


def _refuse_mistyped(name: str) -> None:
    known = [each.name for each in fields(AlbertConfig)]
    if meant := difflib.get_close_matches(name, known, n=1, cutoff=0.85):
        raise TypeError(f"AlbertConfig has no field {name}; is {meant[0]} meant? Other names are kept in extra")


def _refuse_unknown(changes: Mapping[str, object]) -> None:
    for name in changes.keys() - {each.name for each in fields(AlbertConfig)} - {"label2id"}:
        raise TypeError(f"{name}={changes[name]!r}: neither an argument nor a field of AlbertConfig has this name")


@_keeps_unknown_keywords
@dataclass
class AlbertConfig:
    """The shape of an ALBERT: Hugging Face's fields and defaults (xxlarge's), and three of our own.

    num_hidden_groups: how many groups of `inner_group_num` layers are stored, each with weights of its own; in all,
        they are applied `num_hidden_layers` times, in even runs (`group_of`). 0 stands for what `sharing` needs: 1 with
        "all" (or as many as a changed schedule uses), `num_hidden_layers` otherwise.
    classifier_dropout_prob: None stands for `hidden_dropout_prob`.
    tie_word_embeddings: whether the decoder of the MLM head is the word embeddings, as in every released ALBERT.
    num_labels: 0 stands for as many as have names, 2 if none has. id2label: names of the labels, number → name;
        LABEL_0, LABEL_1, … for want of others. Each follows the other when it is set afterwards.
    output_hidden_states, output_attentions: what a model's call returns if it does not say.
    sharing: what the groups have in common, the paper's Table 4. "all" ties nothing beyond the groups themselves: with
        one group all steps are one layer. "attention", "ffn" and "none" need one group a step, and tie only the
        attention, only the feed-forward part, or nothing across them.
    ffn_output_dropout: drop the feed-forward output too, as Google's code does; Hugging Face's PyTorch does not.
    extra: whatever else a config.json or a call held; read as attributes, and written back unchanged.

    A field given as 0 holds the number it stands for as soon as the configuration is made: `to_dict` writes that
    number, and `dataclasses.replace` passes it on. Where `replace` changes `sharing`, give `num_hidden_groups=0` with
    it. Numbers may be NumPy's; they become Python's.

    Raises ValueError, naming the field, what it was given and what is allowed; TypeError for a keyword that looks like
    a mistyped field.
    """

    model_type: ClassVar[str] = "albert"

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
    classifier_dropout_prob: float | None = 0.1
    pad_token_id: int | None = 0
    bos_token_id: int | None = 2
    eos_token_id: int | None = 3
    tie_word_embeddings: bool = True
    num_labels: int = 0
    id2label: dict[int, str] | None = None
    problem_type: str | None = None
    output_hidden_states: bool = False
    output_attentions: bool = False
    sharing: str = "all"
    ffn_output_dropout: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.extra = dict(self.extra)
        for values in (self.__dict__, self.extra):
            values |= {name: value.item() for name, value in values.items() if isinstance(value, np.generic)}
        if (model_type := self.extra.pop("model_type", self.model_type)) != self.model_type:
            raise ValueError(f"model_type={model_type!r}: must be {self.model_type!r}")
        self._settle_labels()
        if self.sharing not in SHARING:
            raise ValueError(f"sharing={self.sharing!r}: allowed are {', '.join(SHARING)}")
        if _is_zero(self.num_hidden_groups):
            groups = max(schedule_of(self.extra) or (0,)) + 1
            self.num_hidden_groups = groups if self.sharing == "all" else self.num_hidden_layers
        self.check()

    def _settle_labels(self) -> None:
        """Bring num_labels and id2label into line; names of the form LABEL_0, LABEL_1, … follow the number."""
        names = None if self.id2label is None else _label_names("id2label", self.id2label)
        if (numbers := self.extra.pop("label2id", None)) is not None:
            names = _with_numbers(names, numbers)
        number = len(names or (0, 1)) if _is_zero(self.num_labels) else self.num_labels
        _check_size("num_labels", number)
        if names is None or names == _numbered(len(names)):
            names = _numbered(number)
        if sorted(names) != list(range(number)):
            raise ValueError(f"id2label={names!r} must name the labels 0 to {number - 1} (num_labels)")
        self.__dict__.update(num_labels=number, id2label=names)

    def __setattr__(self, name: str, value: object) -> None:
        made = "extra" in self.__dict__  # the last field
        if made and name in ("num_labels", "id2label"):
            before = dict(self.__dict__)
            other: dict[str, object] = {"id2label": None} if name == "num_labels" else {"num_labels": 0}
            if value is not None and value != before[name]:
                self.__dict__.update({**other, name: value})
            try:
                self._settle_labels()
            except ValueError:
                self.__dict__.update(before)
                raise
        elif made and not hasattr(type(self), name) and name not in self.__dict__:
            _refuse_mistyped(name)
            self.extra[name] = value
        else:
            super().__setattr__(name, value)

    if not TYPE_CHECKING:  # type checkers know the fields

        def __getattr__(self, name: str) -> Any:
            extra = self.__dict__.get("extra", {})
            if name not in extra:
                where = "; changed(…) returns a copy with other values" if name == "update" else ""
                raise AttributeError(f"AlbertConfig has no attribute {name!r}{where}")
            return extra[name]

    @property
    def label2id(self) -> dict[str, int]:
        """name → number, the other way round of `id2label`."""
        return {name: number for number, name in (self.id2label or {}).items()}

    @label2id.setter
    def label2id(self, numbers: dict[str, int]) -> None:
        self.id2label = _with_numbers(None, numbers)

    @property
    def head_dropout_prob(self) -> float:
        """The share that the heads drop before they classify: classifier_dropout_prob, or what it stands for."""
        return self.hidden_dropout_prob if self.classifier_dropout_prob is None else self.classifier_dropout_prob

    def check(self) -> None:
        """Raise ValueError where a field holds what it cannot, be it from the start or since it was set."""
        self._check_sizes()
        self._check_ranges()

    def _check_sizes(self) -> None:
        for name in _LARGEST:
            _check_size(name, getattr(self, name))
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"num_attention_heads={self.num_attention_heads} does not divide hidden_size={self.hidden_size}"
            )
        self._check_groups()
        if self.sharing != "all" and self.num_hidden_groups != self.num_hidden_layers:
            raise ValueError(
                f"sharing={self.sharing!r} needs one group a layer: num_hidden_groups={self.num_hidden_groups}, "
                f"num_hidden_layers={self.num_hidden_layers}; num_hidden_groups=0 stands for the number that is needed"
            )

    def _check_groups(self) -> None:
        schedule = schedule_of(self.extra)
        if schedule is None and self.num_hidden_layers % self.num_hidden_groups:
            raise ValueError(
                f"num_hidden_groups={self.num_hidden_groups} does not divide num_hidden_layers={self.num_hidden_layers}"
            )
        if schedule is not None and len(schedule) != self.num_hidden_layers:
            raise ValueError(
                f"num_hidden_layers={self.num_hidden_layers}, but schedule={schedule} is for {len(schedule)} steps"
            )
        if schedule is not None and set(schedule) != set(range(self.num_hidden_groups)):
            raise ValueError(
                f"num_hidden_groups={self.num_hidden_groups}, but schedule={schedule} uses groups {sorted({*schedule})}"
            )

    def _check_ranges(self) -> None:
        if self.hidden_act not in HIDDEN_ACTS:
            raise ValueError(f"hidden_act={self.hidden_act!r}: allowed are {', '.join(HIDDEN_ACTS)}")
        if self.problem_type not in (None, *PROBLEM_TYPES):
            raise ValueError(f"problem_type={self.problem_type!r}: allowed are None, {', '.join(PROBLEM_TYPES)}")
        self._check_numbers()
        for name in ("tie_word_embeddings", "output_hidden_states", "output_attentions", "ffn_output_dropout"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}={getattr(self, name)!r}: must be True or False")
        if self.extra.get("position_embedding_type", "absolute") != "absolute":
            positions = self.extra["position_embedding_type"]
            raise ValueError(f"position_embedding_type={positions!r}: ALBERT as released has 'absolute' alone")
        if self.extra.get("pruned_heads"):
            raise ValueError(f"pruned_heads={self.extra['pruned_heads']!r}: models without some heads are not read")

    def _check_numbers(self) -> None:
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob"):
            if name == "classifier_dropout_prob" and self.classifier_dropout_prob is None:
                continue
            if not _is_number(getattr(self, name)) or not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)!r}: must be a number from 0 to below 1")
        for name in ("initializer_range", "layer_norm_eps"):
            if not _is_number(getattr(self, name)) or not 0 <= getattr(self, name) <= sys.float_info.max:
                raise ValueError(f"{name}={getattr(self, name)!r}: must be a finite number of at least 0")
        if not _is_token_id(self.pad_token_id, self.vocab_size):
            raise ValueError(f"pad_token_id={self.pad_token_id!r}: must be None or in [0, {self.vocab_size})")
        for name in ("bos_token_id", "eos_token_id"):
            if not _is_token_id(getattr(self, name), math.inf):
                raise ValueError(f"{name}={getattr(self, name)!r}: must be None or a whole number of at least 0")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> "AlbertConfig":
        """Return one of the released configurations, `base|large|xlarge|xxlarge-v1|v2`, with `changes` applied.

        Version 1 has "gelu" as its hub configurations say; Google trained it with the tanh form, `gelu_new`.
        xlarge has 16 heads as released on the hub; the paper says 32.
        """
        if name not in PRESETS:
            raise ValueError(f"preset {name!r} is unknown; known are {', '.join(PRESETS)}")
        _refuse_unknown(changes)
        return cls(**{**PRESETS[name], **changes})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "AlbertConfig":
        """Build a config from Hugging Face's JSON keys; unknown ones are kept in `extra`."""
        if not isinstance(values, dict):
            raise TypeError(f"values must be a dict, field → value, got a {type(values).__name__}")
        known = {f.name for f in fields(cls)} - {"extra"}
        extra = {name: value for name, value in values.items() if name not in known}
        return cls(**{name: value for name, value in values.items() if name in known}, extra=extra)

    @classmethod
    def from_json_file(cls, path: str | Path) -> "AlbertConfig":
        """Read a Hugging Face config.json; ValueError names the file where it is not a JSON object or not ALBERT's."""
        values = read_json(path)
        if values.get("model_type", "albert") != "albert":
            raise ValueError(f"{path} is of model_type={str(values['model_type'])[:80]!r}, not 'albert'")
        try:
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{path}: {str(error)[:400]}") from error  # which quotes whatever the file holds

    @classmethod
    def from_pretrained(cls, source: str | Path, **changes: Any) -> "AlbertConfig":
        """Read the config.json of a folder, or that file itself, with `changes` as `changed` makes them.

        FileNotFoundError where there is none; a name on the model hub is opened by a model class alone.
        """
        if "subfolder" in changes:
            raise TypeError(f"subfolder={changes['subfolder']!r}: give it as a part of the path")
        path = given(source) / "config.json" if given(source).is_dir() else given(source)
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} does not exist; of a model on the hub, AlbertModel.from_pretrained({str(source)!r}).config"
            )
        return cls.from_json_file(path).changed(**changes)

    def changed(self, **changes: Any) -> "AlbertConfig":
        """Return a copy with other values; those of num_labels, id2label or label2id take the place of all three.

        TypeError for a name that is neither a field nor in `extra`.
        """
        _refuse_unknown({name: value for name, value in changes.items() if name not in self.extra})
        if not changes.keys().isdisjoint(("num_labels", "id2label", "label2id")):
            changes = {"num_labels": 0, "id2label": None, **changes}
        return replace(self, **changes)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json into a folder, which is made if it is missing."""
        with whole_files(folder) as hidden:
            write_json(hidden / "config.json", self.to_dict())

    def to_json_file(self, path: str | Path) -> None:
        """Write what `from_json_file` reads."""
        write_json(path, self.to_dict())

    def to_json_string(self) -> str:
        """Return what `save_pretrained` writes, sorted by name."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that Hugging Face reads as the same configuration."""
        values = asdict(self)
        extra = values.pop("extra")
        names = values.pop("id2label")
        del values["num_labels"]
        if names != _numbered(2):  # where Hugging Face keeps the number of labels
            values["id2label"] = {str(i): name for i, name in names.items()}
            extra["label2id"] = self.label2id
        return {"model_type": self.model_type, **values, **extra}

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
        with unchanged():
            other = AlbertConfig(**preset)
        names = "vocab_size embedding_size hidden_size intermediate_size num_hidden_groups inner_group_num".split()
        return all(getattr(self, name) == getattr(other, name) for name in names)

    @property
    def head_size(self) -> int:
        """D = H / N, the width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    def group_of(self, layer: int) -> int:
        """Return the group that is applied the `layer`-th of L times (from 0): layer · G // L, unless a change says it.

        Derivation: notebook 11, eq. 11.5.
        """
        schedule = schedule_of(self.extra)
        if schedule is not None:
            return schedule[layer]
        return layer * self.num_hidden_groups // self.num_hidden_layers


# No model is larger. A damaged file may say anything, and a number beyond sense must not be made room for.
_LARGEST = {
    "vocab_size": 10**8,
    "embedding_size": 10**6,
    "hidden_size": 10**6,
    "num_hidden_layers": 10**4,
    "num_hidden_groups": 10**4,
    "num_attention_heads": 10**6,
    "intermediate_size": 10**7,
    "inner_group_num": 10**4,
    "max_position_embeddings": 10**7,
    "type_vocab_size": 10**6,
    "num_labels": 10**6,
}


def _check_size(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}={value!r}: must be a whole number of at least 1")
    if value > _LARGEST[name]:
        raise ValueError(f"{name}={value}: must be at most {_LARGEST[name]}")


def _numbered(labels: int) -> dict[int, str]:
    """Return Hugging Face's names of labels that have none."""
    return {i: f"LABEL_{i}" for i in range(labels)}


def _label_names(field_name: str, labels: Any) -> dict[int, str]:
    """Return number → name, from such a mapping or from pairs; JSON knows the numbers as strings."""
    try:
        names = {int(number): str(name) for number, name in getattr(labels, "items", lambda: labels)()}
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{field_name}={labels!r} must map the numbers of the labels to their names") from error
    if len(set(names.values())) < len(labels):
        raise ValueError(f"{field_name}={labels!r} must give each label a number and a name of its own")
    return names


def _with_numbers(names: dict[int, str] | None, label2id: object) -> dict[int, str]:
    """Return number → name as label2id has it, where there are no `names` yet.

    ValueError if both name the same labels in another order: then nobody knows which is meant. Of other labels,
    `names` count, as in Hugging Face.
    """
    if not isinstance(label2id, dict):
        raise ValueError(f"label2id={label2id!r} must map the names of the labels to their numbers")
    numbered = _label_names("label2id", [(number, name) for name, number in label2id.items()])
    if names is not None and names != numbered and set(names.values()) == set(numbered.values()):
        raise ValueError(f"label2id={label2id!r} contradicts id2label={names!r}")
    return numbered if names is None else names


def _is_zero(value: object) -> bool:
    return type(value) is int and value == 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_token_id(value: object, limit: float) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit)
