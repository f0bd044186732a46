import copy
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
        ("hidden_dropout_prob", 1.5, "hidden_dropout_prob=1.5: must be a number from 0 to below 1"),
        ("hidden_dropout_prob", 1, "hidden_dropout_prob=1: must be a number from 0 to below 1"),
        ("attention_probs_dropout_prob", 1.0, "attention_probs_dropout_prob=1.0: must be a number from 0 to below 1"),
        ("classifier_dropout_prob", 1.0, "classifier_dropout_prob=1.0: must be a number from 0 to below 1"),
        ("hidden_dropout_prob", "a", "hidden_dropout_prob='a'"),
        ("layer_norm_eps", float("nan"), "layer_norm_eps=nan"),
        ("initializer_range", -1, "initializer_range=-1"),
        ("pad_token_id", 30000, r"pad_token_id=30000: must be None or in \[0, 30000\)"),
        ("pad_token_id", True, "pad_token_id=True"),
        ("ffn_output_dropout", "no", "ffn_output_dropout='no': must be True or False"),
        ("tie_word_embeddings", 0, "tie_word_embeddings=0: must be True or False"),
        ("output_attentions", None, "output_attentions=None: must be True or False"),
        ("bos_token_id", "x", "bos_token_id='x': must be None or a whole number of at least 0"),
        ("eos_token_id", -1, "eos_token_id=-1"),
        ("eos_token_id", True, "eos_token_id=True"),
        ("num_labels", False, "num_labels=False: must be a whole number"),
        ("num_hidden_layers", 10**8, "num_hidden_layers=100000000: must be at most 10000"),
        ("num_labels", 2**31, "num_labels=2147483648: must be at most 1000000"),
        ("layer_norm_eps", 10**400, "layer_norm_eps=10+: must be a finite number"),
        ("id2label", {0: "a", 1: "a"}, "id2label=.* must give each label a number and a name of its own"),
        ("label2id", {"a": 0, "b": 0}, "label2id=.* must give each label a number and a name of its own"),
        ("label2id", ["a"], "label2id=.* must map the names of the labels to their numbers"),
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


def test_fields_that_are_no_dict_are_refused():
    with pytest.raises(TypeError, match="values must be a dict, field → value, got a list"):
        AlbertConfig.from_dict([1])


def test_unknown_presets_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'tiny' is unknown; known are base-v1"):
        AlbertConfig.preset("tiny")
    with pytest.raises(TypeError, match="num_layers=3: neither an argument nor a field of AlbertConfig"):
        AlbertConfig.preset("base-v2", num_layers=3)


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
    named = AlbertConfig(id2label={"0": "ham", "1": "spam", "2": "eggs"})
    assert named.num_labels == 3
    assert named.label2id == {"ham": 0, "spam": 1, "eggs": 2}
    assert AlbertConfig(label2id=named.label2id) == named
    assert AlbertConfig().id2label == {0: "LABEL_0", 1: "LABEL_1"}
    values = AlbertConfig(num_labels=3).to_dict()
    assert values["id2label"] == {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}
    assert values["label2id"]["LABEL_2"] == 2


@pytest.mark.parametrize("names", [{0: "ham", 2: "eggs"}, {"a": "ham"}, ["ham", "eggs"]])
def test_names_of_labels_that_do_not_count_from_zero_are_refused(names):
    with pytest.raises(ValueError, match=r"id2label=.* must"):
        AlbertConfig(id2label=names)


def test_another_kind_of_model_and_relative_positions_are_refused():
    with pytest.raises(ValueError, match="model_type='bert': must be 'albert'"):
        AlbertConfig(model_type="bert")
    with pytest.raises(ValueError, match="position_embedding_type='relative_key'"):
        AlbertConfig.from_dict({"position_embedding_type": "relative_key"})


def test_a_model_without_some_heads_is_refused():
    with pytest.raises(ValueError, match=r"pruned_heads=\{'0': \[1\]\}: models without some heads are not read"):
        AlbertConfig.from_dict({"pruned_heads": {"0": [1]}})
    assert AlbertConfig.from_dict({"pruned_heads": {}}).pruned_heads == {}


def test_what_weights_cannot_contradict_is_doubted():
    assert AlbertConfig.preset("base-v2").doubts() == []
    assert AlbertConfig(hidden_size=64, num_attention_heads=2, hidden_act="relu").doubts() == []
    heads, layers = AlbertConfig.preset("xlarge-v2", num_attention_heads=32, num_hidden_layers=12).doubts()[::-1]
    assert heads.startswith("num_attention_heads=32: the released models of this size have 16")
    assert layers.startswith("num_hidden_layers=12: the released models of this size have 24")
    (act,) = AlbertConfig.preset("base-v1").doubts()
    assert "gelu_new" in act


def test_number_and_names_of_labels_follow_each_other():
    config = AlbertConfig()
    config.num_labels = 3
    assert config.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    config.id2label = {"0": "ham", "1": "spam"}
    assert (config.num_labels, config.label2id) == (2, {"ham": 0, "spam": 1})
    config.label2id = {"no": 1, "yes": 0}
    assert config.id2label == {0: "yes", 1: "no"}
    with pytest.raises(ValueError, match="num_labels='x'"):
        config.num_labels = "x"
    assert config.num_labels == 2
    assert replace(AlbertConfig(num_labels=3), num_labels=5).id2label[4] == "LABEL_4"
    with pytest.raises(ValueError, match="contradicts id2label"):
        AlbertConfig(id2label={0: "no", 1: "yes"}, label2id={"no": 1, "yes": 0})
    assert AlbertConfig(id2label={0: "no", 1: "yes"}, label2id={"LABEL_0": 0, "LABEL_1": 1}).id2label[1] == "yes"


def test_unknown_keywords_are_kept_and_mistyped_fields_refused():
    config = AlbertConfig(use_cache=True, hidden_size=128)
    config.summary_type = "first"
    assert (config.use_cache, config.summary_type) == (True, "first")
    assert config.to_dict().items() >= {"use_cache": True, "summary_type": "first", "model_type": "albert"}.items()
    assert AlbertConfig(**config.to_dict()) == config
    assert copy.deepcopy(config).use_cache is True
    with pytest.raises(TypeError, match="no field hiden_size; is hidden_size meant"):
        AlbertConfig(hiden_size=128)
    with pytest.raises(TypeError, match="no field num_label; is num_labels meant"):
        config.num_label = 3
    with pytest.raises(AttributeError, match="AlbertConfig has no attribute 'nothing'"):
        _ = config.nothing


def test_a_config_is_saved_and_read_by_hugging_faces_names(tmp_path):
    config = AlbertConfig.preset("base-v2", num_labels=3, tie_word_embeddings=False, output_hidden_states=True)
    config.save_pretrained(tmp_path / "folder")
    assert AlbertConfig.from_pretrained(tmp_path / "folder") == config
    assert AlbertConfig.from_pretrained(tmp_path / "folder" / "config.json", num_labels=5).id2label[4] == "LABEL_4"
    names = {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}
    assert AlbertConfig.from_pretrained(tmp_path / "folder", **names).num_labels == 2
    assert AlbertConfig.from_dict(json.loads(config.to_json_string())) == config
    config.to_json_file(tmp_path / "other.json")
    assert AlbertConfig.from_json_file(tmp_path / "other.json") == config
    with pytest.raises(AttributeError, match=r"no attribute 'update'; changed\(…\) returns a copy with other values"):
        config.update({"num_labels": 5})
    with pytest.raises(TypeError, match="cache_dir='x': neither an argument nor a field of AlbertConfig"):
        AlbertConfig.from_pretrained(tmp_path / "folder", cache_dir="x")
    with pytest.raises(TypeError, match="subfolder='folder': give it as a part of the path"):
        AlbertConfig.from_pretrained(tmp_path, subfolder="folder")
    with pytest.raises(FileNotFoundError, match=r"AlbertModel\.from_pretrained\('albert-base-v2'\)\.config"):
        AlbertConfig.from_pretrained("albert-base-v2")
    (tmp_path / "folder" / "config.json").write_text('{"hidden_size": "768"}')
    with pytest.raises(ValueError, match=r"config\.json: hidden_size='768': must be a whole number"):
        AlbertConfig.from_pretrained(tmp_path / "folder")


def test_a_classifier_without_dropout_of_its_own_drops_as_hidden_states_do():
    config = AlbertConfig(classifier_dropout_prob=None, hidden_dropout_prob=0.25)
    assert config.head_dropout_prob == 0.25
    assert AlbertConfig().head_dropout_prob == 0.1
    assert AlbertConfig.from_dict(config.to_dict()) == config


def test_fields_set_afterwards_are_checked_by_the_model():
    config = AlbertConfig.preset("base-v2", num_hidden_layers=1, vocab_size=50)
    config.hidden_act = "gleu"
    with pytest.raises(ValueError, match="hidden_act='gleu'"):
        AlbertModel(config)
