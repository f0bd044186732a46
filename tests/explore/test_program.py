"""The rows of a recorded pass explain every array of it, compute it anew, and know which gradient is whose."""

import itertools

import numpy as np
import pytest

from albert_np import model as models
from albert_np import ops
from albert_np.config import AlbertConfig
from albert_np.explore import explore
from albert_np.explore.engine import replay
from albert_np.explore.program import program_of
from albert_np.explore.tape import Tape

V, B, T = 23, 2, 5
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def config(**changes):
    sizes = {
        "vocab_size": V, "embedding_size": 6, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 12, "max_position_embeddings": 9, "num_labels": 2,
    }  # fmt: skip
    return AlbertConfig(**{**sizes, **changes})


def batch(name, rng, **others):
    ids = rng.integers(5, V, (B, 3, T) if name == "AlbertForMultipleChoice" else (B, T))
    labels = np.full((B, T), -100)
    labels[0, 1], labels[1, 2], labels[0, 4] = 7, 9, 3
    asked = {
        "AlbertModel": {},
        "AlbertForPreTraining": {"labels": labels, "sentence_order_label": np.array([0, 1])},
        "AlbertForMaskedLM": {"labels": labels},
        "AlbertForSequenceClassification": {"labels": np.array([1, 0])},
        "AlbertForTokenClassification": {"labels": np.where(labels >= 0, labels % 2, -100)},
        "AlbertForMultipleChoice": {"labels": np.array([2, 0])},
        "AlbertForQuestionAnswering": {"start_positions": np.array([1, 0]), "end_positions": np.array([3, 2])},
        "AlbertForQuestionAnsweringV2": {
            "start_positions": np.array([1, 0]), "end_positions": np.array([3, 2]), "is_impossible": np.array([0, 1]),
        },
    }  # fmt: skip
    return {"input_ids": ids, **asked[name], **others}


CLASSES = list(models.model_classes())


def recorded(model, arguments):
    """The program of a pass, and the model that it ran on."""
    twin = type(model)(model.config, dtype="float64", backend="tape", seed=3)
    twin.training = model.training
    tape = Tape()
    tape.parameters(twin.params, twin.grads)
    with tape.running():
        out = twin(**arguments)
        tape.turn_back()
        twin.backward()
    return program_of(tape, out.loss.value, []), twin


def assert_explained(model, arguments):
    program, twin = recorded(model, arguments)
    values = replay(program)
    for row in program.rows:
        for i in row.out:
            np.testing.assert_allclose(values[i], program.values[i].array, rtol=1e-10, atol=1e-13, err_msg=row.kind)
    for name in twin.grads.layout.slots:
        if name in program.gradients:
            found = sum(values[i] for i in program.gradients[name])
            np.testing.assert_allclose(found, twin.grads[name].inner, rtol=1e-10, atol=1e-13, err_msg=name)
    return program, values


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "AlbertModel"])
@pytest.mark.parametrize("masked", ["whole", "masked", "skipped"])
def test_every_array_is_explained_and_computed_anew(name, masked):
    rng = np.random.default_rng(1)
    others = {} if masked == "whole" else {"attention_mask": MASK, "skip_padding": masked == "skipped"}
    if name == "AlbertForMultipleChoice" and others:
        others["attention_mask"] = np.stack([MASK] * 3, axis=1)
    model = getattr(models, name)(config(), dtype="float64").eval()
    assert_explained(model, batch(name, rng, **others))


@pytest.mark.parametrize("groups, inner", list(itertools.product([1, 2], [1, 2])))
@pytest.mark.parametrize("act", sorted(ops.ACTIVATIONS))
def test_groups_inner_groups_and_activations(groups, inner, act):
    changed = config(num_hidden_groups=groups, inner_group_num=inner, hidden_act=act)
    model = models.AlbertForPreTraining(changed, dtype="float64").eval()
    assert_explained(model, batch("AlbertForPreTraining", np.random.default_rng(2)))


def test_dropout_is_recorded_with_what_it_kept():
    changed = config(hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.2, classifier_dropout_prob=0.4)
    model = models.AlbertForPreTraining(changed, dtype="float64")
    program, _ = assert_explained(model, batch("AlbertForPreTraining", np.random.default_rng(2)))
    kinds = {row.kind for row in program.rows}
    assert {"dropout", "dropout_backward"} <= kinds


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "AlbertModel"])
def test_every_gradient_that_is_named_is_one(name):
    """Moving a value along a random direction moves the loss as the value that is said to be its gradient says."""
    model = getattr(models, name)(config(), dtype="float64").eval()
    program, _ = recorded(model, batch(name, np.random.default_rng(3), attention_mask=None))
    rng = np.random.default_rng(4)
    values = replay(program)
    assert len(program.gradient_of) > len(program.rows) / 4
    for value, gradient in program.gradient_of.items():
        direction = rng.standard_normal(program.shape(value))
        assert program.shape(gradient) == program.shape(value)

        def slope(h, value=value, direction=direction):
            ends = [replay(program, {value: values[value] + sign * h * direction})[program.loss] for sign in (1, -1)]
            return (ends[0] - ends[1]) / (2 * h)

        expected = (4 * slope(1e-4) - slope(2e-4)) / 3
        assert (values[gradient] * direction).sum() == pytest.approx(expected, rel=1e-5, abs=1e-8), program.values[
            value
        ]


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("skip", [False, True])
def test_the_walk_back_mirrors_the_walk_there(name, skip):
    others = {"attention_mask": MASK, "skip_padding": True} if skip else {}
    if name == "AlbertForMultipleChoice" and others:
        others["attention_mask"] = np.stack([MASK] * 3, axis=1)
    model = getattr(models, name)(config(), dtype="float64").eval()
    explored = explore(model, batch(name, np.random.default_rng(5), **others))
    stops = explored.data["stops"]
    there = [i for i, stop in enumerate(stops) if stop["phase"] == "forward"]
    assert there == list(range(len(there)))
    pairs = [(stops[i]["mirror"], i) for i in range(len(there), len(stops)) if stops[i]["mirror"] is not None]
    walked = [
        mirror for mirror, i in pairs if stops[mirror]["label"] not in ("add", "copy") and stops[i]["label"] != "sum"
    ]
    assert walked == sorted(walked, reverse=True)
    unmatched = [stop for stop in stops if stop["mirror"] is None]
    # SQuAD 2's sums and products go back in other pieces than they came; a bare model's output is read by nobody.
    plain = name not in ("AlbertForQuestionAnsweringV2", "AlbertModel")
    assert all(stop["block"] == ["loss"] for stop in unmatched if plain), unmatched
    assert not explored.differs
    for stop in stops:
        if stop["label"].startswith(
            ("linear", "layer_norm", "softmax", "scores", "context", "activation", "embedding")
        ):
            assert stops[stop["mirror"]]["label"] == stop["label"]
