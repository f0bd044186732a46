import math

import numpy as np
import pytest

from albert_np.config import AlbertConfig
from albert_np.model import AlbertModel
from albert_np.study.inside import head_statistics

NAMES = {"entropy", "distance", "self", "previous", "next", "first"}


@pytest.mark.parametrize("length", [1, 2, 9])
def test_a_head_that_looks_at_all_places_alike(length):
    found = head_statistics(np.full((2, 3, length, length), 1 / length), np.ones((2, length)))
    neighbour = (length - 1) / length**2
    expected = {
        "entropy": math.log(length),
        "distance": (length**2 - 1) / (3 * length),
        "self": 1 / length,
        "previous": neighbour,
        "next": neighbour,
        "first": 1 / length,
    }
    assert found.keys() == expected.keys() == NAMES
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], [value] * 3, atol=1e-12)


def test_padding_changes_nothing():
    config = AlbertConfig(
        vocab_size=30,
        embedding_size=4,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
        initializer_range=0.5,
    )
    model = AlbertModel(config, dtype="float64", seed=0).eval()
    ids = np.random.default_rng(0).integers(5, 30, (1, 7))
    alone = head_statistics(model(ids, output_attentions=True).attentions[1], np.ones((1, 7)))
    mask = np.array([[1] * 7 + [0] * 5])
    padded = model(np.pad(ids, [(0, 0), (0, 5)]), attention_mask=mask, output_attentions=True)
    for name, value in head_statistics(padded.attentions[1], mask).items():
        np.testing.assert_allclose(value, alone[name], rtol=1e-9)
