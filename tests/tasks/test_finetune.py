import dataclasses
import json

import numpy as np
import pytest
from toys.tasks import examples

from albert_np.checkpoints import open_checkpoint
from albert_np.model import class_of
from albert_np.tasks import KINDS, FineTuningRecipe, FineTuningRun, Predictor, prepare_finetuning, task_settings
from albert_np.training.metrics import read_metrics

RECIPE = FineTuningRecipe(threads=1)


def prepared(output, start, kind="classification", recipe=RECIPE, scratch=False, **changes):
    changes = {"steps": 60, "batch_size": 16, "learning_rate": 8e-3, **changes}
    task = task_settings(kind, **changes)
    return prepare_finetuning(
        output, task, examples(kind), examples(kind, 48, seed=1), start, from_scratch=scratch, recipe=recipe
    )


GOOD = {
    "classification": 0.9,
    "multilabel": 0.9,
    "regression": 0.7,
    "tagging": 0.8,
    "answering": 0.5,
    "answering-v2": 0.9,  # 0.5 is to refuse everything
    "choice": 0.8,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_task_is_learned_kept_and_used(kind, start, tmp_path):
    run = prepared(tmp_path / "run", start, kind, steps=160)
    predictor = run.train()
    evaluation = predictor.evaluate(examples(kind, 48, seed=1))
    assert evaluation.metrics[run.task.metric] >= GOOD[kind]
    assert run.best()["evaluation"][run.task.metric] == pytest.approx(evaluation.metrics[run.task.metric], abs=1e-6)
    checkpoint = open_checkpoint(tmp_path / "run")
    assert class_of(checkpoint) is KINDS[kind].model
    again = Predictor.load(tmp_path / "run", threads=2)
    answers = [p.answer for p in again.predict(examples(kind, 5, seed=2))]
    assert answers == [p.answer for p in predictor.predict(examples(kind, 5, seed=2))] or kind == "regression"


COLLAPSED = pytest.mark.filterwarnings("ignore:.*answers are")  # after so few updates


@COLLAPSED
def test_labels_have_their_names_in_the_config(start, tmp_path):
    run = prepared(tmp_path / "run", start, steps=2)
    run.train()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["id2label"] == {"0": "animal", "1": "thing"}
    assert config["problem_type"] == "single_label_classification"


@COLLAPSED
@pytest.mark.parametrize("kind", ["classification", "answering-v2"])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(kind, start, tmp_path):
    recipe = FineTuningRecipe(threads=2, evaluate_every=5, patience=3)
    whole = prepared(tmp_path / "whole", start, kind, recipe=recipe, dropout=0.1)
    whole.train()
    parts = prepared(tmp_path / "parts", start, kind, recipe=recipe, dropout=0.1)

    class Stop(Exception):
        pass

    def after(record):
        if record["step"] == 17:
            raise Stop

    with pytest.raises(Stop):
        parts.train(after)
    leftover = tmp_path / "parts" / "best" / "checkpoints" / ".partial-step-00000099"  # of a process that was killed
    leftover.mkdir()
    FineTuningRun(tmp_path / "parts").train(resume=True)
    assert not leftover.exists()
    logs = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "parts")]
    for one, other in zip(*logs, strict=True):
        assert one["loss"] == other["loss"]
        assert one.get("evaluation") == other.get("evaluation")
    assert (tmp_path / "whole" / "task.json").read_bytes() == (tmp_path / "parts" / "task.json").read_bytes()
    weights = [open_checkpoint(tmp_path / name).weights for name in ("whole", "parts")]
    for name, array in weights[0].items():
        np.testing.assert_array_equal(array, weights[1][name])


def test_training_stops_when_patience_is_out_and_keeps_the_best(start, tmp_path):
    recipe = FineTuningRecipe(threads=1, evaluate_every=2, patience=2)
    run = prepared(tmp_path / "run", start, recipe=recipe, learning_rate=1e-9)  # nothing gets better
    with pytest.warns(UserWarning, match="answers are"):
        run.train()
    records = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert records[-1]["step"] == 6  # the first evaluation, and two without a better one
    assert run.best()["step"] == 2


def test_a_new_head_starts_from_random_weights_and_the_trunk_from_the_models(start, tmp_path):
    pretrained = open_checkpoint(start).weights
    name = "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.weight"
    model = prepared(tmp_path / "a", start).start_model()
    np.testing.assert_array_equal(model.params[name], pretrained[name])
    assert model.params["classifier.weight"].std() > 0
    scratch = prepared(tmp_path / "b", start, scratch=True).start_model()
    assert (scratch.params[name] != pretrained[name]).any()


def test_what_does_not_fit_is_refused_and_nothing_is_left(start, tmp_path):
    task = task_settings("classification", steps=5)
    train = examples("classification")
    strange = [train[0]._replace(label="plant")]
    with pytest.raises(ValueError, match="has the label 'plant'; the model knows 'animal', 'thing'"):
        prepare_finetuning(tmp_path / "run", task, train, strange, start)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="task 'spam' is unknown; known are"):
        task_settings("spam")
    with pytest.raises(ValueError, match="give one of them"):
        task_settings("cola", steps=3, epochs=1)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="already exists"):
        prepare_finetuning(tmp_path / "run", task, train, train, start)


def test_long_contexts_are_read_in_windows(start, tmp_path):
    run = prepared(tmp_path / "run", start, "answering", steps=160)
    predictor = run.train()
    filler = " ".join(["the big old house near a red car"] * 12)
    context = f"{filler} . the dog sees a green lamp . {filler}"
    found = predictor.answer("the animal", context)
    assert context[found.candidates[0].start : found.candidates[0].end] == found.candidates[0].text
    assert sum(c.probability for c in found.candidates) == pytest.approx(1)


def test_the_threshold_of_the_best_evaluation_is_kept_and_decides(start, tmp_path):
    run = prepared(tmp_path / "run", start, "answering-v2", steps=40)
    run.train()
    best = run.best()["evaluation"]
    predictor = Predictor.load(tmp_path / "run", threads=1)
    assert predictor.task.no_answer_above == best["best_threshold"] != 0
    metrics = predictor.evaluate(examples("answering-v2", 48, seed=1)).metrics
    assert metrics["f1"] == metrics["best_f1"] == pytest.approx(best["best_f1"])
    made = predictor.predict(examples("answering-v2", 30, seed=2))
    refusals = [next(found.score for found in p.candidates if not found.text) for p in made]
    assert [p.answer == "" for p in made] == [score > best["best_threshold"] for score in refusals]
    assert all(sum(found.probability for found in p.candidates) == pytest.approx(1) for p in made)
    for threshold, refuses in ((1e9, False), (-1e9, True), (None, False)):
        predictor.task = dataclasses.replace(predictor.task, no_answer_above=threshold)
        prediction = predictor.answer("the animal", "a red dog near the old house")
        assert (prediction.answer == "") == refuses
        assert prediction.answer == prediction.candidates[0].text


def test_a_model_of_questions_that_all_have_answers_is_not_asked_whether_there_is_one(start, tmp_path):
    answerable = [example for example in examples("answering-v2") if example.answers]
    for kind in ("answering", "answering-v2"):
        task = task_settings(kind, steps=2, batch_size=4)
        run = prepare_finetuning(tmp_path / kind, task, answerable, answerable[:9], start, recipe=RECIPE)
        assert run.task.no_answer_above is None
        assert all(p.answer for p in run.train().predict(examples(kind, 20, seed=1)))


def test_a_model_without_a_head_answers_nothing(start):
    with pytest.raises(ValueError, match="fine-tune it first"):
        Predictor.load(start)
