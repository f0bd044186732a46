"""Dropout masks: the bits that are published for the generator, even and without a trace of each other."""

import numpy as np
import pytest

from albert_np.execution import keep_mask


def splitmix64(seed, count):
    """The generator as published, one number after the other, in Python's whole numbers."""
    state, mask = seed, 2**64 - 1
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def test_the_published_numbers_of_splitmix64():
    assert [f"{z:x}" for z in splitmix64(0, 3)] == ["e220a8397b1dcdaf", "6e789e6aa1b965f4", "6c45d188009454f"]


@pytest.mark.parametrize("prob", [0.0, 1e-9, 0.1, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("seed", [0, 12345, 2**63 - 1, 2**64 - 1])
def test_masks_are_the_published_numbers_in_order(seed, prob):
    shape = (3, 5, 7)  # an odd number: the last hash is used by half
    halves = [half for z in splitmix64(seed, 53) for half in (z % 2**32, z >> 32)][:105]
    expected = np.array([half >= round(prob * 2**32) for half in halves]).reshape(shape)
    assert (keep_mask(shape, prob, seed) == expected).all()


def test_a_long_mask_goes_on_where_a_block_ends():
    whole = keep_mask((100_001,), 0.3, 9)
    for start in (32_768, 65_536, 98_304):  # blocks are two numbers from each of 2**14 hashes
        later = keep_mask((100,), 0.3, (9 + start // 2 * 0x9E3779B97F4A7C15) % 2**64)
        assert (whole[start : start + 100] == later).all()


def test_masks_are_even_and_do_not_know_of_each_other():
    n, prob = 1 << 18, 0.25
    seeds = [1, 2, 3, 2**40]
    masks = np.stack([keep_mask((n,), prob, seed) for seed in seeds]) - (1 - prob)
    error = np.sqrt(prob * (1 - prob) / n)
    assert (abs(masks.mean(axis=1)) < 5 * error).all()
    products = [masks[0] * masks[k] for k in (1, 2, 3)] + [
        masks[0, lag:] * masks[0, :-lag] for lag in (1, 2, 3, 64, 768)
    ]
    assert all(abs(product.mean()) < 5 * prob * (1 - prob) / np.sqrt(n) for product in products)
