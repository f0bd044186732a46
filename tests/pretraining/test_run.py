"""A run: where it starts, what it is evaluated on, and what it is not resumed with."""

from dataclasses import replace

import numpy as np
import pytest
from toys.runs import RECIPE, documents, learned_vocabulary, prepare

from albert_np.model import AlbertForPreTraining
from albert_np.pretraining import PRETRAINING, PretrainingData, evaluate_kinds
from albert_np.training import evaluate


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return prepare(folder / "run", [*documents(60), ["a cat."], ["a dog."]], learned_vocabulary(folder), held_out=0.3)


def test_the_output_bias_starts_at_the_logarithms_of_the_frequencies(run):
    counts = np.bincount(run.corpus.ids, minlength=run.config.vocab_size) + 1
    bias = run.untrained_model().params["predictions.bias"]
    assert np.allclose(bias, np.log(counts / counts.sum()), rtol=0, atol=1e-6)
    assert np.exp(bias.astype(np.float64)).sum() == pytest.approx(1, abs=1e-6)


def test_with_zeros_a_run_starts_as_a_model_does(run, tmp_path):
    recipe = replace(RECIPE, output_bias="zeros")
    plain = prepare(tmp_path / "run", documents(60), run.output / "spiece.model", recipe)
    started, fresh = plain.untrained_model().params, AlbertForPreTraining(plain.config, seed=recipe.seed).params
    assert np.array_equal(started.flat, fresh.flat)


def test_the_evaluation_by_kind_adds_up_to_the_whole(run):
    model = run.untrained_model()
    whole = evaluate(model, run.held_out_batches(), PRETRAINING)
    kinds = run.held_out_kinds()
    found = evaluate_kinds(model, kinds)
    assert {name: found[name] for name in whole} == pytest.approx(whole, rel=1e-5)
    right = count = 0
    for kind, batches in kinds.items():
        labels = [label for batch in batches for label in batch.sentence_order_label if label >= 0]
        accuracy = found[f"sop_accuracy_{kind}"]
        if not labels:
            assert accuracy is None
            continue
        assert accuracy == evaluate(model, batches, PRETRAINING)["sop_accuracy"]
        right, count = right + accuracy * len(labels), count + len(labels)
    assert count > 0
    assert found["sop_accuracy"] == pytest.approx(right / count)


def test_nothing_to_evaluate_on_is_an_error(run):
    with pytest.raises(ValueError, match="kinds holds no batch"):
        evaluate_kinds(run.untrained_model(), {"one": []})


def test_the_log_has_the_evaluation_by_kind(run):
    run.train()
    (evaluation,) = (record["evaluation"] for record in run.metrics() if record.get("evaluation"))
    assert {f"sop_accuracy_{kind}" for kind in ("one", "two", "more")} < evaluation.keys()
    assert evaluation["sop_accuracy_one"] is None
    assert evaluation["sop_accuracy_more"] is not None


def test_a_run_whose_pairs_were_cut_otherwise_is_not_resumed(run, tmp_path):
    """As runs were before pairs were cut between sentences alone: their checkpoints say nothing of it."""
    recipe = replace(RECIPE, steps=4, checkpoint_every=2)
    old = prepare(tmp_path / "run", documents(60), run.output / "spiece.model", recipe)
    settings = PretrainingData.settings
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            PretrainingData, "settings", lambda self: {k: v for k, v in settings(self).items() if k != "examples"}
        )
        old.train()
    with pytest.raises(
        ValueError, match=r"cannot resume with other settings: data\.examples was 'absent', is 'version 2"
    ):
        old.train(resume=True)
