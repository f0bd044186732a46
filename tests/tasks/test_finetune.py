import dataclasses
import json
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
from toys.tasks import examples

from albert_np.checkpoints import open_checkpoint
from albert_np.files import locked
from albert_np.model import class_of
from albert_np.tasks import (
    KINDS,
    FineTuningRecipe,
    FineTuningRun,
    Predictor,
    TaggedExample,
    TextExample,
    prepare_finetuning,
    task_settings,
)
from albert_np.tasks.batches import Position
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
    folders = ("best/checkpoints", "checkpoints", ".")  # each with something of a process that was killed
    leftovers = [tmp_path / "parts" / folder / ".partial-old-step-00000099" for folder in folders]
    for leftover in leftovers:
        leftover.mkdir()
    FineTuningRun(tmp_path / "parts").train(resume=True)
    assert not any(leftover.exists() for leftover in leftovers)
    logs = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "parts")]
    for one, other in zip(*logs, strict=True):
        assert one["loss"] == other["loss"]
        assert one.get("evaluation") == other.get("evaluation")
    assert (tmp_path / "whole" / "task.json").read_bytes() == (tmp_path / "parts" / "task.json").read_bytes()
    weights = [open_checkpoint(tmp_path / name).weights for name in ("whole", "parts")]
    for name, array in weights[0].items():
        np.testing.assert_array_equal(array, weights[1][name])


@COLLAPSED
def test_labels_can_be_weighed_and_smoothed(start, tmp_path):
    task = task_settings("classification", steps=3, batch_size=8)
    made = [e for i, e in enumerate(examples("classification", 60)) if e.label == "thing" or i % 3 == 0]
    counts = [sum(e.label == name for e in made) for name in ("animal", "thing")]
    assert 0 < counts[0] < counts[1]
    asked = examples("classification", 20, seed=1)
    recipe = dataclasses.replace(RECIPE, class_weights="balanced", label_smoothing=0.1)
    run = prepare_finetuning(tmp_path / "run", task, made, asked, start, recipe=recipe)
    weights = len(made) / (2 * np.array(counts))
    objective = run.trainer().objective
    batches = [run.data.batch_at(Position(0, number))[0] for number in range(2)]
    options = objective.denominators(batches)
    np.testing.assert_allclose(options["class_weights"], weights)
    labels = np.concatenate([batch.labels for batch in batches])
    assert options["denominator"] == pytest.approx(weights[labels].sum())
    assert options["label_smoothing"] == 0.1
    again = FineTuningRun(tmp_path / "run")
    assert again.recipe == run.recipe
    again.train()
    named = dataclasses.replace(RECIPE, class_weights={"animal": 3})
    run = prepare_finetuning(tmp_path / "named", task, made, asked, start, recipe=named)
    assert run.trainer().objective.denominators(batches)["class_weights"].tolist() == [3, 1]
    for kind, recipe, message in (
        ("classification", {"class_weights": {"plant": 2}}, "'plant' is none of the labels animal, thing"),
        ("classification", {"class_weights": {"thing": -2}}, "must be a finite number from 0, got -2"),
        ("classification", {"class_weights": "even"}, "class_weights='even' must be 'balanced'"),
        ("classification", {"label_smoothing": 2}, "label_smoothing"),
        ("regression", {"label_smoothing": 0.1}, "for single labels; the task is regression"),
        ("multilabel", {"class_weights": "balanced"}, "for single labels; the task is multilabel"),
    ):
        with pytest.raises(ValueError, match=message):
            prepared(tmp_path / "other", start, kind, dataclasses.replace(RECIPE, **recipe))
        assert not (tmp_path / "other").exists()


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


def test_cut_texts_are_counted_and_said(start, tmp_path):
    train, short = (
        examples("classification", 6),
        [TextExample("cat", label="animal"), TextExample("car", label="thing")],
    )
    long = [example._replace(text=" ".join([example.text] * 8)) for example in train[:2]]  # 48 words
    task = task_settings("classification", steps=2)
    for name, made, length, message in (
        ("a", [*long, *train[2:]], None, r"2 of 6 examples \(33%\) are cut to max_seq_length=32"),
        ("b", train, 6, r"6 of 6 examples .* max_seq_length=6 .* a larger max_seq_length shows more"),
    ):
        asked = task if length is None else dataclasses.replace(task, max_seq_length=length)
        with pytest.warns(UserWarning, match=message):
            run = prepare_finetuning(tmp_path / name, asked, made, short, start, recipe=RECIPE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepare_finetuning(tmp_path / "c", task, train, short, start, recipe=RECIPE)
    assert Predictor(run.start_model(), run.tokenizer, run.task, 1).predict(short[:0]) == []
    with pytest.warns(UserWarning, match="2 of 2 examples"):
        Predictor(run.start_model(), run.tokenizer, run.task, 1).classify([long[0].text, long[1].text])


@pytest.mark.parametrize("kind", ["tagging", "answering", "choice"])
def test_only_what_is_not_read_in_windows_is_cut(kind, start, tmp_path):
    made = examples(kind, 8)
    if kind == "tagging":
        made = [TaggedExample(example.words * 8, example.tags * 8) for example in made]
    elif kind == "answering":
        made = [example._replace(context=f"{example.context} " + "red " * 60) for example in made]
        made[0] = made[0]._replace(question="the " * 40)
    else:
        made[0] = made[0]._replace(context="old " * 40)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        prepare_finetuning(tmp_path / "run", kind, made, made, start, recipe=RECIPE)
    said = [str(warning.message) for warning in caught]
    bound = "max_query_length=10" if kind == "answering" else "max_seq_length=32"
    assert len(said) == 2 * (kind != "tagging")  # of training and of evaluation
    assert all(f"1 of 8 examples (12%) are cut to {bound}" in text for text in said)


def test_what_cannot_be_trained_is_refused_by_name_and_nothing_is_left(start, tmp_path):
    made = examples("classification", 20)
    for changes, message in (
        ({"max_seq_length": 40}, "max_seq_length=40: .* can read 32 tokens at most"),
        ({"warmup_steps": 60}, "warmup_steps=60 must be less than the updates of the run, which are 60"),
        ({"kind": "spam"}, "kind='spam': allowed are classification"),
        ({"metric": "loss"}, "metric='loss': classification is judged by"),
    ):
        task = dataclasses.replace(task_settings("classification", steps=60), **changes)
        with pytest.raises(ValueError, match=message):
            prepare_finetuning(tmp_path / "run", task, made, made, start)
    for train, error, message in (
        ("hello", TypeError, "train must be a list of TextExample, got a str"),
        (made[0], TypeError, "train must be a list of TextExample, got a TextExample"),
        (["hello"], ValueError, "example 1 is a str; the kind of task is classification"),
        ([], ValueError, "train is empty"),
        ([*made, TextExample(" ", label="animal")], ValueError, "example 21"),
    ):
        with pytest.raises(error, match=message):
            prepare_finetuning(tmp_path / "run", "classification", train, made, start)
    with pytest.raises(ValueError, match="evaluation is empty"):
        prepare_finetuning(tmp_path / "run", "classification", made, [], start)
    for task, recipe, message in (
        (3, None, "task must be a name or a NamedTask"),
        ("classification", {}, "recipe must be a FineTuningRecipe, got a dict"),
    ):
        with pytest.raises(TypeError, match=message):
            prepare_finetuning(tmp_path / "run", task, made, made, start, recipe=recipe)
    with pytest.raises(ValueError, match="the path is empty"):
        prepare_finetuning("", "classification", made, made, start)
    assert not list(tmp_path.iterdir())


DAMAGE = {
    "no object": (lambda run: [], r"finetuning\.json must hold a JSON object"),
    "no task": (lambda run: {**run, "task": None}, r"finetuning\.json: task is null; allowed is an object"),
    "a task too large": (
        lambda run: {**run, "task": run["task"] | {"batch_size": 10**12}},
        r"finetuning\.json: task: batch_size is 1000000000000; allowed is a whole number from 1",
    ),
    "an unknown kind": (lambda run: {**run, "task": run["task"] | {"kind": "spam"}}, r"json: kind='spam'"),
    "a seed": (lambda run: {**run, "recipe": run["recipe"] | {"seed": "x"}}, r"json: recipe: seed is 'x'"),
    "a config": (
        lambda run: {**run, "config": run["config"] | {"hidden_size": -3}},
        r"finetuning\.json: .*hidden_size",
    ),
    "a flag": (lambda run: {**run, "from_scratch": "no"}, r"json: from_scratch is 'no'; allowed is true or false"),
    "no start": (lambda run: {name: run[name] for name in run if name != "start"}, r"json: start is missing"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_run_is_refused_with_file_and_field(name, start, tmp_path):
    change, message = DAMAGE[name]
    prepared(tmp_path / "run", start)
    path = tmp_path / "run" / "finetuning.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ValueError, match=message):
        FineTuningRun(tmp_path / "run")


@COLLAPSED
def test_a_run_whose_sizes_are_not_its_models_is_refused_before_anything_is_made(start, tmp_path):
    run = prepared(tmp_path / "run", start, steps=2)
    path = tmp_path / "run" / "finetuning.json"
    right = path.read_text()
    for scratch in (False, True):
        contents = json.loads(right)
        contents |= {"config": contents["config"] | {"vocab_size": 10**8}, "from_scratch": scratch}
        path.write_text(json.dumps(contents))
        with pytest.raises(
            ValueError, match=r"finetuning\.json: config\.vocab_size is 100000000, and that of .* is 59"
        ):
            FineTuningRun(tmp_path / "run").train(resume=True)
    path.write_text(right)
    run.train()
    path.write_text(json.dumps(contents | {"from_scratch": False}))
    with pytest.raises(ValueError, match=r"config\.vocab_size is 100000000, and that of .*step-00000002 is 59"):
        FineTuningRun(tmp_path / "run").train(resume=True)


@COLLAPSED
def test_a_log_that_lacks_an_evaluation_names_file_and_step(start, tmp_path):
    run = prepared(tmp_path / "run", start, steps=4)
    with pytest.raises(FileNotFoundError):
        run.best()
    run.train()
    path = tmp_path / "run" / "metrics.jsonl"
    path.write_text(path.read_text().replace('"accuracy": 0', '"accuracy": null, "was": 0'))
    with pytest.raises(ValueError, match=r"metrics\.jsonl, step 1, evaluation: accuracy is null"):
        run.best()
    with pytest.raises(ValueError, match=r"metrics\.jsonl, step 1, evaluation: accuracy is null"):
        run.train(resume=True)
    path.write_text("")
    with pytest.raises(ValueError, match="holds no evaluation"):
        run.best()


def test_a_run_is_trained_by_one_process_at_a_time(start, tmp_path):
    prepared(tmp_path / "run", start, steps=2)
    code = "import sys; from albert_np.tasks import FineTuningRun; FineTuningRun(sys.argv[1]).train(resume=True)"
    with locked(tmp_path / "run"):
        second = subprocess.run([sys.executable, "-c", code, tmp_path / "run"], capture_output=True, text=True)
    assert second.returncode == 1
    assert "is in use by another process" in second.stderr
    assert not (tmp_path / "run" / "checkpoints").exists()
    run = FineTuningRun(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(FileNotFoundError, match=r"holds no run any more: it has no finetuning\.json"):
        run.train(resume=True)
    assert not (tmp_path / "run").exists()


def test_a_run_trains_in_its_precision(start, tmp_path):
    recipe = dataclasses.replace(RECIPE, precision="bfloat16")
    run = prepared(tmp_path / "run", start, recipe=recipe, steps=2)
    assert run.trainer().model.precision == "bfloat16"
    assert FineTuningRun(tmp_path / "run").recipe == run.recipe
    with pytest.raises(ValueError, match="precision='bfloat16' rounds float32, and dtype='float64'"):
        dataclasses.replace(recipe, dtype="float64")


@COLLAPSED
def test_a_frozen_trunk_stays_to_the_bit_and_the_run_resumes(start, tmp_path):
    recipe = dataclasses.replace(RECIPE, freeze_trunk=True, evaluate_every=3)
    run = prepared(tmp_path / "run", start, recipe=recipe, steps=9)

    class Stop(Exception):
        pass

    def after(record):
        if record["step"] == 5:
            raise Stop

    with pytest.raises(Stop):
        run.train(after)
    FineTuningRun(tmp_path / "run").train(resume=True)
    begun, trained = (
        run.start_model().params,
        open_checkpoint(tmp_path / "run" / "checkpoints" / "step-00000009").weights,
    )
    heads = run.kind.model.head_shapes(run.config)
    for name, weight in begun.items():
        assert np.array_equal(weight, trained[name]) == (name not in heads), name
    whole = prepared(tmp_path / "whole", start, recipe=recipe, steps=9)
    whole.train()
    ours, theirs = (open_checkpoint(tmp_path / name).weights for name in ("run", "whole"))
    for name, weight in ours.items():
        np.testing.assert_array_equal(weight, theirs[name])
