"""Passes of every class in the page: the same numbers as Python's, every one opens, every gradient is proved."""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from toys import passes
from toys.explore import arrays_of, open_data, troubles_of_explanations

from albert_np.explore import explore, model_pass
from albert_np.model import AlbertForPreTraining
from albert_np.study.shipped import shipped_folder

DROPOUT = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.2, "classifier_dropout_prob": 0.4}
CASES = {
    **{f"{name} masked": (name, "masked", {}) for name in passes.CLASSES},
    "whole": ("AlbertForPreTraining", "whole", {}),
    "skipped": ("AlbertForPreTraining", "skipped", {}),
    "answers, skipped": ("AlbertForQuestionAnsweringV2", "skipped", {}),
    **{act: ("AlbertForMaskedLM", "whole", {"hidden_act": act}) for act in ("gelu", "relu", "silu")},
    "groups": ("AlbertForMaskedLM", "masked", {"num_hidden_groups": 2, "inner_group_num": 2}),
    "dropout": ("AlbertForPreTraining", "whole", DROPOUT),
    "regression": ("AlbertForSequenceClassification", "whole", {"num_labels": 1}),
    "several labels": (
        "AlbertForSequenceClassification",
        "whole",
        {"num_labels": 3, "problem_type": "multi_label_classification"},
    ),
    "weighed classes": (
        "AlbertForTokenClassification",
        "masked",
        {"num_labels": 3},
        {"class_weights": [1.0, 0.0, 2.5], "label_smoothing": 0.1},
    ),
    "smoothed labels": ("AlbertForMultipleChoice", "whole", {}, {"label_smoothing": 0.2}),
}


class Opened(NamedTuple):
    """A recorded pass: what is exported, Python's array of each value, the gradients of an ordinary model."""

    data: dict[str, Any]
    blob: bytes
    recorded: list[np.ndarray]
    grads: Mapping[str, np.ndarray]


@cache
def recorded(case):
    name, mode, changes, *more = CASES[case]
    arrays = {}

    def keep(program, *others):
        data = export(program, *others)
        arrays.update({number: program.values[value].array for value, number in data["numbers"].items()})
        return data

    export = model_pass.export_rows
    arguments = {**passes.batch(name, mode, changes), **(more[0] if more else {})}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_pass, "export_rows", keep)
        explored = explore(passes.model(name, changes), arguments)
    model = passes.model(name, changes)
    model.backward(**passes.upstream(model, model(**arguments)))
    return Opened(explored.data, explored.arrays.blob(), [arrays[i] for i in range(len(arrays))], model.grads)


@pytest.fixture
def opened(modules, request):
    """A recorded pass, which is open in the tab too."""
    found = recorded(request.param)
    open_data(modules, found.data, found.blob)
    return found


def cases(chosen):
    return pytest.mark.parametrize("opened", chosen, indirect=True)


@cases(CASES)
def test_the_page_computes_every_array_and_gradient(modules, opened):
    data, _, wanted_arrays, grads = opened
    for number, (found, wanted) in enumerate(zip(arrays_of(modules), wanted_arrays, strict=True)):
        wanted = np.asarray(wanted, float).ravel()
        scale = np.abs(wanted[np.abs(wanted) < 1e29]).max(initial=1)
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10 * scale, err_msg=str(data["values"][number]))
    for param, found in zip(data["params"], arrays_of(modules, "page.gradsOf(data, values)"), strict=True):
        wanted = grads[param["name"]].ravel()
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10 * max(1, np.abs(wanted).max()))
    assert modules.evaluate("((found) => [...found.details, ...found.params])(page.verify(data, values))") == []
    assert troubles_of_explanations(modules, 3) == []


PROOFS = """() => {
  const largest = (x) => x.reduce((best, number, i) => (Math.abs(number) > Math.abs(x[best]) ? i : best), 0);
  const targets = data.values.flatMap(({ grad }, id) => (grad == null ? [] : [[{ value: id }, largest(values[grad])]]));
  data.params.forEach(({ grad }, param) => grad.contributions.forEach((id, k) => {
    targets.push([{ param, row: grad.rows[k] }, largest(values[id])]);
  }));
  page.gradsOf(data, values).forEach((total, param) => targets.push([{ param }, largest(total)]));
  return targets.map(([target, index]) => ({ ...page.prove(data, values, target, index), target, points: null }));
}"""


@cases([*(f"{name} masked" for name in passes.CLASSES), "skipped", "relu", "groups", "dropout", "weighed classes"])
def test_the_largest_gradient_of_every_value_and_of_every_use_of_a_weight_is_proved(modules, opened):
    data, *_ = opened
    proofs = modules.evaluate(PROOFS)
    uses = sum(len(param["grad"]["contributions"]) for param in data["params"])
    assert len(proofs) == sum("grad" in value for value in data["values"]) + uses + len(data["params"])
    for proof in proofs:
        assert proof["verdict"] != "differ", proof
        assert proof["digits"] >= 6 or proof["verdict"] == "zero", proof
    assert sum(proof["verdict"] == "agree" for proof in proofs) > 0.9 * len(proofs)


@cases(["AlbertForPreTraining masked"])
def test_every_stop_back_has_a_number_to_prove(modules, opened):
    without = modules.evaluate(
        """() => {
          const provable = (row) => data.rows[row].out.some((id) => page.targetOf(data, id));
          return data.stops.filter((stop) => stop.phase === "backward" && !stop.rows.some(provable));
        }"""
    )
    assert without == []


def test_the_shipped_model_is_computed_to_ten_digits_and_proved(modules):
    folder = shipped_folder("data") / "small-albert"
    model = AlbertForPreTraining.from_pretrained(folder, dtype="float64").eval()
    rng = np.random.default_rng(0)
    ids = rng.integers(5, model.config.vocab_size, (1, 18))
    labels = np.where(np.arange(18) == 5, ids, -100)
    arguments = {"input_ids": np.where(labels >= 0, 4, ids), "labels": labels, "sentence_order_label": np.array([0])}
    explored = explore(model, arguments)
    model(**arguments)
    model.backward()
    open_data(modules, explored.data, explored.arrays.blob())
    assert modules.evaluate("((found) => [...found.details, ...found.params])(page.verify(data, values))") == []
    found = arrays_of(modules, "page.gradsOf(data, values)")
    for param, total in zip(explored.data["params"], found, strict=True):
        wanted = model.grads[param["name"]].ravel()
        np.testing.assert_allclose(total, wanted, rtol=0, atol=1e-10, err_msg=param["name"])
    uses = [i for i, param in enumerate(explored.data["params"]) if len(param["grad"]["contributions"]) == 6]
    for param in uses[::4]:
        row = explored.data["params"][param]["grad"]["rows"][3]
        proof = modules.evaluate(f"page.prove(data, values, {{ param: {param}, row: {row} }}, 11)")
        assert proof["digits"] >= 6 or proof["verdict"] == "zero", proof
