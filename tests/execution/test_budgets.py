"""What a GPU would have to do in a pass and a step, counted on strict arrays: kernels launched, and waits of the host.

The budgets are those of the code as it is: a change that costs more launches or waits fails here, one that saves some
lowers them.
"""

import copy
import dataclasses

import numpy as np
import pytest
from toys import strict
from toys.training_process import make_trainer

from albert_np.execution import as_kernel, counted, strict_backend
from albert_np.gradcheck import DROPOUT, small_batch, small_config
from albert_np.model import AlbertForPreTraining
from albert_np.pretraining.objective import PRETRAINING
from albert_np.training.optimizers import LAMB, clip_by_global_norm

X = np.arange(12.0).reshape(3, 4)
# operation → launches, waits
SINGLE = {
    "an operator": (lambda xp, x: x * x, 1, 0),
    "in place": (lambda xp, x: x.__iadd__(1), 1, 0),
    "a view": (lambda xp, x: x.T.reshape(4, 3)[1:, None], 0, 0),
    "a copying reshape": (lambda xp, x: x.T.reshape(-1), 1, 0),
    "the same dtype": (lambda xp, x: x.astype(np.float64, copy=False), 0, 0),
    "out": (lambda xp, x: xp.sqrt(x, out=x), 1, 0),
    "a reduction": (lambda xp, x: x.sum(axis=-1), 1, 0),
    "room": (lambda xp, x: xp.empty((3, 4)), 0, 0),
    "zeros": (lambda xp, x: xp.zeros((3, 4)), 1, 0),
    "filled": (lambda xp, x: x.fill(0), 1, 0),
    "written into": (lambda xp, x: x.__setitem__(0, 1), 1, 0),
    "a product": (lambda xp, x: x @ x.T, 1, 0),
    "a product of a copied operand": (lambda xp, x: x[:, None] @ x[:, None].swapaxes(1, 2), 1, 0),
    "rows picked": (lambda xp, x: x[xp.arange(2)], 2, 0),
    "a mask": (lambda xp, x: x[x > 3], 5, 1),
    "places": (lambda xp, x: xp.flatnonzero(x), 4, 1),
    "a number read": (lambda xp, x: float(x[0, 0]), 0, 1),
    "a decision": (lambda xp, x: bool((x > 3).any()), 2, 1),
    "an item": (lambda xp, x: x[0, 0].item(), 0, 1),
}


@pytest.mark.parametrize("case", SINGLE)
def test_launches_and_waits_of_one_operation(case):
    operation, launches, waits = SINGLE[case]
    device = strict_backend()
    x = device.from_numpy(X)
    with counted() as counts:
        operation(device.xp, x)
    assert (counts.launches.total(), counts.waits.total()) == (launches, waits)


def test_a_stack_transposed_is_copied_before_its_product():
    x = strict.StrictArray(np.ones((2, 3, 4)))
    with counted() as counts:
        x @ x.swapaxes(1, 2)
    assert counts.launches == {"matmul": 2}


def test_moving_arrays_is_counted():
    device = strict_backend()
    with counted() as counts:
        device.to_numpy(device.from_numpy(X))
        device.synchronize()
    assert counts.launches == {"from_numpy": 1}
    assert counts.waits == {"to_numpy": 1, "synchronize": 1}


def test_nothing_is_counted_outside_and_an_inner_count_is_its_own():
    x = strict.StrictArray(X)
    with counted() as outer:
        x + x
        with counted() as inner:
            x * x
    x - x
    assert outer.launches == {"add": 1}
    assert inner.launches == {"mul": 1}


def test_a_kernel_counts_as_its_launches_and_computes_the_formula():
    def formula(x):
        return x * x + x

    device = strict_backend({"formula": as_kernel(formula, launches=2)})
    with counted() as counts:
        y = device.kernels["formula"](device.from_numpy(X))
    assert counts.launches == {"from_numpy": 1, "formula": 2}
    assert (y.inner == X * X + X).all()


# What is done → launches, waits; two layer steps, LAMB's 32 tensors
BUDGETS = {
    "forward": (186, 0),
    "zero_grad": (1, 0),
    "backward": (362, 0),
    "clip": (4, 1),
    "step": (552, 26),
}
PACKED = {"forward": (216, 0), "backward": (395, 0)}


@pytest.mark.parametrize("skip_padding, budgets", [(False, BUDGETS), (True, BUDGETS | PACKED)])
def test_launches_and_waits_of_a_training_step_stay_within_the_budget(skip_padding, budgets):
    config = small_config(num_hidden_layers=2, num_hidden_groups=1, inner_group_num=1)
    model = AlbertForPreTraining(config, backend="strict").train()
    batch = small_batch(config)
    optimizer = LAMB(model.params, model.grads)
    stages = {
        "forward": lambda: model(**batch, skip_padding=skip_padding, mlm_denominator=3, sop_denominator=2),
        "zero_grad": model.zero_grad,
        "backward": model.backward,
        "clip": lambda: clip_by_global_norm(model.grads, 1.0),
        "step": lambda: optimizer.step(1e-3),
    }
    for name, stage in stages.items():
        with counted() as counts:
            stage()
        launches, waits = budgets[name]
        assert counts.launches.total() <= launches, (name, counts.launches)
        assert counts.waits.total() <= waits, (name, counts.waits)


@pytest.mark.usefixtures("counted_launches")
@pytest.mark.parametrize("precision, rounding", [("float32", 0), ("tf32", 0), ("bfloat16", 116), ("float16", 115)])
@pytest.mark.parametrize(
    "ragged, hidden, attention, budget",
    [(False, 0, 0, 489), (True, 0, 0, 499), (False, 0.1, 0.1, 659), (True, 0.1, 0.1, 681), (True, 0, 0.1, 535)],
)
def test_a_step_of_base_with_kernels_stays_within_the_budget(ragged, hidden, attention, budget, precision, rounding):
    """The launches of a model depend on how many layers it has, not on how wide they are: 12, as in base."""
    config = small_config(num_hidden_layers=12, num_hidden_groups=1, inner_group_num=1)
    config = dataclasses.replace(config, hidden_dropout_prob=hidden, attention_probs_dropout_prob=attention)
    model = AlbertForPreTraining(config, backend="strict").train()
    model.precision = precision
    batch = small_batch(config)
    if not ragged:
        batch["attention_mask"][...] = 1
    optimizer = LAMB(model.params, model.grads)
    with counted() as counts:
        model.zero_grad()
        model(**batch, skip_padding=True, mlm_denominator=3, sop_denominator=2)
        model.backward()
        clip_by_global_norm(model.grads, 1.0)
        optimizer.step(1e-3)
    assert counts.launches["narrowed"] <= rounding
    assert counts.launches.total() <= budget + rounding, counts.launches
    assert counts.waits == {}


@pytest.mark.usefixtures("counted_launches")
@pytest.mark.parametrize("skip_padding, dropout", [(False, {}), (True, {}), (True, DROPOUT)])
def test_the_launches_of_a_batch_do_not_depend_on_how_many_lengths_it_has(skip_padding, dropout):
    config = small_config(num_hidden_layers=2, **dropout)
    totals = set()
    for lengths in ([7, 6, 6, 6], [7, 6, 5, 4], [7, 3, 2, 1]):
        model = AlbertForPreTraining(config, backend="strict").train()
        batch = small_batch(config, batch=4)
        batch["attention_mask"] = (np.arange(7) < np.array(lengths)[:, None]).astype(int)
        batch["labels"] = np.full((4, 7), -100)
        batch["labels"][:, 0] = 5
        with counted() as counts:
            model(**batch, skip_padding=skip_padding)
            model.backward()
        totals.add(counts.launches.total())
    assert len(totals) == 1


@pytest.mark.usefixtures("counted_launches")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_training_step_waits_for_the_tallies_and_for_the_norm(tmp_path, precision):
    trainer = make_trainer(tmp_path, backend="strict", accumulation=1, precision=precision)
    trainer._update()
    with counted() as counts:
        trainer._update()
    assert counts.waits == {"to_numpy": 1, "float": 1}


@pytest.mark.parametrize("skip_padding, waits", [(False, 2), (True, 4)])
def test_labels_of_the_device_are_looked_for_there(skip_padding, waits):
    """A forward pass waits for nothing that the host knows; what only the device knows is asked for there."""
    model = AlbertForPreTraining(small_config(), backend="strict").eval()
    batch = small_batch(model.config)
    losses, counted_waits = [], []
    for labels in (batch["labels"], model.backend.from_numpy(batch["labels"])):
        with counted() as counts:
            out = model(**{**batch, "labels": labels}, skip_padding=skip_padding, mlm_denominator=3, sop_denominator=2)
        losses.append(float(out.loss))
        counted_waits.append(counts.waits.total())
    assert losses[0] == losses[1]
    assert counted_waits == [0, waits]


def test_the_numbers_of_a_step_are_fetched_at_once():
    model = AlbertForPreTraining(small_config(), backend="strict").train()
    batch = small_batch(model.config)
    out = model(**batch)
    with counted() as counts:
        tallies = PRETRAINING.tallies(out)
    assert counts.waits == {"to_numpy": 1}
    assert counts.launches["argmax"] == 2  # of MLM and SOP
    plain = AlbertForPreTraining(small_config()).train()
    plain.rng = copy.deepcopy(model.rng)
    expected = PRETRAINING.tallies(plain(**batch))
    assert tallies == pytest.approx(expected, rel=1e-6)
    assert (
        tallies.keys()
        == expected.keys()
        == {"loss", "mlm_loss", "sop_loss", "mlm_correct", "mlm_count", "sop_correct", "sop_count"}
    )


@pytest.mark.usefixtures("counted_launches")
def test_dropout_is_one_launch_each_way_and_waits_for_nothing():
    model = AlbertForPreTraining(small_config(num_hidden_layers=2, **DROPOUT), backend="strict").train()
    with counted() as counts:
        model(**small_batch(model.config), mlm_denominator=3, sop_denominator=2)
        model.backward()
    assert counts.launches["dropout_forward"] == counts.launches["dropout_backward"] >= 5
    assert counts.launches["from_numpy"] == 7  # the batch
    assert counts.waits == {}
