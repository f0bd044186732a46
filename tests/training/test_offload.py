"""What a device hands to the host between uses comes back to the bit."""

import copy
from functools import partial

import numpy as np
import pytest
from toys import strict
from toys.streams import played_backend

from albert_np import backend as backends
from albert_np.execution import counted
from albert_np.gradcheck import DROPOUT, small_batch, small_config
from albert_np.model import AlbertForPreTraining
from albert_np.pretraining import Recipe
from albert_np.training import LAMB, AdamW, optimizers

NAMES = {"steps", "first_moment", "second_moment"}


def trained(backend, optimizer=LAMB, recompute="layer", offload="none", moments=False, steps=3):
    config = small_config(num_hidden_layers=3, **DROPOUT)
    model = AlbertForPreTraining(config, backend=backend).train()
    model.recompute, model.offload = recompute, offload
    stepper = optimizer(model.params, model.grads, offload=moments)
    for i in range(steps):
        model.zero_grad()
        model(**small_batch(config, i))
        model.backward()
        stepper.step(0.01)
    return model, stepper


def numbers(model):
    return model.backend.to_numpy(model.params.flat)


@pytest.mark.parametrize("backend", ["numpy", "strict"])
@pytest.mark.parametrize("optimizer", [LAMB, AdamW])
def test_offloading_changes_no_bit(backend, optimizer):
    expected, moved = trained(backend, optimizer, "none"), trained(backend, optimizer, "layer", "inputs", True)
    np.testing.assert_array_equal(numbers(moved[0]), numbers(expected[0]))
    states = moved[1].state_dict(), expected[1].state_dict()
    assert states[0].keys() == states[1].keys() == NAMES
    for name in NAMES:
        np.testing.assert_array_equal(states[0][name], states[1][name])


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("optimizer", [LAMB, AdamW])
@pytest.mark.parametrize("frozen", [(), ("albert.encoder.embedding_hidden_mapping_in.weight",)])
def test_moments_are_fetched_part_by_part_to_the_same_bits(optimizer, early, frozen, monkeypatch):
    monkeypatch.setattr(optimizers, "MOST_FETCHED", 200)
    played = played_backend(early)
    monkeypatch.setitem(backends._backends, "moved", played)
    expected = trained("numpy", partial(optimizer, frozen=frozen))
    model, moved = trained("moved", partial(optimizer, frozen=frozen), moments=True)
    parts = optimizers._neighbours(moved._spans())
    assert len(parts) > 5
    assert max(part[-1].end - part[0].start for part in parts if len(part) > 1) <= 200
    log = played.xp.cuda.log
    assert log.count("copy in") == log.count("copy out") == 3 * 2 * len(parts)
    assert "wait of the host" not in log
    np.testing.assert_array_equal(numbers(model), numbers(expected[0]))
    assert getattr(moved, "trust_ratios", None) == getattr(expected[1], "trust_ratios", None)
    states = moved.state_dict(), expected[1].state_dict()
    assert "wait of the host" in log
    for name in NAMES:
        np.testing.assert_array_equal(states[0][name], states[1][name])


def test_a_copy_hands_out_moments_of_its_own(monkeypatch):
    played, rooms = played_backend(early=False), []
    pinned = played.xp.cuda.alloc_pinned_memory
    played.xp.cuda.alloc_pinned_memory = lambda size: rooms.append(size) or pinned(size)
    monkeypatch.setitem(backends._backends, "moved", played)
    _, optimizer = trained("moved", moments=True, steps=1)
    twin = copy.deepcopy(optimizer)
    assert rooms == [optimizer.first_moment.flat.nbytes] * 4  # which the system leaves in memory, for the copy's too
    optimizer.step(0.01)
    assert type(twin.first_moment.flat) is np.ndarray
    assert not np.shares_memory(twin.first_moment.flat, optimizer.first_moment.flat)
    twin.step(0.01)
    for name in NAMES:
        np.testing.assert_array_equal(twin.state_dict()[name], optimizer.state_dict()[name])


def test_moments_are_the_hosts_between_steps():
    model, optimizer = trained("strict", moments=True, steps=1)
    assert type(optimizer.first_moment.flat) is type(optimizer.second_moment.flat) is np.ndarray
    assert isinstance(model.params.flat, strict.StrictArray)
    again = LAMB(model.params, model.grads, offload=True)
    assert type(again.first_moment.flat) is np.ndarray
    again.load_state_dict(optimizer.state_dict())
    for each in (again, optimizer):
        with counted() as counts:
            each.step(0.0)
        assert (counts.launches["from_numpy"], counts.waits["to_numpy"]) == (2, 2)
    np.testing.assert_array_equal(again.second_moment.flat, optimizer.second_moment.flat)


def test_inputs_are_the_hosts_between_the_passes():
    model, _ = trained("strict", offload="inputs", steps=0)
    batch = small_batch(model.config)
    with counted() as counts:
        model.eval()(**batch)
    assert counts.waits["to_numpy"] == 3
    calls = model.cache.albert.encoder.calls
    assert [type(call.x) for call in calls] == [np.ndarray] * 3
    with counted() as counts:
        model.backward()
    assert counts.launches["from_numpy"] == 3
    assert [type(call.x) for call in calls] == [np.ndarray] * 3


def test_hidden_states_and_predictions_stay_on_the_device():
    model, _ = trained("strict", offload="inputs", steps=0)
    batch = small_batch(model.config)
    shown = model(**batch, output_hidden_states=True)
    assert all(isinstance(state, strict.StrictArray) for state in shown.hidden_states)
    model(**batch, grad=False)
    assert not model.cache


def test_what_may_be_offloaded_is_named():
    model = AlbertForPreTraining(small_config())
    with pytest.raises(ValueError, match="offload='inputs' is of what recompute='layer' keeps"):
        model.offload = "inputs"
    with pytest.raises(ValueError, match="offload='moments': allowed are none, inputs"):
        model.offload = "moments"
    model.recompute = "layer"
    model.offload = "inputs"
    assert model.replica().offload == "inputs"
    model.recompute = "none"
    assert model.offload == "none"


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"offload": "all"}, "offload is 'all'; allowed is one of"),
        ({"offload": "moments"}, "offload='moments': on backend='numpy' all is the host's already"),
        ({"offload": "both", "backend": "cupy"}, "offload='both' is of what recompute='layer' keeps: give both"),
    ],
)
def test_a_recipe_that_cannot_offload_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Recipe(10, **settings)
    Recipe(10, backend="cupy", recompute="layer", offload="both")
