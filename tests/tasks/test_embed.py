"""Embeddings: the mean over tokens or [CLS], the same whatever stands beside a text."""

import copy
from contextlib import nullcontext

import numpy as np
import pytest

from albert_np.model import (
    AlbertForMaskedLM,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    AlbertModel,
)
from albert_np.tasks import embed, fill_mask, load_encoder, load_masked_lm
from albert_np.tokenization import AlbertTokenizer

TEXTS = ["the old dog", "cat", "", "a red house near the big green lamp"]


def test_each_vector_is_the_mean_of_its_tokens_or_that_of_cls(start):
    model, tokenizer = load_encoder(start, dtype="float64")
    for threads in (1, 3):
        mean, cls = (embed(model, tokenizer, TEXTS, pooling, threads=threads) for pooling in ("mean", "cls"))
        assert mean.shape == cls.shape == (4, model.config.hidden_size)
        for i, text in enumerate(TEXTS):
            states = model(tokenizer(text, return_tensors="np")["input_ids"]).last_hidden_state[0]
            np.testing.assert_allclose(mean[i], states.mean(axis=0), atol=1e-12)
            np.testing.assert_allclose(cls[i], states[0], atol=1e-12)
    assert embed(model, tokenizer, []).shape == (0, model.config.hidden_size)


def test_the_layers_of_every_model_are_read_and_left_as_they_are(start, tmp_path):
    expected = embed(*load_encoder(start), TEXTS, threads=1)
    assert expected.dtype == np.float32
    tokenizer = AlbertTokenizer.from_pretrained(start)
    for name, cls in (("head", AlbertForSequenceClassification), ("bare", AlbertModel), ("blanks", AlbertForMaskedLM)):
        with pytest.warns(UserWarning, match="newly initialised") if name == "head" else nullcontext():
            cls.from_pretrained(start, seed=3).save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
        model, _ = load_encoder(tmp_path / name)
        before = copy.deepcopy(model.params)
        np.testing.assert_array_equal(embed(model.train(), tokenizer, TEXTS, threads=1), expected)
        assert model.training
        np.testing.assert_array_equal(model.params.flat, before.flat)


def test_cut_texts_are_said_and_wrong_calls_refused(start):
    model, tokenizer = load_encoder(start)
    with pytest.warns(UserWarning, match="1 of 2 texts are cut to 32 tokens"):
        embed(model, tokenizer, ["cat", "cat " * 40])
    with pytest.raises(TypeError, match="texts must be a list of texts, got 'cat'"):
        embed(model, tokenizer, "cat")
    with pytest.raises(TypeError, match=r"texts\[1\] must be a text, got NoneType"):
        embed(model, tokenizer, ["cat", None])
    with pytest.raises(TypeError, match="model must be an AlbertModel, see load_encoder; got a str"):
        embed("model", tokenizer, ["cat"])
    with pytest.raises(TypeError, match="tokenizer must be an AlbertTokenizer, got a NoneType"):
        embed(model, None, ["cat"])
    with pytest.raises(ValueError, match="pooling='max': allowed are mean, cls"):
        embed(model, tokenizer, ["cat"], "max")


@pytest.mark.filterwarnings("ignore:not in .* newly initialised")
def test_blanks_are_filled_only_by_a_model_that_learned_to(start, tmp_path):
    tokenizer = AlbertTokenizer.from_pretrained(start)
    model = AlbertForTokenClassification.from_pretrained(start, seed=3)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds an AlbertForTokenClassification, which has no head that fills blanks"):
        load_masked_lm(tmp_path)
    with pytest.raises(TypeError, match="model is an AlbertForTokenClassification, which has no head"):
        fill_mask(model, tokenizer, "the [MASK]")
    with pytest.raises(TypeError, match="tokenizer must be an AlbertTokenizer, got a str"):
        fill_mask(load_masked_lm(start)[0], "m", "the [MASK]")
    with pytest.raises(TypeError, match="text must be one text, got list"):
        fill_mask(load_masked_lm(start)[0], tokenizer, ["the [MASK]"])
    assert len(fill_mask(*load_masked_lm(start), "the [MASK]", 3)[0]) == 3
    for top_k in (0, 1.5, True, 60):
        with pytest.raises(ValueError, match=f"top_k={top_k}: allowed are 1 to 59"):
            fill_mask(*load_masked_lm(start), "the [MASK]", top_k)


def test_a_tokenizer_without_a_token_that_is_needed_says_so(start):
    model, tokenizer = load_masked_lm(start)
    tokenizer.mask_token = tokenizer.pad_token = None
    with pytest.raises(ValueError, match="this tokenizer has no mask_token"):
        fill_mask(model, tokenizer, "the [MASK]")
    with pytest.raises(ValueError, match="this tokenizer has no pad_token"):
        embed(load_encoder(start)[0], tokenizer, TEXTS)


def test_hugging_faces_hidden_states_pooled_alike_are_the_same(start, torch, transformers):
    theirs = transformers.AlbertModel.from_pretrained(start, attn_implementation="eager").eval()
    batch = AlbertTokenizer.from_pretrained(start)(TEXTS, padding=True, return_tensors="np")
    tensors = {name: torch.tensor(array) for name, array in batch.items()}
    with torch.no_grad():
        states = theirs(**tensors).last_hidden_state
    mask = tensors["attention_mask"][:, :, None]
    expected = {"mean": (states * mask).sum(1) / mask.sum(1), "cls": states[:, 0]}
    model, tokenizer = load_encoder(start)
    for pooling, vectors in expected.items():
        np.testing.assert_allclose(embed(model, tokenizer, TEXTS, pooling), vectors.numpy(), atol=2e-5)
