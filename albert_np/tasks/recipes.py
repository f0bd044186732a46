"""Fine-tuning tasks by name: with the paper's settings, and one of each kind for data of your own."""

from dataclasses import fields, replace
from typing import Any

from albert_np.tasks.kinds import KINDS
from albert_np.tasks.settings import NamedTask, settings_from

__all__ = ["TASKS", "check_task", "named_task", "task_from", "task_settings"]

# Lan et al. (2019), Table 14, in the order of its columns: learning rate, batch size, dropout of ALBERT and of the
# classifier, steps, warm-up, sequence length. The metrics and SQuAD's other lengths are google-research/albert's, whose
# version 2 checkpoints diverge with the paper's settings for RACE; race-v2 has those that its README gives instead.
_PAPER = (
    NamedTask("cola", "classification", "matthews", 1e-5, 16, 0.0, 0.1, 5336, 320, 512),
    NamedTask("sts-b", "regression", "pearson", 2e-5, 16, 0.0, 0.1, 3598, 214, 512),
    NamedTask("sst-2", "classification", "accuracy", 1e-5, 32, 0.0, 0.1, 20935, 1256, 512),
    NamedTask("mnli", "classification", "accuracy", 3e-5, 128, 0.0, 0.1, 10000, 1000, 512),
    NamedTask("qnli", "classification", "accuracy", 1e-5, 32, 0.0, 0.1, 33112, 1986, 512),
    NamedTask("qqp", "classification", "accuracy", 5e-5, 128, 0.1, 0.1, 14000, 1000, 512, positive_label="1"),
    NamedTask("rte", "classification", "accuracy", 3e-5, 32, 0.1, 0.1, 800, 200, 512),
    NamedTask("mrpc", "classification", "accuracy", 2e-5, 32, 0.0, 0.1, 800, 200, 512, positive_label="1"),
    NamedTask("wnli", "classification", "accuracy", 2e-5, 16, 0.1, 0.1, 2000, 250, 512),
    NamedTask("squad1", "answering", "f1", 5e-5, 48, 0.0, 0.1, 3649, 365, 384, 128, 64, 30),
    NamedTask("squad2", "answering-v2", "best_f1", 3e-5, 48, 0.0, 0.1, 8144, 814, 512, 128, 64, 30),
    NamedTask("race", "choice", "accuracy", 2e-5, 32, 0.1, 0.1, 12000, 1000, 512),
    NamedTask("race-v2", "choice", "accuracy", 1e-5, 32, 0.0, 0.1, 12000, 1000, 512),
)

TASKS: dict[str, NamedTask] = {task.name: task for task in (*_PAPER, *(kind.defaults for kind in KINDS.values()))}


def named_task(name: str) -> NamedTask:
    """Return a task of `TASKS`; ValueError lists them if there is none of that name."""
    if name not in TASKS:
        raise ValueError(f"task {name!r} is unknown; known are {', '.join(TASKS)}")
    return TASKS[name]


def task_settings(
    name: str, *, steps: int | None = None, epochs: float | None = None, warmup_steps: int | None = None, **changes: Any
) -> NamedTask:
    """Return a task of `TASKS` with some settings changed; None changes nothing.

    The warm-up keeps its share of all updates unless it is given. Raises ValueError for an unknown name, a value out of
    its bounds, a metric that tasks of this kind do not have, or if both steps and epochs are given; TypeError for a
    setting that there is not.
    """
    if strange := [setting for setting in changes if setting not in {field.name for field in fields(NamedTask)}]:
        raise TypeError(f"{strange[0]!r} is no setting of a task, see NamedTask")
    task = replace(named_task(name), **{field: value for field, value in changes.items() if value is not None})
    check_task(task)
    if steps is not None and epochs is not None:
        raise ValueError(f"steps={steps} and epochs={epochs}: give one of them")
    if steps is not None or epochs is not None:
        share = task.warmup_steps / task.steps if task.steps and task.warmup_steps is not None else task.warmup_fraction
        task = replace(task, steps=steps, epochs=epochs, warmup_steps=None, warmup_fraction=share)
    return task if warmup_steps is None else replace(task, warmup_steps=warmup_steps)


def check_task(task: NamedTask) -> None:
    """Raise ValueError if there is no such kind of task, or its answers are not measured by the task's metric."""
    if not isinstance(task, NamedTask):
        raise TypeError(f"task must be a name or a NamedTask, see task_settings; got a {type(task).__name__}")
    if task.kind not in KINDS:
        raise ValueError(f"kind={task.kind!r}: allowed are {', '.join(KINDS)}")
    if task.metric not in KINDS[task.kind].measures:
        raise ValueError(
            f"metric={task.metric!r}: {task.kind} is judged by one of {', '.join(KINDS[task.kind].measures)}"
        )


def task_from(values: object, source: object) -> NamedTask:
    """Return the task that a JSON object holds; ValueError names `source` and what is wrong."""
    task = settings_from(NamedTask, values, source)
    try:
        check_task(task)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    return task
