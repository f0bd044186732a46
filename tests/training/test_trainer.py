"""The trainer: accumulation, the log, evaluation, refused settings, NaN; on a small real model."""

import hashlib
import json
import math
import os
import pickle
import re
import shutil
import signal
import threading
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from toys.training_process import Position, RandomData, evaluate, make_trainer

from albert_np.params import ParamStore
from albert_np.pretraining import PRETRAINING
from albert_np.training import (
    AdamW,
    CheckpointError,
    MetricsLog,
    NonFiniteError,
    TrainingInterrupted,
    first_nonfinite,
    latest_checkpoint,
    read_metrics,
    schedules,
)

NO_DROPOUT = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0, "classifier_dropout_prob": 0}


def make_exact(output, **changes):
    """A trainer in float64 without dropout, where parts and whole can be compared."""
    return make_trainer(output, config=NO_DROPOUT, dtype="float64", optimizer=AdamW, **changes)


def test_accumulation_is_exactly_the_large_batch(tmp_path):
    whole = make_exact(tmp_path / "whole", batch_size=8, accumulation=1)
    parts = make_exact(tmp_path / "parts", batch_size=2, accumulation=4)
    batch = RandomData(8).batch_at(Position(0, 0))[0]
    counts = (batch.labels != -100).sum(axis=1).reshape(4, 2).sum(axis=1)
    pairs = (batch.sentence_order_label != -100).reshape(4, 2).sum(axis=1)
    assert len(set(counts)) > 1  # a mean of means would be another number
    assert len(set(pairs)) > 1
    for trainer in (whole, parts):
        trainer.train(3)
    assert_close(parts.model.grads.flat, whole.model.grads.flat)
    assert_close(parts.model.params.flat, whole.model.params.flat)
    for of_parts, of_whole in zip(*map(read_log, (parts, whole)), strict=True):
        for name in ("loss", "mlm_loss", "sop_loss", "grad_norm", "mlm_accuracy", "sop_accuracy"):
            assert of_parts[name] == pytest.approx(of_whole[name], rel=1e-12), name
        assert of_parts["tokens"] == of_whole["tokens"]


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


def read_log(trainer):
    return read_metrics(trainer.output / "metrics.jsonl")


def test_threads_share_a_batch_and_change_nothing_but_the_last_digits(tmp_path):
    sizes = []

    def tallies(output):
        sizes.append(len(output.sop_logits))
        return PRETRAINING.tallies(output)

    one = make_exact(tmp_path / "1", batch_size=8)
    three = make_exact(tmp_path / "3", batch_size=8, threads=3, objective=PRETRAINING._replace(tallies=tallies))
    for trainer in (one, three):
        trainer.train(3)
    assert len(sizes) == 3 * 2 * 3  # 2 batches to an update, 3 updates
    assert sum(sizes) == 8 * 2 * 3
    assert_close(three.model.params.flat, one.model.params.flat)
    assert read_log(three)[-1]["loss"] == pytest.approx(read_log(one)[-1]["loss"], rel=1e-12)


def test_training_learns_a_batch_by_heart(tmp_path):
    trainer = make_exact(tmp_path, accumulation=1, schedule=partial(schedules.constant, peak=0.01))
    trainer.data.examples = 4
    trainer.data.batch_at = partial(lambda batch, position: (batch, position), trainer.data.batch_at((0, 0))[0])
    trainer.train(150)
    log = read_log(trainer)
    assert log[0]["mlm_loss"] == pytest.approx(math.log(50), rel=0.1)
    assert log[-1]["loss"] < 0.05
    assert log[-1]["mlm_accuracy"] == log[-1]["sop_accuracy"] == 1


def test_each_record_holds_what_the_update_did(tmp_path):
    seen = []
    trainer = make_exact(tmp_path, log_every=2, evaluate=None, on_step=lambda record: seen.append(record))
    trainer.train(5)
    log = read_log(trainer)
    assert [record["step"] for record in log] == [2, 4, 5]  # every second, and the last
    assert [record["step"] for record in seen] == [1, 2, 3, 4, 5]
    first = make_exact(tmp_path / "again")
    batches = [first.data.batch_at(Position(0, i))[0] for i in (0, 4)]
    assert seen[0]["tokens"] == sum(batch.attention_mask.sum() for batch in batches)
    assert seen[0]["learning_rate"] == trainer.schedule(0)
    assert log[0]["loss"] == pytest.approx(log[0]["mlm_loss"] + log[0]["sop_loss"], rel=1e-12)
    assert log[0]["mlm_perplexity"] == pytest.approx(math.exp(log[0]["mlm_loss"]))
    assert log[1]["tokens_per_second"] == pytest.approx(
        (log[1]["tokens"] - log[0]["tokens"]) / (log[1]["seconds"] - log[0]["seconds"])
    )


def test_the_gradient_norm_reported_is_the_one_before_clipping(tmp_path):
    norms = []
    for max_grad_norm in (math.inf, 1e-3):
        trainer = make_exact(tmp_path / str(max_grad_norm), max_grad_norm=max_grad_norm)
        trainer.train(1)
        norms.append(read_log(trainer)[0]["grad_norm"])
        clipped = np.linalg.norm(trainer.model.grads.flat)
        assert clipped == pytest.approx(min(norms[0], max_grad_norm), rel=1e-12)
    assert norms[0] == norms[1] > 1e-3


def test_evaluation_weighs_by_counts_and_leaves_no_trace(tmp_path):
    model = make_exact(tmp_path).model
    large = RandomData(9).batch_at(Position(0, 0))[0]
    uneven = [type(large)(*(part[rows] for part in large)) for rows in (slice(0, 1), slice(1, 9))]
    before = (model.params.flat.copy(), model.rng.bit_generator.state)
    of_parts, of_whole = evaluate(model, uneven), evaluate(model, [large])
    assert of_parts == pytest.approx(of_whole, rel=1e-12)
    assert of_whole["mlm_perplexity"] == pytest.approx(math.exp(of_whole["mlm_loss"]), rel=1e-12)
    assert model.training
    np.testing.assert_array_equal(model.params.flat, before[0])
    assert model.rng.bit_generator.state == before[1]
    with pytest.raises(ValueError, match="batches is empty"):
        evaluate(model, [])


def test_evaluation_runs_without_dropout(tmp_path):
    model = make_trainer(tmp_path).model
    batches = [RandomData(9).batch_at(Position(0, 0))[0]]
    assert evaluate(model, batches) == evaluate(model, batches)


def test_what_was_not_asked_is_reported_as_none(tmp_path):
    trainer = make_exact(tmp_path)
    batch = RandomData(4).batch_at(Position(0, 0))[0]
    unlabelled = batch._replace(sentence_order_label=np.full(4, -100))
    metrics = evaluate(trainer.model, [unlabelled])
    assert metrics["sop_loss"] is None
    assert metrics["sop_accuracy"] is None
    assert metrics["loss"] == pytest.approx(metrics["mlm_loss"], rel=1e-12)


def test_evaluations_are_in_the_log_where_they_are_due_and_at_the_end(tmp_path):
    trainer = make_trainer(tmp_path, log_every=4, evaluate_every=3)
    trainer.train(7)
    log = read_log(trainer)
    assert [record["step"] for record in log] == [3, 4, 6, 7]
    assert [record["step"] for record in log if "evaluation" in record] == [3, 6, 7]
    assert log[0]["evaluation"].keys() >= {"mlm_loss", "mlm_accuracy", "mlm_perplexity", "sop_accuracy"}


def test_checkpoints_come_by_steps_by_seconds_and_at_both_ends(tmp_path, monkeypatch):
    saved = []
    trainer = make_trainer(tmp_path / "steps", save_files=lambda _: saved.append(trainer.state.step))
    trainer.train(7)
    assert saved == [0, 3, 6, 7]
    saved.clear()
    trainer = make_trainer(tmp_path / "seconds", checkpoint_every=100, checkpoint_seconds=2.0)
    trainer.save_files = lambda _: saved.append(trainer.state.step)
    clock = iter(range(1000))
    monkeypatch.setattr("albert_np.training.trainer.time.monotonic", lambda: float(next(clock)))
    trainer.train(7)
    assert saved[0] == 0
    assert saved[-1] == 7
    assert len(saved) > 3


def test_a_checkpoint_is_a_model_folder_with_everything_else_beside(tmp_path):
    trainer = make_trainer(tmp_path, save_files=lambda folder: (folder / "spiece.model").write_bytes(b"x"))
    trainer.train(3)
    folder = latest_checkpoint(tmp_path)
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "optimizer.safetensors",
        "trainer.json",
        "manifest.json",
        "spiece.model",
    }
    loaded = type(trainer.model).from_pretrained(folder)
    np.testing.assert_array_equal(loaded.params.flat, trainer.model.params.flat)
    contents = json.loads((folder / "trainer.json").read_text())
    assert contents["state"][:2] == [3, [0, 24]]
    assert contents["settings"]["schedule"]["name"] == "warmup_linear"


@pytest.mark.parametrize("threads", [1, 2])
def test_resuming_goes_on_bit_by_bit(tmp_path, threads):
    straight = make_trainer(tmp_path / "straight", threads=threads)
    first = make_trainer(tmp_path / "stopped", threads=threads)
    straight.train(20)
    first.train(10)
    second = make_trainer(tmp_path / "stopped", threads=threads)
    assert second.resume() == 10
    assert second.state.position == Position(1, 16)
    assert type(second.state.position) is Position
    second.train(20)
    np.testing.assert_array_equal(second.model.params.flat, straight.model.params.flat)
    assert [without_times(record) for record in read_log(second) if record["step"] > 10] == [
        without_times(record) for record in read_log(straight) if record["step"] > 10
    ]


def without_times(record):
    return {name: value for name, value in record.items() if "second" not in name}


def test_resuming_removes_the_checkpoint_that_a_killed_process_was_about_to_remove(tmp_path):
    trainer = make_trainer(tmp_path, checkpoint_every=1, keep=3)
    trainer.train(4)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3
    make_trainer(tmp_path, checkpoint_every=1, keep=2).resume()
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-00000003", "step-00000004"]


def test_a_model_in_eval_mode_is_trained_with_dropout(tmp_path):
    usual, loaded = make_trainer(tmp_path / "usual"), make_trainer(tmp_path / "loaded")
    loaded.model.eval()
    for trainer in (usual, loaded):
        trainer.train(1)
    np.testing.assert_array_equal(loaded.model.params.flat, usual.model.params.flat)


def test_the_log_is_on_disk_before_its_checkpoint(tmp_path, monkeypatch):
    trainer = make_trainer(tmp_path)
    synced = []
    fsync = os.fsync

    def note_fsync(descriptor):
        synced.append(os.fstat(descriptor).st_ino == os.stat(trainer.output / "metrics.jsonl").st_ino)
        fsync(descriptor)

    trainer.train(2)
    monkeypatch.setattr(os, "fsync", note_fsync)
    trainer.train(3)
    assert synced[0]
    assert sum(synced) == 1


def test_the_log_is_cut_back_to_the_checkpoint(tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.train(6)
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append({"step": 7})
    with log.path.open("a") as file:
        file.write('{"step": 8, "lo')
    make_trainer(tmp_path).resume()
    assert [record["step"] for record in read_metrics(log.path)] == [1, 2, 3, 4, 5, 6]
    assert log.path.read_text().endswith("}\n")


def test_a_broken_line_inside_the_log_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": "two"}\n{"step": 3}\n')
    with pytest.raises(ValueError, match="line 2"):
        read_metrics(path)


def test_numbers_that_json_lacks_become_null(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append({"step": 1, "loss": math.inf, "evaluation": {"loss": math.nan, "accuracy": 0.5}})
    assert read_metrics(log.path) == [{"step": 1, "loss": None, "evaluation": {"loss": None, "accuracy": 0.5}}]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"batch_size": 8}, "data.batch_size was 4, is 8"),
        ({"data_seed": 7}, "data.seed was 0, is 7"),
        ({"config": {"hidden_dropout_prob": 0.2}}, "model.config.hidden_dropout_prob was 0.1, is 0.2"),
        ({"dtype": "float64"}, "model.dtype was 'float32', is 'float64'"),
        ({"peak": 0.5}, "schedule.peak was 0.02, is 0.5"),
        ({"schedule": partial(schedules.constant, peak=0.02)}, "schedule.name was 'warmup_linear'"),
        ({"optimizer": AdamW}, "optimizer.name was 'LAMB', is 'AdamW'"),
        ({"accumulation": 3}, "accumulation was 2, is 3"),
        ({"threads": 2}, "threads was 1, is 2"),
        ({"max_grad_norm": 2.0}, "max_grad_norm was 1.0, is 2.0"),
        ({"settings": {"seed": 2}}, "seed was 1, is 2"),
        ({"settings": {}}, "seed was 1, is 'absent'"),
    ],
)
def test_changed_settings_are_refused_by_name(tmp_path, changes, named):
    seeded = {"settings": {"seed": 1}}
    make_trainer(tmp_path, **seeded).train(1)
    trainer = make_trainer(tmp_path, **{**seeded, **changes})
    before = trainer.model.params.flat.copy()
    with pytest.raises(ValueError, match=named):
        trainer.resume()
    np.testing.assert_array_equal(trainer.model.params.flat, before)
    assert trainer.state.step == 0


def test_of_many_settings_that_differ_ten_are_shown(tmp_path):
    make_trainer(tmp_path).train(1)
    rewrite_state(latest_checkpoint(tmp_path), lambda content: content.update(settings={}))
    with pytest.raises(ValueError, match=r"accumulation was 'absent', is 2; .*; and \d+ more$") as refused:
        make_trainer(tmp_path).resume()
    assert str(refused.value).count(" was ") == 10


def test_what_decides_no_number_may_change(tmp_path):
    make_trainer(tmp_path).train(1)
    trainer = make_trainer(tmp_path, log_every=3, checkpoint_every=9, keep=1, evaluate=None)
    assert trainer.resume() == 1


def test_a_folder_with_a_run_is_not_overwritten(tmp_path):
    make_trainer(tmp_path).train(1)
    with pytest.raises(FileExistsError, match="already holds a run"):
        make_trainer(tmp_path).train(2)


def test_a_run_without_a_whole_checkpoint_says_so(tmp_path):
    make_trainer(tmp_path).train(4)
    for folder in (tmp_path / "checkpoints").iterdir():
        (folder / "model.safetensors").write_bytes(b"")
    for act in (lambda trainer: trainer.train(4), lambda trainer: trainer.resume()):
        with pytest.warns(UserWarning, match="damaged"), pytest.raises(CheckpointError, match="no whole checkpoint"):
            act(make_trainer(tmp_path))


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("settings", [{"log_every": 1}, {"log_every": 100, "evaluate": None}])
def test_a_folder_deleted_during_training_is_not_made_again(tmp_path, replaced, settings):
    run = tmp_path / "run"

    def delete(record):
        if record["step"] == 2:
            shutil.rmtree(run)
            if replaced:
                (tmp_path / "kept").mkdir()  # so that no other folder gets the number of the deleted one
                run.mkdir()

    with pytest.raises(FileNotFoundError, match=r"run was deleted or replaced during training, after 3 updates"):
        make_trainer(run, on_step=delete, **settings).train(6)
    assert run.exists() == replaced
    assert not replaced or list(run.iterdir()) == []


def rewrite(folder, name, change):
    """Change a file of a checkpoint, and the manifest with it."""
    path = folder / name
    path.write_bytes(change(path.read_bytes()))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def rewrite_state(folder, change):
    def changed(data):
        content = json.loads(data)
        change(content)
        return json.dumps(content).encode()

    rewrite(folder, "trainer.json", changed)


DAMAGED = {
    "no state": (lambda c: c.pop("state"), "state is missing"),
    "a short state": (lambda c: c["state"].pop(), "state: .*shorter"),
    "a step that is none": (lambda c: c["state"].__setitem__(0, "3"), "step is '3'; allowed is a whole number from 0"),
    "a negative place": (lambda c: c["state"].__setitem__(1, [0, -1]), "state: a position holds -1; allowed"),
    "no place": (lambda c: c["state"].__setitem__(1, 7), "state: "),
    "endless seconds": (lambda c: c["state"].__setitem__(3, math.inf), "seconds is inf; allowed"),
    "no random state": (lambda c: c.update(random_state={}), "random_state.state is missing"),
    "another generator": (lambda c: c["random_state"].update(bit_generator="MT19937"), "random_state is none"),
    "numbers beyond the generator's": (lambda c: c["random_state"]["state"].update(inc=10**50), "random_state is none"),
    "settings that are none": (lambda c: c.update(settings=[]), "settings is a list; allowed is an object"),
    "versions that are none": (lambda c: c.update(versions={"numpy": 2}), "versions.*numpy.* is 2; allowed"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_state_is_named_by_file_and_field(tmp_path, damage):
    make_trainer(tmp_path).train(3)
    change, message = DAMAGED[damage]
    rewrite_state(latest_checkpoint(tmp_path), change)
    with pytest.raises(CheckpointError, match=rf"trainer\.json: {message}"):
        make_trainer(tmp_path).resume()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("trainer.json", b"[]", "must hold a JSON object"),
        ("trainer.json", b"\xff", "is not valid JSON"),
        ("optimizer.safetensors", b"x", "is not the state of this optimizer: .* cannot be read as safetensors"),
    ],
)
def test_a_damaged_file_of_the_state_is_named(tmp_path, name, data, message):
    make_trainer(tmp_path).train(3)
    rewrite(latest_checkpoint(tmp_path), name, lambda _: data)
    with pytest.raises(CheckpointError, match=rf"{re.escape(name)} {message}"):
        make_trainer(tmp_path).resume()


def test_other_versions_on_resumption_are_said(tmp_path):
    make_trainer(tmp_path).train(3)
    make_trainer(tmp_path).resume()  # the same: no warning
    rewrite_state(latest_checkpoint(tmp_path), lambda content: content["versions"].update(blas="openblas 0.3 Zen"))
    with pytest.warns(UserWarning, match=r"the run was made with blas openblas 0\.3 Zen, now .*: its last bits may"):
        make_trainer(tmp_path).resume()
    rewrite_state(latest_checkpoint(tmp_path), lambda content: content.pop("versions"))
    make_trainer(tmp_path).resume()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"step": 0}', r"line 2: step is 0; allowed"),
        ('{"step": true}', r"line 2: step is true; allowed"),
        ('{"loss": 1}', r"line 2: step is missing"),
        ('{"step": 2, "loss": "x"}', r"line 2: \['loss'\] is 'x'; allowed is"),
        ('{"step": 2, "evaluation": 3}', r"line 2: evaluation is 3; allowed is an object"),
        ('{"step": 2, "evaluation": {"f1": []}}', r"line 2: evaluation\['f1'\] is a list; allowed is"),
        ("[" * 50_000, "line 2 is not a record"),
        ("x" * 2**21, "line 2 is not a record"),
    ],
)
def test_a_record_that_is_none_is_named_by_line_and_field(tmp_path, line, message):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 0.5, "evaluation": {"f1": null}}\n' + line + '\n{"step": 3}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl, " + message):
        read_metrics(path)


def test_there_must_be_something_to_resume(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        make_trainer(tmp_path).resume()


def test_a_schedule_that_ends_too_early_is_refused_at_the_start(tmp_path):
    trainer = make_trainer(tmp_path)
    with pytest.raises(ValueError, match="step=25"):
        trainer.train(26)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["accumulation", "threads", "log_every", "evaluate_every", "checkpoint_every", "keep"])
def test_counts_below_one_are_named(tmp_path, name):
    with pytest.raises(ValueError, match=f"{name} is 0; allowed is a whole number from 1 "):
        make_trainer(tmp_path, **{name: 0})
    with pytest.raises(ValueError, match="max_grad_norm"):
        make_trainer(tmp_path, max_grad_norm=math.nan)


def test_an_optimizer_of_another_model_is_refused(tmp_path):
    def of_a_copy(params, grads):
        return AdamW(ParamStore(params.layout, params.flat.copy()), grads)

    with pytest.raises(ValueError, match="optimizer"):
        make_trainer(tmp_path, optimizer=of_a_copy)


# NaN and infinity.

QUERY = "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.query.weight"


def train_until_it_breaks(trainer, spoil, steps=5):
    """Train, spoil something after two updates, and return the error and the weights at that time."""
    kept = []

    def spoil_after_two(record):
        if record["step"] == 2:
            spoil(trainer.model)
            kept.append(trainer.model.params.flat.copy())

    trainer.on_step = spoil_after_two
    trainer.checkpoint_every = 2
    with pytest.raises(NonFiniteError) as caught:
        trainer.train(steps)
    return caught.value, kept[0]


def test_the_search_for_nan_goes_in_the_order_of_the_computation(tmp_path):
    class Step(NamedTuple):
        x: np.ndarray
        kept: object

    good, bad = np.ones(2), np.array([1.0, np.nan])
    model = make_trainer(tmp_path).model
    model.cache = None
    assert first_nonfinite(model) is None
    model.grads[QUERY][0, 0] = np.inf
    assert first_nonfinite(model) == f"grads[{QUERY!r}]"
    model.cache = Step(good, [Step(np.arange(3), None), Step(good, (3, "gelu", good, bad)), Step(bad, bad)])
    assert first_nonfinite(model) == "cache.kept[1].kept[3]"
    model.params[QUERY][0, 0] = np.nan
    assert first_nonfinite(model) == f"params[{QUERY!r}]"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_weight_is_named_and_never_saved(tmp_path, bad):
    trainer = make_trainer(tmp_path)

    def spoil(model):
        model.params[QUERY][3, 4] = bad

    error, _ = train_until_it_breaks(trainer, spoil)
    assert error.tensor == f"params[{QUERY!r}]"
    assert latest_checkpoint(tmp_path).name == "step-00000000"


@pytest.mark.parametrize("threads", [1, 2])
def test_an_activation_that_overflows_is_named_by_its_path(tmp_path, threads):
    trainer = make_trainer(tmp_path, checkpoint_every=2, threads=threads)

    def spoil(model):
        model.params[QUERY][...] = 3e38

    error, weights = train_until_it_breaks(trainer, spoil)
    assert re.fullmatch(r"cache\.albert\.encoder\.steps\[\d\]\.attention\.heads\..*\w+", error.tensor)
    assert error.step == 2
    assert "loss is" in str(error)
    np.testing.assert_array_equal(trainer.model.params.flat, weights)


def test_a_bad_gradient_is_named_and_no_update_is_made(tmp_path):
    trainer = make_trainer(tmp_path)

    def spoil(model):
        backward = model.backward

        def bad_backward():
            backward()
            model.grads["albert.pooler.weight"][0, 0] = np.nan
            model.grads["predictions.bias"][0] = np.inf

        model.backward = bad_backward

    error, weights = train_until_it_breaks(trainer, spoil)
    assert error.tensor == "grads['albert.pooler.weight']"
    assert "gradient norm is nan" in str(error)
    assert "√(B / 4096)" in str(error)
    np.testing.assert_array_equal(trainer.model.params.flat, weights)
    assert latest_checkpoint(tmp_path).name == "step-00000002"
    assert [record["step"] for record in read_log(trainer)] == [1, 2]


def test_after_nan_the_run_can_be_resumed_from_the_last_good_checkpoint(tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.train(3)

    def spoil(record):
        if record["step"] == 5:
            trainer.model.params.flat[0] = np.nan

    trainer.on_step = spoil
    with pytest.raises(FloatingPointError):
        trainer.train(12)
    again = make_trainer(tmp_path)
    assert again.resume() == 3
    again.train(6)
    assert [record["step"] for record in read_log(again)] == [1, 2, 3, 4, 5, 6]


# Signals, inside one process; those between processes are in test_training_kill.py.


@pytest.mark.parametrize(
    "error", [NonFiniteError(3, "the loss is nan", None, 0.01), TrainingInterrupted(4, Path("run"), "SIGINT")]
)
def test_errors_of_training_travel_between_processes(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), vars(copy)) == (str(error), vars(error))
    assert str(copy).startswith(("after 3 updates the loss is nan; first", "SIGINT after step 4; saved in run"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_first_signal_waits_for_the_step_and_a_second_does_not(tmp_path, number):
    previous = [signal.getsignal(each) for each in (signal.SIGINT, number)]
    finished = []

    def interrupt(record, signals):
        if record["step"] == 4:
            for number in signals:
                signal.raise_signal(number)
            finished.append(record["step"])

    once = make_trainer(tmp_path / "once", on_step=partial(interrupt, signals=[number]))
    with pytest.raises(TrainingInterrupted) as caught:
        once.train(10)
    assert finished == [4]
    assert (caught.value.step, caught.value.signal_name) == (4, number.name)
    assert caught.value.checkpoint == latest_checkpoint(tmp_path / "once")
    assert caught.value.checkpoint.name == "step-00000004"

    twice = make_trainer(tmp_path / "twice", on_step=partial(interrupt, signals=[signal.SIGINT] * 2))
    with pytest.raises(KeyboardInterrupt):
        twice.train(10)
    assert finished == [4]
    assert latest_checkpoint(tmp_path / "twice").name == "step-00000003"
    assert [signal.getsignal(each) for each in (signal.SIGINT, number)] == previous


def test_handlers_are_put_back_after_an_error_too(tmp_path):
    previous = signal.getsignal(signal.SIGINT)
    trainer = make_trainer(tmp_path, on_step=lambda record: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trainer.train(2)
    assert signal.getsignal(signal.SIGINT) is previous


def test_training_in_a_thread_leaves_signals_alone(tmp_path):
    trainer = make_trainer(tmp_path)
    thread = threading.Thread(target=trainer.train, args=(2,))
    thread.start()
    thread.join()
    assert trainer.state.step == 2


def test_a_full_disk_stops_the_run_with_its_last_checkpoint_whole(tmp_path, monkeypatch):
    trainer = make_trainer(tmp_path)

    def fill_the_disk(folder):
        if trainer.state.step == 6:
            raise OSError(28, "No space left on device")

    trainer.save_files = fill_the_disk
    with pytest.raises(OSError, match="needs about"):
        trainer.train(10)
    again = make_trainer(tmp_path)
    assert again.resume() == 3
    straight = make_trainer(tmp_path / "straight")
    for run in (again, straight):
        run.train(9)
    np.testing.assert_array_equal(again.model.params.flat, straight.model.params.flat)
