"""Checkpoints that TensorFlow wrote, read without it, and compared to the bit."""

import json
import lzma
import mmap
import shutil
from pathlib import Path

import numpy as np
import pytest
from reference.tensorflow_cases import CASES, LABELS, MANY, SIZES, many_names, numbers
from toys.tensorflow import tensor, write_bundle

from albert_np.checkpoints.bundle import list_bundle, read_tensors
from albert_np.checkpoints.tensorflow import find_tensorflow, read_tensorflow
from albert_np.config import AlbertConfig
from albert_np.model import (
    AlbertForPreTraining,
    AlbertForQuestionAnswering,
    AlbertForQuestionAnsweringV2,
    AlbertForSequenceClassification,
    AlbertModel,
)

REFERENCE = Path(__file__).parents[1] / "reference"

CHECKPOINTS = REFERENCE / "tensorflow_checkpoints"

TRUNK = """
bert/embeddings/word_embeddings                             albert.embeddings.word_embeddings.weight
bert/embeddings/position_embeddings                         albert.embeddings.position_embeddings.weight
bert/embeddings/token_type_embeddings                       albert.embeddings.token_type_embeddings.weight
bert/embeddings/LayerNorm/gamma                             albert.embeddings.LayerNorm.weight
bert/embeddings/LayerNorm/beta                              albert.embeddings.LayerNorm.bias
bert/encoder/embedding_hidden_mapping_in/kernel             albert.encoder.embedding_hidden_mapping_in.weight
bert/encoder/embedding_hidden_mapping_in/bias               albert.encoder.embedding_hidden_mapping_in.bias
bert/pooler/dense/kernel                                    albert.pooler.weight
bert/pooler/dense/bias                                      albert.pooler.bias
"""
LAYER = """
attention_1/self/query/kernel                               attention.query.weight
attention_1/self/query/bias                                 attention.query.bias
attention_1/self/key/kernel                                 attention.key.weight
attention_1/self/key/bias                                   attention.key.bias
attention_1/self/value/kernel                               attention.value.weight
attention_1/self/value/bias                                 attention.value.bias
attention_1/output/dense/kernel                             attention.dense.weight
attention_1/output/dense/bias                               attention.dense.bias
LayerNorm/gamma                                             attention.LayerNorm.weight
LayerNorm/beta                                              attention.LayerNorm.bias
ffn_1/intermediate/dense/kernel                             ffn.weight
ffn_1/intermediate/dense/bias                               ffn.bias
ffn_1/intermediate/output/dense/kernel                      ffn_output.weight
ffn_1/intermediate/output/dense/bias                        ffn_output.bias
LayerNorm_1/gamma                                           full_layer_layer_norm.weight
LayerNorm_1/beta                                            full_layer_layer_norm.bias
"""
HEADS = {
    None: "",
    "pretraining": """
cls/predictions/transform/dense/kernel                      predictions.dense.weight
cls/predictions/transform/dense/bias                        predictions.dense.bias
cls/predictions/transform/LayerNorm/gamma                   predictions.LayerNorm.weight
cls/predictions/transform/LayerNorm/beta                    predictions.LayerNorm.bias
cls/predictions/output_bias                                 predictions.bias
cls/seq_relationship/output_weights                         sop_classifier.classifier.weight
cls/seq_relationship/output_bias                            sop_classifier.classifier.bias
""",
    "glue": """
output_weights                                              classifier.weight
output_bias                                                 classifier.bias
""",
    "squad1": """
cls/squad/output_weights                                    qa_outputs.weight
cls/squad/output_bias                                       qa_outputs.bias
""",
    "squad2": """
start_logits/dense/kernel                                   start_logits.dense.weight
start_logits/dense/bias                                     start_logits.dense.bias
end_logits/dense_0/kernel                                   end_logits.dense_0.weight
end_logits/dense_0/bias                                     end_logits.dense_0.bias
end_logits/LayerNorm/gamma                                  end_logits.LayerNorm.weight
end_logits/LayerNorm/beta                                   end_logits.LayerNorm.bias
end_logits/dense_1/kernel                                   end_logits.dense_1.weight
end_logits/dense_1/bias                                     end_logits.dense_1.bias
answer_class/dense_0/kernel                                 answer_class.dense_0.weight
answer_class/dense_0/bias                                   answer_class.dense_0.bias
answer_class/dense_1/kernel                                 answer_class.dense_1.weight
""",
}
MODELS = {
    "pretraining": AlbertForPreTraining,
    "three_shards": AlbertForPreTraining,
    "module": AlbertForPreTraining,
    "glue": AlbertForSequenceClassification,
    "squad1": AlbertForQuestionAnswering,
    "squad2": AlbertForQuestionAnsweringV2,
    "bfloat16": AlbertModel,
    "equal_sizes": AlbertModel,
}
READABLE = [case for case in CASES if case != "layer_normalization"]
MAPPING = "albert.encoder.embedding_hidden_mapping_in"


def google_names(case):
    """Return Hugging Face's name → the variable's of everything in a case."""
    _, changes, options = CASES[case]
    sizes = {**SIZES, **changes}
    pairs = dict(line.split() for line in (TRUNK + HEADS[options.get("head")]).splitlines() if line)
    for g in range(sizes["num_hidden_groups"]):
        for j in range(sizes["inner_group_num"]):
            for line in LAYER.split("\n")[1:-1]:
                old, new = line.split()
                new = f"albert.encoder.albert_layer_groups.{g}.albert_layers.{j}.{new}"
                pairs[f"bert/encoder/transformer/group_{g}/inner_group_{j}/{old}"] = new
    names = {new: ("" if "squad" in old else options.get("scope", "")) + old for old, new in pairs.items()}
    if sizes["embedding_size"] == sizes["hidden_size"]:
        del names[f"{MAPPING}.weight"], names[f"{MAPPING}.bias"]
    return names


def copied(case, folder):
    return Path(shutil.copytree(CHECKPOINTS / case, folder / case))


@pytest.mark.parametrize("case", READABLE)
def test_every_tensor_is_the_same_to_the_bit(case):
    weights = dict(read_tensorflow(CHECKPOINTS / case).weights)
    dtype = CASES[case][2].get("dtype", "float32")
    for new, old in google_names(case).items():
        got = weights.pop(new)
        kernel = old.endswith("/kernel")
        expected = numbers(old, got.shape[::-1] if kernel else got.shape, dtype)
        assert got.dtype == expected.dtype
        assert got.tobytes() == (expected.T if kernel else expected).tobytes(), new
    assert not [name for name in weights if not name.startswith(MAPPING)]


@pytest.mark.parametrize("case", MODELS)
def test_names_and_shapes_are_those_of_our_class(case):
    checkpoint = read_tensorflow(CHECKPOINTS / case)
    model = MODELS[case](checkpoint.config)
    shapes = {name.replace("albert.", model.prefix, 1): array.shape for name, array in checkpoint.weights.items()}
    if case.startswith("squad"):  # Google's graph has a pooler that nothing reads
        del shapes["albert.pooler.weight"], shapes["albert.pooler.bias"]
    assert shapes == {name: array.shape for name, array in model.params.items()}


def test_arrays_are_read_only_views_of_memory_maps():
    for name, array in read_tensorflow(CHECKPOINTS / "three_shards").weights.items():
        base = array
        while isinstance(base, np.ndarray):
            base = base.base
        assert isinstance(base, mmap.mmap), name
        assert not array.flags.writeable, name


def test_googles_gelu_is_the_tanh_form():
    checkpoint = read_tensorflow(CHECKPOINTS / "three_shards")
    assert checkpoint.config.hidden_act == "gelu_new"
    assert checkpoint.remarks == [
        "hidden_act is read as gelu_new, the tanh form, which Google's code computes for gelu"
    ]


def test_an_optimizers_moments_are_left_out_and_that_is_said():
    remark = "its optimizer's moments, 64 of them, are left out: training starts them anew"
    assert remark in read_tensorflow(CHECKPOINTS / "pretraining").remarks


def test_a_checkpoint_without_surprises_has_no_remarks():
    checkpoint = read_tensorflow(CHECKPOINTS / "module")
    assert checkpoint.remarks == []
    assert checkpoint.config.hidden_act == "relu"
    assert (checkpoint.config.num_hidden_groups, checkpoint.config.inner_group_num) == (2, 2)
    assert checkpoint.config.extra == {"net_structure_type": 0}


def test_the_head_tells_the_number_of_labels():
    checkpoint = read_tensorflow(CHECKPOINTS / "glue")
    assert checkpoint.config.num_labels == LABELS
    assert "num_labels is 3, as many as output_weights has rows" in checkpoint.remarks


def test_between_equal_sizes_the_projection_is_the_identity():
    checkpoint = read_tensorflow(CHECKPOINTS / "equal_sizes")
    np.testing.assert_array_equal(checkpoint.weights[f"{MAPPING}.weight"], np.eye(8, dtype=np.float32))
    np.testing.assert_array_equal(checkpoint.weights[f"{MAPPING}.bias"], np.zeros(8, np.float32))
    assert any("is the identity" in remark for remark in checkpoint.remarks)


def test_what_the_config_leaves_out_is_googles_default(tmp_path):
    (tmp_path / "mine.json").write_text('{"vocab_size": 29}')
    checkpoint = read_tensorflow(CHECKPOINTS / "pretraining", tmp_path / "mine.json")
    assert checkpoint.config == AlbertConfig(vocab_size=29, hidden_act="gelu_new", layer_norm_eps=1e-12)


@pytest.mark.parametrize(
    "case, path",
    [
        ("pretraining", ""),
        ("pretraining", "model.ckpt-best"),
        ("pretraining", "model.ckpt-best.index"),
        ("pretraining", "model.ckpt-best.meta"),
        ("three_shards", "model.ckpt-best.data-00001-of-00003"),
        ("module", ""),
        ("module", "variables"),
        ("module", "variables/variables"),
        ("module", "variables/variables.index"),
    ],
)
def test_a_checkpoint_is_found_by(case, path):
    prefix = CHECKPOINTS / case / CASES[case][0]
    assert find_tensorflow(CHECKPOINTS / case / path) == prefix
    assert read_tensorflow(str(CHECKPOINTS / case / path)).source == CHECKPOINTS / case


@pytest.mark.parametrize("path", ["", "nothing", "nothing.index", "config.json"])
def test_where_there_is_no_checkpoint_none_is_found(path, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert find_tensorflow(tmp_path / path) is None
    with pytest.raises(FileNotFoundError, match="is no TensorFlow checkpoint"):
        read_tensorflow(tmp_path / path)


def several(folder):
    for step in (5, 10, 20):
        write_bundle(folder / f"model.ckpt-{step}", {"x": tensor()})


@pytest.mark.parametrize("latest", ["model.ckpt-10", "/home/of/another/model.ckpt-10", "../../model.ckpt-10"])
def test_of_several_the_latest_is_taken(latest, tmp_path):
    several(tmp_path)
    state = f'model_checkpoint_path: "{latest}"\nall_model_checkpoint_paths: "model.ckpt-5"\n'
    (tmp_path / "checkpoint").write_text(state)
    assert find_tensorflow(tmp_path) == tmp_path / "model.ckpt-10"
    assert find_tensorflow(tmp_path / "model.ckpt-5") == tmp_path / "model.ckpt-5"


@pytest.mark.parametrize("state", [None, "", 'model_checkpoint_path: "model.ckpt-30"', 'model_checkpoint_path: ".."'])
def test_several_of_which_none_is_the_latest_are_listed(state, tmp_path):
    several(tmp_path)
    if state is not None:
        (tmp_path / "checkpoint").write_text(state)
    with pytest.raises(ValueError, match=r"give the path of one: model\.ckpt-10, model\.ckpt-20, model\.ckpt-5$"):
        find_tensorflow(tmp_path)


def test_a_config_that_lies_elsewhere_can_be_named(tmp_path):
    folder = copied("pretraining", tmp_path)
    (folder / "albert_config.json").rename(tmp_path / "tiny.json")
    with pytest.raises(FileNotFoundError, match=r"neither .*albert_config\.json nor .*albert_config\.json is there"):
        read_tensorflow(folder)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json is not a file"):
        read_tensorflow(folder, tmp_path / "nowhere.json")
    assert read_tensorflow(folder, tmp_path / "tiny.json").config == read_tensorflow(CHECKPOINTS / "pretraining").config


def test_a_layer_norm_for_each_layer_is_refused():
    with pytest.raises(ValueError, match=r"model\.ckpt-9\.index .*its LayerNorms are one per layer, while ALBERT as"):
        read_tensorflow(CHECKPOINTS / "layer_normalization")


@pytest.mark.parametrize(
    "name, message",
    [
        ("bert/encoder/layer_0/attention/self/query/kernel", "it is a BERT"),
        ("module/bert/encoder/layer_11/output/dense/bias", "it is a BERT"),
        ("bert/encoder/layer_shared/attention/self/query/kernel", "it is one of albert_zh's own models"),
        ("_CHECKPOINTABLE_OBJECT_GRAPH", "it is a model of TensorFlow 2"),
        ("encoder/layer/.ATTRIBUTES/VARIABLE_VALUE", "it is a model of TensorFlow 2"),
        ("bert/mystery", "1 of its variables are not ALBERT's, or there twice: bert/mystery$"),
        ("bert/\x1b[31m", r"twice: 'bert/\\x1b\[31m'$"),
        ("bert/pooler/dense", "twice: bert/pooler/dense$"),
        ("bert/pooler/dense/gamma", "twice: bert/pooler/dense/kernel$"),
        (
            "bert/encoder/transformer/group_0/inner_group_0/attention_2/self/query/bias",
            "not ALBERT's, .*: bert/.*/attention_2",
        ),
        ("module/bert/pooler/dense/kernel", "twice: module/bert/pooler/dense/kernel$"),
    ],
)
def test_what_is_no_albert_is_refused_by_name(name, message, tmp_path):
    write_bundle(
        tmp_path / "model.ckpt", {"bert/pooler/dense/kernel": tensor(), name: tensor(), "global_step": tensor()}
    )
    with pytest.raises(ValueError, match=rf"model\.ckpt\.index cannot be read as an ALBERT: .*{message}"):
        read_tensorflow(tmp_path)


@pytest.mark.parametrize(
    "slot",
    ["adam_m", "adam_v", "lamb_m", "lamb_v", "AdamWeightDecayOptimizer", "AdamWeightDecayOptimizer_1", "LAMBOptimizer"],
)
def test_slots_of_optimizers_are_no_variables_of_the_model(slot, tmp_path):
    write_bundle(tmp_path / "model.ckpt", {"output_bias": tensor(), f"output_bias/{slot}": tensor(offset=99)})
    (tmp_path / "albert_config.json").write_text(json.dumps(SIZES))
    checkpoint = read_tensorflow(tmp_path)
    assert list(checkpoint.weights) == ["classifier.bias"]
    assert any("moments, 1 of them, are left out" in remark for remark in checkpoint.remarks)


def test_an_index_of_several_blocks_is_read_whole(tmp_path):
    for packed in CHECKPOINTS.glob("many_blocks.*.xz"):
        (tmp_path / packed.stem).write_bytes(lzma.decompress(packed.read_bytes()))
    assert (tmp_path / "many_blocks.index").stat().st_size > 2**18
    tensors = read_tensors(list_bundle(tmp_path / "many_blocks"))
    assert list(tensors) == many_names()
    assert [int(array) for array in tensors.values()] == list(range(MANY))


def test_listing_reads_the_index_alone(tmp_path):
    folder = copied("three_shards", tmp_path)
    for data in folder.glob("*.data-*"):
        data.unlink()
    entry = list_bundle(folder / "model.ckpt-best")["bert/embeddings/word_embeddings"]
    assert (entry.dtype, entry.shape, entry.size) == ("float32", (29, 6), 29 * 6 * 4)


def test_tensors_come_in_the_order_they_are_asked_for():
    entries = list_bundle(CHECKPOINTS / "three_shards" / "model.ckpt-best")
    chosen = {name: entries[name] for name in reversed(entries)}
    assert list(read_tensors(chosen)) == list(chosen)


def test_tensors_that_are_not_asked_for_may_be_of_any_kind():
    entries = list_bundle(CHECKPOINTS / "slices" / "partitioned")
    assert list(entries) == ["p", "whole"]
    assert read_tensors({}) == {}
    with pytest.raises(ValueError, match=r"data-00000-of-00001 .*: p is a partitioned variable, stored in slices"):
        read_tensors({"p": entries["p"]})
    with pytest.raises(ValueError, match=r"data-00000-of-00001 .*: whole is of type number 7 of TensorFlow's DataType"):
        read_tensors({"whole": entries["whole"]})


@pytest.mark.parametrize(
    "number, dtype", [(2, "f8"), (3, "i4"), (4, "u1"), (5, "i2"), (6, "i1"), (9, "i8"), (10, "?"), (19, "f2")]
)
def test_types_are_numpys(number, dtype, tmp_path):
    array = np.arange(2).astype(dtype)
    write_bundle(
        tmp_path / "x", {"x": tensor((1, 2), size=array.nbytes, dtype=number, data=array.tobytes())}, array.tobytes()
    )
    got = read_tensors(list_bundle(tmp_path / "x"))["x"]
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array[None])


def test_numbers_may_begin_at_any_byte(tmp_path):
    data = b"?" + np.float32([1, -2]).tobytes()
    write_bundle(tmp_path / "x", {"x": tensor(offset=1, data=data[1:])}, data)
    assert read_tensors(list_bundle(tmp_path / "x"))["x"].tolist() == [1, -2]
