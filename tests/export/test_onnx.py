"""ONNX files: ONNX Runtime computes what the model does, and a shared weight is stored once."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from albert_np.cli import main
from albert_np.config import HIDDEN_ACTS, AlbertConfig
from albert_np.export import export_onnx, onnx_difference
from albert_np.gradcheck import randomize, small_config
from albert_np.model import (
    AlbertForMaskedLM,
    AlbertForPreTraining,
    AlbertForQuestionAnsweringV2,
    AlbertForSequenceClassification,
    AlbertModel,
    model_classes,
)

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

CLASSES = dict(model_classes())


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", CLASSES)
def test_onnx_runtime_computes_what_the_model_does(name, tmp_path):
    model = randomize(CLASSES[name](small_config()))
    size = export_onnx(model, tmp_path / "model.onnx")
    assert size == (tmp_path / "model.onnx").stat().st_size
    assert onnx_difference(model, tmp_path / "model.onnx") < 1e-5
    assert model.training
    model.params.flat[...] += 0.1  # so that the comparison can fail
    assert onnx_difference(model, tmp_path / "model.onnx") > 1e-3


@pytest.mark.parametrize("hidden_act", HIDDEN_ACTS)
def test_every_activation(hidden_act, tmp_path):
    model = randomize(AlbertForMaskedLM(small_config(hidden_act=hidden_act)))
    export_onnx(model, tmp_path / "model.onnx")
    assert onnx_difference(model, tmp_path / "model.onnx") < 1e-5


@pytest.mark.parametrize("sharing", ["all", "attention", "ffn", "none"])
def test_every_way_of_sharing(sharing, tmp_path):
    config = small_config(num_hidden_layers=4, num_hidden_groups=2 if sharing == "all" else 4, inner_group_num=2)
    model = randomize(AlbertModel(replace(config, sharing=sharing)))
    export_onnx(model, tmp_path / "model.onnx")
    assert onnx_difference(model, tmp_path / "model.onnx") < 1e-5


def test_batch_and_length_are_free_and_the_mask_is_honoured(tmp_path):
    model = randomize(AlbertModel(small_config())).eval()
    export_onnx(model, tmp_path / "model.onnx")
    run = session(tmp_path / "model.onnx")
    rng = np.random.default_rng(0)
    for B, T in ((1, 1), (1, model.config.max_position_embeddings), (5, 3)):
        inputs = {
            "input_ids": rng.integers(0, model.config.vocab_size, (B, T)),
            "attention_mask": np.ones((B, T), np.int64),
            "token_type_ids": rng.integers(0, 2, (B, T)),
        }
        inputs["attention_mask"][:, T // 2 + 1 :] = 0
        got, pooled = run.run(["last_hidden_state", "pooler_output"], inputs)
        expected = model(**inputs)
        np.testing.assert_allclose(got, expected.last_hidden_state, atol=1e-5)
        np.testing.assert_allclose(pooled, expected.pooler_output, atol=1e-5)
    inputs["input_ids"][:, T // 2 + 1 :] = 0
    changed = run.run(["last_hidden_state"], inputs)[0][:, : T // 2 + 1]
    np.testing.assert_allclose(changed, got[:, : T // 2 + 1], atol=1e-6)


def test_a_shared_weight_is_stored_once_at_every_depth(tmp_path):
    config = AlbertConfig(
        vocab_size=500, embedding_size=32, hidden_size=64, num_attention_heads=4, intermediate_size=256
    )
    sizes = []
    for layers in (2, 12):
        model = AlbertForPreTraining(replace(config, num_hidden_layers=layers))
        sizes.append(export_onnx(model, tmp_path / "model.onnx"))
        assert sizes[-1] < 4 * model.layout.size + 40_000
    assert sizes[1] - sizes[0] < 30_000  # nodes, and no weights
    stored = [tuple(tensor.dims) for tensor in onnx.load(tmp_path / "model.onnx").graph.initializer]
    assert stored.count((500, 32)) == 1  # the decoder is the word embeddings
    assert stored.count((64, 256)) == 1


def test_the_file_says_its_class_and_the_names_of_its_labels(tmp_path):
    model = AlbertForSequenceClassification(small_config(id2label={0: "no", 1: "maybe", 2: "yes"}, num_labels=3))
    export_onnx(model, tmp_path / "model.onnx")
    known = session(tmp_path / "model.onnx").get_modelmeta().custom_metadata_map
    assert known["class"] == "AlbertForSequenceClassification"
    assert json.loads(known["id2label"]) == {"0": "no", "1": "maybe", "2": "yes"}


class _Other(AlbertModel):
    pass


def test_the_likeliest_answers_are_the_models_and_none_is_where_none_may_be(tmp_path):
    model = randomize(AlbertForQuestionAnsweringV2(small_config())).eval()
    export_onnx(model, tmp_path / "model.onnx")
    run = session(tmp_path / "model.onnx")
    rng = np.random.default_rng(0)
    for B, T, allowed in ((1, 3, 3), (4, 9, 9), (4, 9, 4)):  # fewer places than the beam is wide, and more
        p_mask = np.ones((B, T), np.int64)
        p_mask[:, :allowed] = 0
        inputs = {
            "input_ids": rng.integers(0, model.config.vocab_size, (B, T)),
            "attention_mask": np.ones((B, T), np.int64),
            "token_type_ids": rng.integers(0, 2, (B, T)),
            "p_mask": p_mask,
        }
        expected = model(**inputs)
        got = dict(zip([out.name for out in run.get_outputs()], run.run(None, inputs), strict=True))
        assert got.keys() == set(expected.keys())
        K = min(5, T)
        assert (got["start_top_index"].shape, got["end_top_index"].shape) == ((B, K), (B, K * K))
        for name, values in got.items():
            if not name.endswith("_index"):
                np.testing.assert_allclose(values, getattr(expected, name), rtol=1e-5, atol=1e-5)
        likely = got["start_top_log_probs"] > -1e3
        assert likely.sum() == B * min(K, allowed)
        np.testing.assert_array_equal(got["start_top_index"][likely], expected.start_top_index[likely])
        likely = likely.repeat(K, 1) & (got["end_top_log_probs"] > -1e3)
        np.testing.assert_array_equal(got["end_top_index"][likely], expected.end_top_index[likely])


def test_what_cannot_be_exported_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="_Other is not exported to ONNX; allowed are AlbertModel"):
        export_onnx(_Other(small_config()), tmp_path / "model.onnx")
    with pytest.raises(TypeError, match="model must be one of albert_np's, got a NoneType"):
        export_onnx(None, tmp_path / "model.onnx")
    with pytest.raises(FileNotFoundError):
        export_onnx(AlbertModel(small_config()), tmp_path / "gone" / "model.onnx")
    model = AlbertForSequenceClassification(small_config())
    model.config.num_labels = 5
    with pytest.raises(ValueError, match="the config was changed since this AlbertForSequenceClassification was made"):
        export_onnx(model, tmp_path / "model.onnx")
    monkeypatch.setattr("albert_np.export.onnx_files.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="an ONNX file holds 2 GB at most"):
        export_onnx(AlbertModel(small_config()), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_convert_writes_an_onnx_file_and_compares_it(tmp_path):
    randomize(AlbertForMaskedLM(small_config())).save_pretrained(tmp_path / "model")
    target = tmp_path / "model.onnx"
    call = CliRunner().invoke(main, ["convert", str(tmp_path / "model"), str(target)])
    assert call.exit_code == 0, call.stderr
    assert "AlbertForMaskedLM" in call.stdout
    assert "ONNX Runtime's outputs differ from the model's by at most" in call.stdout
    again = CliRunner().invoke(main, ["convert", str(tmp_path / "model"), str(target)])
    assert (again.exit_code, again.stderr) == (2, f"albert-np: {target} already exists\n")
    for option in ("--dtype=float16", "--max-shard-mb=1"):
        call = CliRunner().invoke(main, ["convert", str(tmp_path / "model"), str(tmp_path / "b.onnx"), option])
        assert call.exit_code == 2
        assert "takes no --dtype and no --max-shard-mb" in call.stderr
    assert not (tmp_path / "b.onnx").exists()


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(package, tmp_path, monkeypatch):
    model = AlbertModel(small_config())
    export_onnx(model, tmp_path / "a.onnx")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'albert-np\[onnx\]'"):
        export_onnx(model, tmp_path / "b.onnx") if package == "onnx" else onnx_difference(model, tmp_path / "a.onnx")
    assert not (tmp_path / "b.onnx").exists()
