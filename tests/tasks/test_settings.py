"""What the settings of tasks and runs may be."""

import dataclasses

import numpy as np
import pytest

from albert_np.tasks import KINDS, TASKS, FineTuningRecipe, NamedTask, task_settings
from albert_np.tasks.settings import settings_from

TASK = TASKS["classification"]


def test_a_learning_rate_of_0_is_0_and_none_is_what_suits_the_model():
    assert task_settings("classification", learning_rate=0.0).learning_rate_for(128) == 0
    assert task_settings("classification").learning_rate_for(128) == pytest.approx(1e-3)
    assert task_settings("classification").learning_rate_for(768) == pytest.approx(2.8e-5, rel=0.01)


WRONG = {
    "batch_size": (0, -1, 1.5, True, "8", 2**31, None),
    "learning_rate": (-1e-5, float("nan"), float("inf"), "fast"),
    "max_seq_length": (2, 10**10),
    "dropout": (-0.1, 1, 1.1, float("nan")),
    "classifier_dropout": (None, 1.0, 2),
    "warmup_steps": (-1, 0.5),
    "no_answer_above": (float("nan"), float("inf")),
    "label_threshold": (-0.1, 1.1),
    "positive_label": (1,),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_setting_out_of_its_bounds_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"task: {name} is .*; allowed is "):
        dataclasses.replace(TASK, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", -1),
        ("seed", 0.5),
        ("accumulation", 0),
        ("evaluate_every", 0),
        ("patience", 0),
        ("threads", 0),
        ("weight_decay", float("nan")),
        ("label_smoothing", 1.0),
        ("dtype", "float16"),
        ("backend", "torch"),
        ("freeze_trunk", 1),
    ],
)
def test_a_recipe_out_of_its_bounds_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"recipe: {name} is .*; allowed is "):
        FineTuningRecipe(**{name: value})
    with pytest.raises(ValueError, match="max_grad_norm=0"):
        FineTuningRecipe(max_grad_norm=0)


def test_steps_and_epochs_exclude_each_other():
    for changes in ({"steps": None, "epochs": None}, {"steps": 3, "epochs": 1}, {"epochs": 0}):
        with pytest.raises(ValueError, match="epochs"):
            dataclasses.replace(TASK, **changes)
    with pytest.raises(ValueError, match="steps is 0"):
        task_settings("cola", steps=0)


def test_a_metric_that_the_kind_has_not_is_refused_at_once():
    for kind in KINDS.values():
        assert kind.defaults.metric in kind.measures
        with pytest.raises(ValueError, match=f"metric='loss': {kind.name} is judged by one of {kind.measures[0]}"):
            task_settings(kind.name, metric="loss")
    assert all(task.metric in KINDS[task.kind].measures for task in TASKS.values())


def test_a_setting_that_there_is_not_is_named():
    with pytest.raises(TypeError, match="'learning_rte' is no setting of a task"):
        task_settings("cola", learning_rte=3)


def test_numpys_numbers_become_pythons():
    task = task_settings("cola", steps=np.int64(7), learning_rate=np.float32(0.5), batch_size=np.int32(4))
    assert [type(value) for value in (task.steps, task.learning_rate, task.batch_size)] == [int, float, int]
    assert type(FineTuningRecipe(seed=np.uint8(3)).seed) is int


def test_settings_that_were_written_are_read_and_damaged_ones_are_named():
    values = dataclasses.asdict(TASK)
    assert settings_from(NamedTask, values, "task.json") == TASK
    old = {name: value for name, value in values.items() if name not in ("no_answer_above", "label_threshold")}
    assert settings_from(NamedTask, old, "task.json") == TASK
    for damaged, message in (
        ([], "task.json: its content is a list"),
        ({name: value for name, value in values.items() if name != "kind"}, "task.json: kind is missing"),
        (values | {"bach_size": 3}, "task.json: 'bach_size' is no setting"),
        (values | {"steps": "many"}, "task.json: task: steps is 'many'; allowed is a whole number"),
        (values | {"batch_size": 10**8 * 100}, "task.json: task: batch_size is 10000000000"),
    ):
        with pytest.raises(ValueError, match=message):
            settings_from(NamedTask, damaged, "task.json")
