"""Attention by blocks of heads is attention: the same numbers, and no probabilities that wait for the backward pass."""

import numpy as np
import pytest

from albert_np import ops
from albert_np.execution import AttentionCall, head_blocks, keeps_probabilities
from albert_np.gradcheck import assert_gradients, randomize, small_config
from albert_np.model import AlbertForPreTraining

B, N, T, S, D = 2, 3, 5, 7, 4
MASKS = {"none": None, "of keys": (B, 1, 1, S), "of all": (B, N, T, S), "of places": (1, 1, T, S)}


@pytest.fixture(params=[1, 2, N])
def heads_a_block(request, monkeypatch):
    """Blocks of one head, of two and one, of a whole sequence but one number, which is as many heads less one."""
    size = request.param * T * S * 8
    monkeypatch.setattr(head_blocks, "BLOCK_BYTES", size - 8 if request.param == N else size)


def arguments(mask, dtype="float64"):
    rng = np.random.default_rng(0)
    query, key, value = (  # views, as those of the heads in one array of all three
        rng.standard_normal((B, length, N, 2 * D)).astype(dtype)[..., :D].swapaxes(1, 2) for length in (T, S, S)
    )
    added = None if MASKS[mask] is None else np.where(rng.random(MASKS[mask]) < 0.4, -1e9, 0).astype(dtype)
    return query, key, value, added


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-14), ("float32", 2e-6)])
@pytest.mark.parametrize("mask", MASKS)
def test_blocks_give_what_the_whole_gives(mask, dtype, tolerance, monkeypatch):
    given = arguments(mask, dtype)
    dcontext = np.random.default_rng(1).standard_normal((B, N, T, D)).astype(dtype)
    expected, whole = ops.attention_forward(*given)
    back = ops.attention_backward(dcontext, whole)
    for heads in (1, 2):
        monkeypatch.setattr(head_blocks, "BLOCK_BYTES", heads * T * S * np.dtype(dtype).itemsize)
        context, call = ops.attention_forward(*given)
        assert isinstance(call, AttentionCall)
        pairs = [
            (context, expected),
            (call.dropped, whole.dropped),
            *zip(ops.attention_backward(dcontext, call), back, strict=True),
        ]
        for ours, theirs in pairs:
            assert ours.dtype == theirs.dtype == dtype
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_gradients_of_blocks_are_right(heads_a_block):
    query, key, value, mask = arguments("of keys")
    inputs = {"query": query, "key": key, "value": value}
    assert_gradients(lambda **given: ops.attention_forward(**given, mask=mask), ops.attention_backward, inputs)


@pytest.mark.parametrize("mask", MASKS)
def test_a_row_without_a_key_sees_all_alike_as_in_the_formula(mask, monkeypatch):
    query, key, value, added = arguments(mask, "float32")
    hidden = np.float32(np.finfo(np.float32).min)
    added = np.zeros((B, 1, T, S), np.float32) if added is None else np.broadcast_to(added, (B, N, T, S)).copy()
    added[1, :, 2] = hidden
    expected, whole = ops.attention_forward(query, key, value, added)
    back = ops.attention_backward(np.ones_like(expected), whole)
    monkeypatch.setattr(head_blocks, "BLOCK_BYTES", 0)
    context, call = ops.attention_forward(query, key, value, added)
    np.testing.assert_allclose(call.dropped[1, :, 2], 1 / S, rtol=1e-6)
    np.testing.assert_allclose(context, expected, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(ops.attention_backward(np.ones_like(expected), call), back, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_block_holds_as_many_heads_as_fit_and_never_none(monkeypatch):
    for heads, blocks in {0: [(1, 1)] * 6, 1: [(1, 1)] * 6, 2: [(1, 2), (1, 1)] * 2}.items():
        monkeypatch.setattr(head_blocks, "BLOCK_BYTES", heads * T * S * 8)
        _, call = ops.attention_forward(*arguments("none"))
        assert [call.query[block].shape[:2] for block in call.blocks()] == blocks


def test_what_is_dropped_at_random_is_drawn_for_all_heads_at_once(monkeypatch):
    monkeypatch.setattr(head_blocks, "BLOCK_BYTES", 0)
    query, key, value, _ = arguments("none")
    _, cache = ops.attention_forward(query, key, value, None, 0.5, np.random.default_rng(0))
    assert cache.dropout.kept.shape == (B, N, T, S)
    _, call = ops.attention_forward(query, key, value, None, 0.5, None)
    assert isinstance(call, AttentionCall)


def test_probabilities_are_kept_up_to_128_tokens_of_base_and_computed_again_beyond():
    assert keeps_probabilities(12, 128, 128)
    assert not keeps_probabilities(12, 129, 129)


def step(padded, recompute="none"):
    model = AlbertForPreTraining(small_config(), dtype="float64")
    randomize(model)
    model.eval().recompute = recompute
    rng = np.random.default_rng(2)
    ids, mask = rng.integers(1, 23, (3, 8)), np.ones((3, 8), int)
    mask[1, 5:] = 0
    out = model(
        ids,
        mask,
        labels=np.where(mask, ids, -100),
        sentence_order_label=[0, 1, 1],
        output_attentions=True,
        skip_padding=padded,
    )
    model.backward()
    return out.loss, model.grads.flat, *out.attentions


@pytest.mark.parametrize("skip_padding", [False, True])
@pytest.mark.parametrize("recompute", ["none", "layer"])
def test_a_model_computes_the_same_in_blocks(skip_padding, recompute, monkeypatch):
    expected = step(skip_padding, recompute)
    monkeypatch.setattr(head_blocks, "BLOCK_BYTES", 0)
    for ours, theirs in zip(step(skip_padding, recompute), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)
