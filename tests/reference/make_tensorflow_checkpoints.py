"""Write tensorflow_checkpoints/: tiny checkpoints of ALBERT from TensorFlow's own writer.

    PYTHONPATH=tests python tests/reference/make_tensorflow_checkpoints.py

Needs tensorflow-cpu; 2.21 wrote what is committed, and writes the same bytes again. Names and shapes come out of a
graph of nothing but variables, in scopes nested as in google-research/albert (modeling.py, run_pretraining.py,
classifier_utils.py, squad_utils.py, lamb_optimizer.py), so that TensorFlow spells them. The numbers are those of
tensorflow_cases.py.
"""

import json
import lzma
import shutil
import tempfile
from pathlib import Path

import tensorflow as tf
from reference.tensorflow_cases import CASES, LABELS, SIZES, many_names, numbers

TARGET = Path(__file__).with_name("tensorflow_checkpoints")

scope = tf.compat.v1.variable_scope


def variable(name, *shape):
    tf.compat.v1.get_variable(name, shape, initializer=tf.compat.v1.zeros_initializer())


def dense(name, inputs, outputs, use_bias=True):
    with scope(name):
        variable("kernel", inputs, outputs)
        if use_bias:
            variable("bias", outputs)


def contrib_layer_norm(width):
    """Name as tf.contrib.layers.layer_norm does: by the variable scope, in which later layers find it again."""
    with scope(None, "LayerNorm"):
        variable("beta", width)
        variable("gamma", width)


class KerasLayerNorm:
    """Name as tf.keras.layers.LayerNormalization does: by the name scope, which is another one in each layer."""

    def __init__(self):
        self.count = 0

    def __call__(self, width):
        scope = f"layer_normalization_{self.count}" if self.count else "layer_normalization"
        self.count += 1
        for leaf in ("gamma", "beta"):
            tf.compat.v1.Variable(tf.zeros(width), name=f"{scope}/{leaf}", use_resource=False)


def albert(config, layer_norm):
    V, E, H = (config[key] for key in ("vocab_size", "embedding_size", "hidden_size"))
    with scope("bert"):
        with scope("embeddings"):
            variable("word_embeddings", V, E)
            variable("token_type_embeddings", config["type_vocab_size"], E)
            variable("position_embeddings", config["max_position_embeddings"], E)
            layer_norm(E)
        with scope("encoder"):
            if E != H:
                dense("embedding_hidden_mapping_in", E, H)
            with scope("transformer", reuse=tf.compat.v1.AUTO_REUSE):
                layers(config, layer_norm)
        with scope("pooler"):
            dense("dense", H, H)


def layers(config, layer_norm):
    L, G = config["num_hidden_layers"], config["num_hidden_groups"]
    for i in range(L):
        with scope(f"group_{int(i / L * G)}"), tf.name_scope(f"layer_{i}"):
            for j in range(config["inner_group_num"]):
                with scope(f"inner_group_{j}"):
                    attention_and_ffn(config["hidden_size"], config["intermediate_size"], layer_norm)


def attention_and_ffn(H, I, layer_norm):  # noqa: E741
    with scope("attention_1"):
        with scope("self"):
            for name in ("query", "key", "value"):
                dense(name, H, H)
        with scope("output"):
            dense("dense", H, H)
    layer_norm(H)
    with scope("ffn_1"), scope("intermediate"):
        dense("dense", H, I)
        with scope("output"):
            dense("dense", I, H)
    layer_norm(H)


def pretraining_head(config, layer_norm):
    H, E = config["hidden_size"], config["embedding_size"]
    with scope("cls/predictions"):
        with scope("transform"):
            dense("dense", H, E)
            layer_norm(E)
        variable("output_bias", config["vocab_size"])
    with scope("cls/seq_relationship"):
        variable("output_weights", 2, H)
        variable("output_bias", 2)


def glue_head(config, _):
    variable("output_weights", LABELS, config["hidden_size"])
    variable("output_bias", LABELS)


def squad1_head(config, _):
    variable("cls/squad/output_weights", 2, config["hidden_size"])
    variable("cls/squad/output_bias", 2)


def squad2_head(config, layer_norm):
    H = config["hidden_size"]
    with scope("start_logits"):
        dense("dense", H, 1)
    with scope("end_logits"):
        dense("dense_0", 2 * H, H)
        layer_norm(H)
        dense("dense_1", H, 1)
    with scope("answer_class"):
        dense("dense_0", 2 * H, H)
        dense("dense_1", H, 1, use_bias=False)


HEADS = {"pretraining": pretraining_head, "glue": glue_head, "squad1": squad1_head, "squad2": squad2_head}


def variables(config, head=None, moments=False, keras_layer_norm=False):
    """Return name → shape of all variables, in the order in which the graph makes them."""
    layer_norm = KerasLayerNorm() if keras_layer_norm else contrib_layer_norm
    with tf.Graph().as_default():
        albert(config, layer_norm)
        if head:
            HEADS[head](config, layer_norm)
        made = {each.op.name: tuple(each.shape) for each in tf.compat.v1.global_variables()}
    if moments:
        made |= {f"{name}/{moment}": shape for name, shape in made.items() for moment in ("adam_m", "adam_v")}
    return made


def write(prefix, tensors, shards):
    """Save the tensors in turns into several bundles and merge these, as tf.train.Saver(sharded=True) does."""
    prefix.parent.mkdir(parents=True)
    names = list(tensors)
    parts = [f"{prefix}_part_{i}" for i in range(shards)]
    for i, part in enumerate(parts):
        mine = names[i::shards]
        tf.raw_ops.SaveV2(
            prefix=part, tensor_names=mine, shape_and_slices=[""] * len(mine), tensors=[tensors[n] for n in mine]
        )
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(prefix))


def write_case(case):
    prefix, changes, options = CASES[case]
    options = {"dtype": "float32", "scope": "", "shards": 1, **options}
    dtype, module, shards = (options.pop(key) for key in ("dtype", "scope", "shards"))
    config = {**SIZES, **changes}
    tensors = {"global_step": tf.constant(12345, tf.int64)} if options.get("head") == "pretraining" else {}
    for name, shape in variables(config, **options).items():
        name = name if name.startswith("cls/squad") else module + name
        tensors[name] = tf.cast(numbers(name, shape, dtype), dtype)  # exact: they are of that type already
    write(TARGET / case / prefix, tensors, shards)
    folder = TARGET / case / ("assets" if prefix.startswith("variables/") else "")
    folder.mkdir(exist_ok=True)
    (folder / "albert_config.json").write_text(json.dumps(config, indent=2) + "\n")


def write_many_blocks():
    """Write an index of several blocks, packed, since its names are long and all alike."""
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder) / "bundle" / "many_blocks"
        write(prefix, {name: tf.constant(i, tf.uint8) for i, name in enumerate(many_names())}, 1)
        for path in prefix.parent.iterdir():
            (TARGET / f"{path.name}.xz").write_bytes(lzma.compress(path.read_bytes()))


def write_slices():
    """Write a partitioned variable: two slices of p (4, 3)."""
    folder = TARGET / "slices"
    folder.mkdir()
    tf.raw_ops.SaveV2(
        prefix=str(folder / "partitioned"),
        tensor_names=["p", "p", "whole"],
        shape_and_slices=["4 3 0,2:-", "4 3 2,2:-", ""],
        tensors=[tf.ones((2, 3)), tf.zeros((2, 3)), tf.constant(["text"])],
    )


if __name__ == "__main__":
    shutil.rmtree(TARGET, ignore_errors=True)
    for case in CASES:
        write_case(case)
    write_many_blocks()
    write_slices()
