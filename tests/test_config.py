import json
import math
from dataclasses import replace

import numpy as np
import pytest

from albert_np.config import PRESETS, SHARING, AlbertConfig
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining, AlbertModel


def count(cls, config):
    return sum(math.prod(shape) for shape in cls.parameter_shapes(config).values())


# Backbone, for pretraining, for masked language modelling.
COUNTS = {
    "base": (11_683_584, 11_813_810, 11_221_680),
    "large": (17_683_968, 17_847_474, 16_795_824),
    "xlarge": (58_724_864, 59_021_490, 54_821_040),
    "xxlarge": (222_595_584, 223_158_450, 206_368_944),
}


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_the_released_parameter_counts(preset):
    config = AlbertConfig.preset(preset)
    classes = (AlbertModel, AlbertForPreTraining, AlbertForMaskedLM)
    assert tuple(count(cls, config) for cls in classes) == COUNTS[preset.split("-")[0]]


@pytest.mark.parametrize(
    "changes, backbone",
    [
        ({"num_hidden_groups": 2}, 18_771_456),
        ({"num_hidden_groups": 12}, 89_650_176),
        ({"sharing": "attention"}, 63_647_232),
        ({"sharing": "ffn"}, 37_686_528),
        ({"sharing": "none"}, 89_650_176),
        ({"sharing": "none", "embedding_size": 64}, 87_648_000),
        ({"sharing": "all", "embedding_size": 256}, 15_687_936),
    ],
)
def test_sharing_and_groups_have_the_papers_parameter_counts(changes, backbone):
    assert count(AlbertModel, AlbertConfig.preset("base-v2", **changes)) == backbone


def test_defaults_are_xxlarge_and_version_2_has_no_dropout():
    assert AlbertConfig() == AlbertConfig.preset("xxlarge-v2")
    for preset in PRESETS:
        config = AlbertConfig.preset(preset)
        drops = preset in ("base-v1", "large-v1", "xlarge-v1")
        assert config.hidden_dropout_prob == config.attention_probs_dropout_prob == (0.1 if drops else 0.0)
        assert config.classifier_dropout_prob == 0.1
        assert config.hidden_act == ("gelu" if preset.endswith("v1") else "gelu_new")
        assert config.num_attention_heads == {"base": 12, "large": 16, "xlarge": 16, "xxlarge": 64}[preset[:-3]]


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("num_attention_heads", 7, "num_attention_heads=7 does not divide hidden_size=768"),
        ("num_hidden_groups", 5, "num_hidden_groups=5 does not divide num_hidden_layers=12"),
        ("hidden_act", "gleu", "hidden_act='gleu': allowed are gelu, gelu_new"),
        ("sharing", "some", "sharing='some': allowed are all, attention, ffn, none"),
        ("vocab_size", 0, "vocab_size=0: must be a whole number of at least 1"),
        ("hidden_size", 768.0, "hidden_size=768.0: must be a whole number"),
        ("inner_group_num", True, "inner_group_num=True"),
        ("hidden_dropout_prob", 1.5, "hidden_dropout_prob=1.5: must be a number from 0 to 1"),
        ("hidden_dropout_prob", "a", "hidden_dropout_prob='a'"),
        ("layer_norm_eps", float("nan"), "layer_norm_eps=nan"),
        ("initializer_range", -1, "initializer_range=-1"),
        ("pad_token_id", 30000, r"pad_token_id=30000: must be None or in \[0, 30000\)"),
        ("pad_token_id", True, "pad_token_id=True"),
        ("ffn_output_dropout", "no", "ffn_output_dropout='no': must be True or False"),
    ],
)
def test_bad_fields_are_refused_by_name_value_and_what_is_allowed(field, value, message):
    with pytest.raises(ValueError, match=message):
        AlbertConfig.preset("base-v2", **{field: value})


def test_partial_sharing_gives_each_layer_a_group():
    assert AlbertConfig.preset("base-v2", sharing="ffn").num_hidden_groups == 12
    for groups in (1, 3):
        with pytest.raises(ValueError, match=f"needs one group a layer: num_hidden_groups={groups}"):
            AlbertConfig.preset("base-v2", sharing="ffn", num_hidden_groups=groups)


@pytest.mark.parametrize("sharing", SHARING)
def test_the_number_of_groups_is_the_callers_or_what_sharing_needs(sharing):
    config = AlbertConfig.preset("base-v2", sharing=sharing)
    assert config.num_hidden_groups == (1 if sharing == "all" else 12)
    assert config.to_dict()["num_hidden_groups"] == config.num_hidden_groups
    assert AlbertConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    if sharing != "all":
        with pytest.raises(ValueError, match=f"sharing='{sharing}' needs one group a layer: num_hidden_groups=1"):
            replace(AlbertConfig.preset("base-v2"), sharing=sharing)
    assert replace(AlbertConfig.preset("base-v2"), sharing=sharing, num_hidden_groups=0) == config
    assert replace(config, sharing="all", num_hidden_groups=0) == AlbertConfig.preset("base-v2")


def test_numpy_numbers_become_pythons():
    sizes = {"hidden_size": np.int64(24), "num_attention_heads": np.int32(3), "num_labels": np.uint8(2)}
    config = AlbertConfig(
        **sizes, hidden_dropout_prob=np.float32(0.5), pad_token_id=np.int16(1), vocab_size=np.int64(9)
    )
    assert config == AlbertConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert {type(getattr(config, name)) for name in sizes} == {int}
    assert AlbertConfig(ffn_output_dropout=np.True_).ffn_output_dropout is True
    with pytest.raises(ValueError, match=r"hidden_size=24\.0: must be a whole number"):
        AlbertConfig(hidden_size=np.float64(24), num_attention_heads=3)


def test_unknown_presets_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'tiny' is unknown; known are base-v1"):
        AlbertConfig.preset("tiny")


def test_group_of_cuts_the_layers_into_even_runs():
    config = AlbertConfig.preset("base-v2", num_hidden_groups=3)
    assert [config.group_of(i) for i in range(12)] == [0] * 4 + [1] * 4 + [2] * 4


def test_json_round_trip_keeps_unknown_keys_and_labels(tmp_path):
    released = {"architectures": ["AlbertForMaskedLM"], "hidden_size": 768, "num_attention_heads": 12, "gap_size": 0}
    released |= {"id2label": {"0": "ham", "1": "spam", "2": "eggs"}, "down_scale_factor": 1, "model_type": "albert"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(released))
    config = AlbertConfig.from_json_file(path)
    assert config.num_labels == 3
    path.write_text(json.dumps(config.to_dict()))
    assert AlbertConfig.from_json_file(path) == config
    assert json.loads(path.read_text()).items() >= released.items()


def test_a_config_that_is_not_alberts_is_refused(tmp_path):
    path = tmp_path / "config.json"
    for text, message in (
        ("{", "not valid JSON"),
        ("[]", "JSON object, got a list"),
        ('{"model_type": "bert"}', "'bert'"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            AlbertConfig.from_json_file(path)


def test_labels_are_counted_by_their_names():
    assert AlbertConfig(id2label={"0": "ham", "1": "spam", "2": "eggs"}).num_labels == 3
    assert AlbertConfig().num_labels == 2
    values = AlbertConfig(num_labels=3).to_dict()
    assert values["id2label"] == {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}
    assert values["label2id"]["LABEL_2"] == 2


@pytest.mark.parametrize("names", [{0: "ham", 2: "eggs"}, {"a": "ham"}, ["ham", "eggs"]])
def test_names_of_labels_that_do_not_count_from_zero_are_refused(names):
    with pytest.raises(ValueError, match=r"id2label=.* must"):
        AlbertConfig(id2label=names)


def test_relative_positions_are_refused():
    with pytest.raises(ValueError, match="position_embedding_type='relative_key'"):
        AlbertConfig.from_dict({"position_embedding_type": "relative_key"})


def test_what_weights_cannot_contradict_is_doubted():
    assert AlbertConfig.preset("base-v2").doubts() == []
    assert AlbertConfig(hidden_size=64, num_attention_heads=2, hidden_act="relu").doubts() == []
    heads, layers = AlbertConfig.preset("xlarge-v2", num_attention_heads=32, num_hidden_layers=12).doubts()[::-1]
    assert heads.startswith("num_attention_heads=32: the released models of this size have 16")
    assert layers.startswith("num_hidden_layers=12: the released models of this size have 24")
    (act,) = AlbertConfig.preset("base-v1").doubts()
    assert "gelu_new" in act
