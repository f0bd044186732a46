"""A model that moves to another backend, or is resized, leaves the weights that an optimizer or trainer knows."""

import copy

import numpy as np
import pytest
import toys.strict  # noqa: F401 — the backend of that name
from toys.kernel_launches import counted_kernels
from toys.training_process import make_trainer

from albert_np.backend import register
from albert_np.execution import counted, strict_backend
from albert_np.gradcheck import small_batch, small_config
from albert_np.model import AlbertForPreTraining
from albert_np.training import LAMB


def trained_once(model, optimizer):
    model.zero_grad()
    model(**small_batch(model.config))
    model.backward()
    optimizer.step(1e-3)
    return model.backend.to_numpy(model.params.flat)


@pytest.mark.parametrize(
    "move", [lambda model: model.to("strict"), lambda model: model.resize_token_embeddings(30)], ids=["to", "resize"]
)
def test_an_optimizer_of_weights_that_the_model_has_left_says_so(move):
    model = AlbertForPreTraining(small_config())
    optimizer = LAMB(model.params, model.grads)
    trained_once(model, optimizer)
    move(model)
    with pytest.raises(RuntimeError, match="make the optimizer anew"):
        optimizer.step(1e-3)


def test_an_optimizer_made_anew_goes_on_with_the_state_of_the_old_one():
    model = AlbertForPreTraining(small_config(), dtype="float64")
    optimizer = LAMB(model.params, model.grads)
    trained_once(model, optimizer)
    stays, moments = copy.deepcopy((model, optimizer))
    state = optimizer.state_dict()
    model.to("strict")
    moved = LAMB(model.params, model.grads)
    moved.load_state_dict(state)
    np.testing.assert_allclose(trained_once(model, moved), trained_once(stays, moments), rtol=1e-10)


def test_moving_to_where_it_is_changes_nothing():
    model = AlbertForPreTraining(small_config(), backend="strict")
    model(**small_batch(model.config))
    model.backward()
    params, grads, cache = model.params, model.grads, model.cache
    assert model.to("strict") is model
    assert model.params is params
    assert model.grads is grads
    assert model.cache is cache
    LAMB(params, grads).step(1e-3)


def test_a_replica_that_moves_leaves_the_model_and_its_optimizer_alone():
    model = AlbertForPreTraining(small_config())
    optimizer = LAMB(model.params, model.grads)
    model.replica().to("strict")
    trained_once(model, optimizer)


def test_a_run_is_not_resumed_on_another_backend_without_a_word(tmp_path):
    moved = make_trainer(tmp_path)
    moved.model.to("strict")
    with pytest.raises(ValueError, match=r"others since model\.to"):
        moved.train(2)
    make_trainer(tmp_path).train(1)
    with pytest.raises(ValueError, match=r"model\.backend was 'absent', is 'strict'"):
        make_trainer(tmp_path, backend="strict").resume()


def test_an_update_on_a_device_waits_five_times(tmp_path):
    register(strict_backend(counted_kernels()))
    try:
        trainer = make_trainer(tmp_path, accumulation=1, backend="strict")
        trainer.train(1)
        with counted() as counts:
            trainer._update()
    finally:
        register(strict_backend())
    assert counts.waits.total() <= 5, counts.waits
