"""Models of one's own against Hugging Face's reading of the same folder."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toys.tasks import model_folder

from albert_np.config import AlbertConfig
from albert_np.gradcheck import (
    TORCH_TOLERANCES,
    compare_with_torch,
    randomize,
    small_config,
    squad2_case,
    task_cases,
    trained_case,
)
from albert_np.model import AlbertForMaskedLM, AlbertForMultipleChoice, AlbertForPreTraining, AlbertModel
from albert_np.tokenization import AlbertTokenizer

pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

KINDS = {name: (type(model), model.config) for name, model, _ in task_cases()} | {
    cls.__name__: (cls, small_config()) for cls in (AlbertModel, AlbertForPreTraining, AlbertForMaskedLM)
}


def rows_of(case, dtype="float64"):
    return compare_with_torch(case.model, case.inputs, TORCH_TOLERANCES[dtype], case.twin)


def assert_right(case, dtype="float64"):
    rows = rows_of(case, dtype)
    assert all(row.ok for row in rows), "\n".join(str(row) for row in rows if not row.ok)
    names = {row.name for row in rows}
    assert {f"d {name}" for name in case.model.params} <= names
    assert {f"hidden_states[{i}]" for i in range(case.model.config.num_hidden_layers + 1)} <= names
    assert isinstance(case.model, AlbertModel) or "loss" in names


@pytest.mark.parametrize(
    "texts, error, message",
    [
        ([""], ValueError, r"texts\[0\] must be a text that is not empty, got ''"),
        (["a", " \n"], ValueError, r"texts\[1\] must be a text that is not empty"),
        (["a", 5], ValueError, r"texts\[1\] must be a text that is not empty, got 5"),
        ("a cat", TypeError, "texts must be a list of texts, got 'a cat'"),
        (["cat " * 40], ValueError, "has .* tokens, and the model 32 positions"),
    ],
)
def test_what_is_wrong_with_the_texts_is_said_before_pytorch_is_imported(start, texts, error, message, monkeypatch):
    monkeypatch.setattr("albert_np.gradcheck.trained.torch_and_transformers", lambda: pytest.fail("imported"))
    with pytest.raises(error, match=message):
        trained_case(start, "float64", texts)


@pytest.mark.parametrize("kind", KINDS)
def test_every_class_agrees_with_hugging_faces_reading_of_its_folder(kind, start, tmp_path):
    cls, config = KINDS[kind]
    tokenizer = AlbertTokenizer.from_pretrained(start)
    config = replace(config, vocab_size=len(tokenizer), max_position_embeddings=32)
    randomize(cls(config), scale=0.3).save_pretrained(tmp_path / "ours")
    tokenizer.save_pretrained(tmp_path / "ours")
    for dtype in TORCH_TOLERANCES:
        case = trained_case(tmp_path / "ours", dtype, ["the cat sees a dog", "a horse", "the old car"])
        assert (type(case.model), case.model.dtype) == (cls, dtype)
        cancels = cls is AlbertForMultipleChoice and dtype == "float32"
        assert [remark.partition(":")[0] for remark in case.remarks] == ["float32"] * cancels
        assert case.inputs["input_ids"].shape[-2] == 3
        assert_right(case, dtype)
    getattr(transformers, cls.__name__).from_pretrained(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    tokenizer.save_pretrained(tmp_path / "theirs")
    assert_right(trained_case(tmp_path / "theirs"))


@pytest.mark.parametrize("changes", [{"sharing": "attention", "num_hidden_groups": 0}, {"tie_word_embeddings": False}])
@pytest.mark.parametrize("stored", ["float16", "bfloat16", "float64"])
def test_sharing_ties_and_stored_dtypes_are_read_as_hugging_face_reads_them(changes, stored, tmp_path):
    model = randomize(AlbertForPreTraining(small_config(**changes), dtype="float64"))
    model.save_pretrained(tmp_path, dtype=stored)
    case = trained_case(tmp_path)
    assert case.remarks == [f"{tmp_path} has no tokenizer: the token ids are random"]
    assert_right(case)


@pytest.mark.filterwarnings("default")
def test_what_hugging_face_has_not_is_said(tmp_path):
    _, model, _ = squad2_case()
    model.save_pretrained(tmp_path)
    case = trained_case(tmp_path)
    assert case.remarks[0] == (
        "Hugging Face has no AlbertForQuestionAnsweringV2: what is below its head is compared, as AlbertModel"
    )
    assert_right(case)


def test_a_changed_albert_has_no_twin_at_hugging_face(tmp_path):
    AlbertModel(small_config()).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "changed_parts": {"norm": "rms_norm_forward"}}))
    with pytest.raises(ValueError, match="Hugging Face's PyTorch knows ALBERT as it is alone"):
        trained_case(tmp_path)


@pytest.mark.filterwarnings("default")
def test_a_head_that_the_folder_lacks_is_the_same_in_both(tmp_path):
    model = randomize(AlbertModel(small_config()))
    model.save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace("AlbertModel", "AlbertForSequenceClassification"))
    with pytest.warns(UserWarning, match="so newly initialised: classifier.weight"):
        case = trained_case(tmp_path)
    assert case.remarks[-1] == "not read by Hugging Face, so our numbers: classifier.bias, classifier.weight"
    assert_right(case)


@pytest.mark.filterwarnings("default")
def test_a_tensorflow_checkpoint_is_compared_with_its_own_weights():
    source = Path(__file__).parents[1] / "reference" / "tensorflow_checkpoints" / "pretraining"
    case = trained_case(source)
    assert "is a TensorFlow checkpoint: Hugging Face's model gets our weights" in case.remarks[-1]
    assert_right(case)


def test_numbers_that_were_read_wrongly_are_found(tmp_path, monkeypatch):
    randomize(AlbertForMaskedLM(small_config())).save_pretrained(tmp_path)
    real = AlbertForMaskedLM.from_checkpoint.__func__

    def misread(cls, *args, **kwargs):
        model = real(cls, *args, **kwargs)
        model.params["predictions.bias"][2] += 1e-6
        return model

    monkeypatch.setattr(AlbertForMaskedLM, "from_checkpoint", classmethod(misread))
    wrong = {row.name for row in rows_of(trained_case(tmp_path)) if not row.ok}
    assert {"loss", "logits"} <= wrong


def test_the_keys_bias_is_zero_but_for_rounding_and_nothing_else_is(tmp_path):
    randomize(AlbertForPreTraining(small_config())).save_pretrained(tmp_path)
    for dtype in TORCH_TOLERANCES:
        rows = rows_of(trained_case(tmp_path, dtype), dtype)
        assert [row.name.rpartition("attention.")[2] for row in rows if row.zero] == ["key.bias"]
        assert "; zero but for rounding" in "".join(map(str, rows))


def test_texts_that_do_not_fit_are_told(tmp_path):
    folder = model_folder(tmp_path / "model", positions=8)
    with pytest.raises(ValueError, match=r"the text 'the cat .*' has 10 tokens, and the model 8 positions"):
        trained_case(folder, texts=["a dog", "the cat sees a dog near the car"])
    assert_right(trained_case(folder, texts=["a dog"]))
    AlbertForMultipleChoice(AlbertConfig.from_pretrained(folder)).save_pretrained(tmp_path / "choice")
    with pytest.raises(ValueError, match="texts: a choice is between two or more, and one was given"):
        trained_case(tmp_path / "choice", texts=["a dog"])
    with pytest.raises(FileNotFoundError, match="holds neither spiece"):
        trained_case(tmp_path / "choice", texts=["a dog", "a cat"])
    np.testing.assert_array_equal(trained_case(tmp_path / "choice").inputs["input_ids"].shape, (1, 2, 8))
