"""Training in float16: the loss is scaled, an update that overflows is skipped and counted, and runs are resumed."""

import math

import numpy as np
import pytest
from toys.training_process import make_trainer

from albert_np.training import CheckpointError, LossScale, NonFiniteError, read_metrics

STATE = "trainer.json"


def test_the_scale_is_halved_by_an_overflow_and_doubled_after_enough_good_updates():
    scale = LossScale(8.0, doubled_after=3)
    norms = (1, 1, math.inf, 1, 1, 1, 1, math.nan)
    assert [(scale.accepts(norm), scale.value, scale.skipped) for norm in norms] == [
        (True, 8, 0),
        (True, 8, 0),
        (False, 4, 1),
        (True, 4, 1),
        (True, 4, 1),
        (True, 8, 1),
        (True, 8, 1),
        (False, 4, 2),
    ]


@pytest.mark.parametrize(
    "fields",
    [{"value": 0}, {"value": math.nan}, {"value": "big"}, {"doubled_after": 0}, {"good": -1}, {"skipped": 0.5}],
)
def test_a_scale_that_cannot_be_is_refused_by_name(fields):
    with pytest.raises(ValueError, match=f"LossScale: {next(iter(fields))} is .*; allowed is"):
        LossScale(**fields)


def test_a_scale_of_one_is_not_what_makes_gradients_infinite():
    scale = LossScale(2.0)
    assert not scale.accepts(math.inf)
    assert scale.accepts(math.inf)
    assert (scale.value, scale.skipped) == (1, 1)


def test_scaling_by_a_power_of_two_changes_no_bit_of_float32(tmp_path):
    plain = make_trainer(tmp_path / "plain")
    scaled = make_trainer(tmp_path / "scaled", loss_scale=LossScale(2.0**10))
    for trainer in (plain, scaled):
        trainer.train(4)
    np.testing.assert_array_equal(scaled.model.params.flat, plain.model.params.flat)


def test_only_float16_has_its_loss_scaled(tmp_path):
    assert [
        make_trainer(tmp_path / each, precision=each).loss_scale is not None
        for each in ("float32", "tf32", "bfloat16", "float16")
    ] == [False, False, False, True]


def test_an_overflow_skips_the_update_and_is_counted(tmp_path):
    trainer = make_trainer(tmp_path, precision="float16", loss_scale=LossScale(2.0**28))
    before = trainer.model.params.flat.copy()
    trainer.train(1)
    np.testing.assert_array_equal(trainer.model.params.flat, before)
    assert (trainer.state.step, trainer.optimizer.steps) == (1, 0)
    trainer.train(20)
    records = read_metrics(tmp_path / "metrics.jsonl")
    skipped = [record["grad_norm"] is None for record in records]
    assert 3 < sum(skipped) < 18
    assert records[-1]["skipped_updates"] == trainer.loss_scale.skipped == sum(skipped)
    assert records[-1]["loss_scale"] == trainer.loss_scale.value == 2.0 ** (28 - sum(skipped))
    assert trainer.optimizer.steps == 20 - sum(skipped)
    assert np.isfinite(trainer.model.params.flat).all()


@pytest.mark.parametrize("precision", ["tf32", "bfloat16", "float16"])
def test_a_run_is_resumed_to_the_bit(tmp_path, precision):
    def make(name):
        scale = LossScale(2.0**30, doubled_after=3) if precision == "float16" else None
        return make_trainer(tmp_path / name, precision=precision, loss_scale=scale, threads=2)

    straight, first = make("straight"), make("stopped")
    straight.train(16)
    first.train(8)
    second = make("stopped")
    assert second.resume() == 8
    assert second.loss_scale == first.loss_scale
    second.train(16)
    assert second.loss_scale == straight.loss_scale
    np.testing.assert_array_equal(second.model.params.flat, straight.model.params.flat)


def test_a_run_goes_on_in_the_precision_that_it_began_in(tmp_path):
    make_trainer(tmp_path, precision="bfloat16").train(2)
    with pytest.raises(ValueError, match=r"model\.precision was 'bfloat16', is 'absent'"):
        make_trainer(tmp_path).resume()


GOOD = {"value": 4.0, "doubled_after": 5, "good": 1, "skipped": 2}


def test_a_scale_comes_back_as_it_was_saved():
    scale = LossScale()
    scale.load(GOOD, STATE)
    assert scale.state() == GOOD


@pytest.mark.parametrize(
    "damaged, field", [(None, "an object"), (GOOD | {"value": 0.5}, "value"), (GOOD | {"good": -1}, "good")]
)
def test_a_damaged_scale_is_named(damaged, field):
    with pytest.raises(ValueError, match=rf"{STATE}.*{field}"):
        LossScale().load(damaged, STATE)


def test_a_checkpoint_without_a_scale_is_named(tmp_path):
    trainer = make_trainer(tmp_path, precision="float16")
    trainer.train(1)
    trainer.loss_scale, scale = None, trainer.loss_scale
    trainer.train(2)
    trainer.loss_scale = scale
    with pytest.raises(CheckpointError, match=r"trainer\.json.*object"):
        trainer.resume()


def test_an_activation_beyond_float16_ends_the_run_and_names_the_precision(tmp_path):
    trainer = make_trainer(tmp_path, precision="float16")
    trainer.model.params["albert.embeddings.LayerNorm.weight"] *= 1e6
    with pytest.raises(NonFiniteError, match="precision=float16, which ends at 65,504"):
        trainer.train(2)


def test_training_learns_in_every_precision(tmp_path):
    losses = {}
    for precision in ("float32", "tf32", "bfloat16", "float16"):
        trainer = make_trainer(tmp_path / precision, precision=precision)
        trainer.train(20)
        losses[precision] = read_metrics(tmp_path / precision / "metrics.jsonl")[-1]["loss"]
    assert all(abs(loss - losses["float32"]) < 0.05 for loss in losses.values())
    assert len(set(losses.values())) == 4
