"""Copies and pickles of stores, models and outputs: names and arena stay one memory, and share none with the first."""

import copy
import pickle

import numpy as np
import pytest

from albert_np.backend import get_backend
from albert_np.execution import Replicas, split
from albert_np.gradcheck import inputs_of, randomize, small_batch, small_config
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining, AlbertModel

COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda x: pickle.loads(pickle.dumps(x))}
NAME = "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.weight"


@pytest.fixture
def model():
    return randomize(AlbertForPreTraining(small_config(num_hidden_groups=2, num_hidden_layers=2), dtype="float64"))


@pytest.mark.parametrize("how", COPIES)
def test_a_copied_store_has_one_memory_of_its_own(model, how):
    copied = COPIES[how](model.params)
    assert list(copied) == list(model.params)
    np.testing.assert_array_equal(copied.flat, model.params.flat)
    copied.flat[...] = 0
    assert not copied[NAME].any()
    assert not copied["predictions.decoder.weight"].any()
    assert model.params[NAME].all()
    copied[NAME] = np.ones_like(copied[NAME])
    assert copied.flat.sum() == copied[NAME].size


def test_the_arena_of_a_store_cannot_be_replaced(model):
    with pytest.raises(AttributeError, match=r"cannot be replaced.*use flat\[\.\.\.\] ="):
        model.params.flat = np.zeros_like(model.params.flat)
    model.params.flat += 1  # in place


@pytest.mark.parametrize("how", COPIES)
def test_a_copied_model_computes_the_same_and_goes_its_own_way(model, how):
    batch = small_batch(model.config)
    model.train()
    loss = float(model(**batch).loss)
    model.backward()
    copied = COPIES[how](model)
    np.testing.assert_array_equal(copied.grads.flat, model.grads.flat)
    assert (copied.training, copied.config, copied.backend.name) == (True, model.config, "numpy")
    with pytest.raises(RuntimeError, match="needs a forward pass"):
        copied.backward()
    assert float(copied(**batch).loss) == loss
    copied.backward()
    np.testing.assert_allclose(copied.grads.flat, 2 * model.grads.flat)
    copied.params.flat[...] = 0
    assert float(model(**batch).loss) == loss


def test_a_copied_model_draws_the_same_dropout_masks():
    model = randomize(AlbertForPreTraining(small_config(hidden_dropout_prob=0.3)))
    batch = small_batch(model.config)
    other = copy.deepcopy(model)
    assert model.training
    assert float(model(**batch).loss) == float(other(**batch).loss)


@pytest.mark.parametrize("cls", [AlbertModel, AlbertForPreTraining, AlbertForMaskedLM])
@pytest.mark.parametrize("how", COPIES)
def test_a_copied_output_holds_all_that_the_first_does(cls, how):
    model = randomize(cls(small_config())).eval()
    out = model(**inputs_of(model, small_batch(model.config)), output_hidden_states=True, output_attentions=True)
    copied = COPIES[how](out)
    model.params.flat[...] = 0
    out.last_hidden_state[...] += 1
    np.testing.assert_array_equal(copied.last_hidden_state + 1, out.last_hidden_state)
    for name in ("prediction_logits", "logits", "sop_logits", "loss"):
        if hasattr(out, name):
            np.testing.assert_array_equal(getattr(copied, name), getattr(out, name))
            assert np.any(getattr(copied, name))
    assert len(copied.attentions) == 2


@pytest.mark.parametrize("how", COPIES)
def test_copied_replicas_share_the_weights_of_their_own_model(model, how):
    replicas = Replicas(model.eval(), 2)
    copied = COPIES[how](replicas)
    batch = small_batch(model.config, batch=4)
    for each in (replicas, copied):
        each.model.zero_grad()
        each.map(lambda m, part: (m(**part), m.backward()), split(batch, 2))
    np.testing.assert_array_equal(copied.model.grads.flat, model.grads.flat)
    assert copied._copies[0].params is copied.model.params is not model.params


def test_moving_a_model_keeps_names_and_arena_one(model):
    model.to("numpy")
    model.params.flat[...] = 3
    assert (model.params[NAME] == 3).all()
    assert model.backend is get_backend("numpy")
