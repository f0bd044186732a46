"""Metrics of fine-tuning tasks, the baselines beside them, and the tasks' named settings."""

import dataclasses

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from albert_np.tasks import (
    KINDS,
    TASKS,
    Answer,
    ChoiceExample,
    QuestionExample,
    TaggedExample,
    TextExample,
    bag_of_words_baseline,
    majority_baseline,
)
from albert_np.tasks.kinds import FoundAnswer, Prediction
from albert_np.tasks.kinds.answering_v2 import best_threshold
from albert_np.tasks.metrics import (
    answering_metrics,
    classification_metrics,
    collapse_warning,
    entity_spans,
    multilabel_metrics,
    regression_metrics,
    tagging_metrics,
)


def test_every_kind_goes_by_its_name_and_has_settings():
    for name, kind in KINDS.items():
        assert kind.name == kind.defaults.kind == TASKS[name].name == name


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_classification_agrees_with_scikit_learn(classes):
    rng = np.random.default_rng(classes)
    y = rng.integers(0, classes, 200)
    p = np.where(rng.random(200) < 0.6, y, rng.integers(0, classes, 200))
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(y, p),
        "f1": sklearn_metrics.f1_score(y, p, average="macro"),
        "matthews": sklearn_metrics.matthews_corrcoef(y, p),
    }
    assert classification_metrics(p, y) == pytest.approx(expected, rel=1e-12)
    names = np.array([f"class {c}" for c in range(classes)])
    assert classification_metrics(names[p].tolist(), names[y]) == pytest.approx(expected, rel=1e-12)
    one = classification_metrics(names[p], names[y], positive_label="class 1")["f1"]
    assert one == pytest.approx(sklearn_metrics.f1_score(y == 1, p == 1), rel=1e-12)


def test_macro_f1_counts_a_class_that_was_only_predicted():
    assert classification_metrics(["a", "c"], ["a", "b"])["f1"] == pytest.approx(1 / 3)


def test_several_labels_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.random((100, 5)) < [0.5, 0.3, 0.1, 0.4, 0.02]
    p = y ^ (rng.random((100, 5)) < 0.2)
    assert y.any(axis=0).all()
    as_names = [[tuple("abcde"[c] for c in np.flatnonzero(row)) for row in side] for side in (p, y)]
    expected = {
        "micro_f1": sklearn_metrics.f1_score(y, p, average="micro"),
        "macro_f1": sklearn_metrics.f1_score(y, p, average="macro"),
        "subset_accuracy": sklearn_metrics.accuracy_score(y, p),
    }
    assert multilabel_metrics(*as_names) == pytest.approx(expected, rel=1e-12)
    assert multilabel_metrics(p, y) == pytest.approx(expected, rel=1e-12)


def test_no_label_anywhere_is_defined():
    assert multilabel_metrics([(), ()], [(), ()]) == {"micro_f1": 0.0, "macro_f1": 0.0, "subset_accuracy": 1.0}


@pytest.mark.parametrize("offset", [0, 1e6])
def test_correlations_agree_with_scipy_ties_included(offset):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 11, 300) / 2 + offset
    p = y + rng.normal(size=300).round(1)
    scores = regression_metrics(p.tolist(), y)
    assert scores["pearson"] == pytest.approx(stats.pearsonr(p, y).statistic, rel=1e-9)
    assert scores["spearman"] == pytest.approx(stats.spearmanr(p, y).statistic, rel=1e-12)
    assert scores["mean_squared_error"] == pytest.approx(np.mean((p - y) ** 2))


def test_what_is_constant_correlates_with_nothing():
    constant = np.full(6, 0.1)
    assert constant.mean() != 0.1  # rounded, so that what is left over could correlate
    y = [0.1, 0.2, 0.4, 0.8, 0.9, 0.3]
    for p, r in ((constant, y), (y, constant), (constant, constant), ([0.3], [0.5])):
        scores = regression_metrics(p, r)
        assert (scores["pearson"], scores["spearman"]) == (0.0, 0.0)
    assert classification_metrics(["a", "a"], ["a", "b"])["matthews"] == 0.0
    assert classification_metrics(["a", "a"], ["a", "a"]) == {"accuracy": 1.0, "f1": 1.0, "matthews": 0.0}
    assert classification_metrics(["b"], ["a"], positive_label="c")["f1"] == 0.0


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O O", set()),
        ("B-per I-per O B-loc", {("per", 0, 2), ("loc", 3, 4)}),
        ("B-per B-per", {("per", 0, 1), ("per", 1, 2)}),
        ("O I-per I-per", {("per", 1, 3)}),  # conlleval: I- may begin a span
        ("B-per I-loc I-loc", {("per", 0, 1), ("loc", 1, 3)}),
        ("I-per O I-per", {("per", 0, 1), ("per", 2, 3)}),
        ("B-work-of-art I-work-of-art", {("work-of-art", 0, 2)}),
        ("B I O I", {("", 0, 2), ("", 3, 4)}),
        ("NOUN VERB", {("NOUN", 0, 1), ("VERB", 1, 2)}),
        ("", set()),
    ],
)
def test_spans_are_those_of_conlleval(tags, spans):
    assert entity_spans(tags.split()) == spans


def test_tagging_counts_whole_spans_over_all_sentences():
    right = ["B-per I-per O O B-loc".split(), "O B-loc".split()]
    given = ["B-per I-per O B-loc I-loc".split(), "O B-loc".split()]
    assert tagging_metrics(given, right) == pytest.approx(
        {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "accuracy": 5 / 7}
    )
    outside = [["O"] * 5, ["O"] * 2]
    assert tagging_metrics(outside, right) == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "accuracy": 3 / 7}
    assert tagging_metrics(right, outside)["precision"] == 0.0
    words = tagging_metrics([["NOUN", "VERB", "VERB"]], [["NOUN", "VERB", "NOUN"]])
    assert words["f1"] == words["accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("prediction", "answers", "exact", "f1"),
    [
        ("The  Eiffel-Tower!", ["eiffeltower"], 1, 1),
        ("Eiffel tower", ["the tower", "Eiffel Tower of Paris"], 0, 2 * (2 / 2) * (2 / 4) / (1 + 2 / 4)),
        ("tower tower", ["tower"], 0, 2 * 0.5 * 1 / 1.5),
        ("an another theatre", ["another theatre"], 1, 1),
        ("x", ["y", "x"], 1, 1),
        ("", ["x"], 0, 0),
        ("", [], 1, 1),
        ("x", [], 0, 0),
        ("the", [], 1, 1),
        ("", ["the"], 1, 1),
        ("", ["the", "x"], 0, 0),
    ],
)
def test_an_answer_is_scored_as_by_squad(prediction, answers, exact, f1):
    scores = answering_metrics([prediction], [tuple(Answer(text, 0) for text in answers)])
    assert (scores["exact_match"], scores["f1"]) == (exact, pytest.approx(f1))


def test_unanswerable_questions_are_told_apart():
    one = (Answer("x y", 0),)
    assert answering_metrics(["x", ""], [one, one]) == pytest.approx({"exact_match": 0.0, "f1": 1 / 3})
    assert answering_metrics(["x", "", "z", "x y"], [one, (), (), one]) == pytest.approx(
        {
            "exact_match": 0.5,
            "f1": (2 / 3 + 2) / 4,
            "has_answer_exact_match": 0.5,
            "has_answer_f1": (2 / 3 + 1) / 2,
            "no_answer_accuracy": 0.5,
        }
    )


def test_metrics_are_plain_floats_and_refuse_lists_that_do_not_match():
    right = {
        "classification": ["a", "b"],
        "multilabel": [("a",), ()],
        "regression": [1.0, 2.0],
        "tagging": [["O"], ["B-x", "I-x"]],
        "answering": ["", "x"],
        "answering-v2": ["", "x"],
        "choice": np.array([0, 3]),
    }
    for name, kind in KINDS.items():
        asked = [(), (Answer("x", 0),)] if kind.example is QuestionExample else right[name]
        scores = kind.metrics(right[name], asked, kind.defaults)
        assert {type(score) for score in scores.values()} == {float}
        errors = {"mean_squared_error": 0.0}
        assert scores == pytest.approx({metric: errors.get(metric, 1.0) for metric in scores})
        with pytest.raises(ValueError, match="equally many and at least one, got 1 and 2"):
            kind.metrics(right[name][:1], asked, kind.defaults)
        with pytest.raises(ValueError, match="at least one, got 0 and 0"):
            kind.metrics([], [], kind.defaults)
    with pytest.raises(ValueError, match="got 1 and 2"):
        tagging_metrics([["O"], ["O"]], [["O"], ["O", "O"]])
    with pytest.raises(ValueError, match="finite"):
        regression_metrics([np.nan, 1.0], [1.0, 2.0])


@pytest.mark.parametrize(
    "predictions",
    [["ham"] * 199 + ["spam"], np.full(20, 3), [()] * 10, 2.5 + 0.001 * np.arange(20), ["O"] * 50, np.zeros(12)],
)
def test_one_answer_to_everything_is_a_collapse(predictions):
    warning = collapse_warning(predictions)
    assert "answers are" in warning
    assert "5e-6" in warning
    assert "np." not in warning


@pytest.mark.parametrize(
    "predictions",
    [["ham"] * 98 + ["spam"] * 2, ["ham"] * 9, [], 2.5 + 0.1 * np.arange(20), np.arange(20) % 2, [("a",), ()] * 10],
)
def test_different_answers_are_no_collapse(predictions):
    assert collapse_warning(predictions) is None


SPAM = [
    TextExample(f"{start} {middle} {end}", None, label)
    for label, starts, ends in (
        ("spam", ("win", "claim", "free", "urgent"), ("cash now", "prize today")),
        ("ham", ("see", "meet", "call"), ("you soon", "me later")),
    )
    for start in starts
    for middle in ("my", "the", "a")
    for end in ends
]


def test_the_majority_baseline_gives_the_most_frequent_answer():
    train, asked = SPAM, [TextExample("x", None, "ham"), TextExample("y", None, "spam")]
    assert majority_baseline("classification", train, asked)["accuracy"] == 0.5
    assert majority_baseline("classification", train, asked, positive_label="spam")["f1"] == pytest.approx(2 / 3)
    sets = [TextExample("x", None, label) for label in (("a", "b"), ("a", "b"), ("a",))]
    assert majority_baseline("multilabel", sets, sets)["subset_accuracy"] == pytest.approx(2 / 3)
    numbers = [TextExample("x", None, label) for label in (1.0, 2.0, 6.0)]
    assert majority_baseline("regression", numbers, numbers) == pytest.approx(
        {"pearson": 0.0, "spearman": 0.0, "mean_squared_error": np.var([1.0, 2.0, 6.0])}
    )
    tagged = [TaggedExample(("a", "b", "c"), ("B-x", "O", "O"))]
    assert majority_baseline("tagging", tagged, tagged)["accuracy"] == pytest.approx(2 / 3)
    questions = [QuestionExample("1", "q", "c", ()), QuestionExample("2", "q", "c", (Answer("c", 0),))]
    assert majority_baseline("answering", questions, questions)["no_answer_accuracy"] == 1.0
    choices = [ChoiceExample("c", None, ("a", "b"), label) for label in (1, 1, 0)]
    assert majority_baseline("choice", choices, choices) == {"accuracy": pytest.approx(2 / 3)}


def test_baselines_need_answers():
    unlabelled = [*SPAM, TextExample("x")]
    assert KINDS["classification"].references(SPAM[:1]) == ["spam"]
    for call in (bag_of_words_baseline, lambda *sets: majority_baseline("classification", *sets)):
        with pytest.raises(ValueError, match=f"example {len(unlabelled)} has no label"):
            call(unlabelled, SPAM)
        with pytest.raises(ValueError, match="train "):
            call([], SPAM)
    with pytest.raises(ValueError, match=r"at least two classes, got \['spam'\]"):
        bag_of_words_baseline(SPAM[:2], SPAM)


def test_a_bag_of_words_tells_words_apart_and_reads_both_texts():
    train, asked = SPAM[::2], SPAM[1::2]
    assert (
        bag_of_words_baseline(train, asked)["accuracy"]
        > 0.9
        > majority_baseline("classification", train, asked)["accuracy"]
    )
    pairs = [TextExample("the same", text, label) for text, _, label in SPAM]
    scores = bag_of_words_baseline(pairs[::2], pairs[1::2], positive_label="spam")
    assert scores["f1"] > 0.9
    assert scores == bag_of_words_baseline(pairs[::2], pairs[1::2], positive_label="spam")


TABLE_14 = """
    cola   1e-5  16 0   5336  320 512
    sts-b  2e-5  16 0   3598  214 512
    sst-2  1e-5  32 0  20935 1256 512
    mnli   3e-5 128 0  10000 1000 512
    qnli   1e-5  32 0  33112 1986 512
    qqp    5e-5 128 .1 14000 1000 512
    rte    3e-5  32 .1   800  200 512
    mrpc   2e-5  32 0    800  200 512
    wnli   2e-5  16 .1  2000  250 512
    squad1 5e-5  48 0   3649  365 384
    squad2 3e-5  48 0   8144  814 512
    race   2e-5  32 .1 12000 1000 512
"""


def test_named_tasks_are_those_of_the_papers_table():
    rows = [line.split() for line in TABLE_14.strip().splitlines()]
    assert set(TASKS) == {row[0] for row in rows} | {"race-v2"} | set(KINDS)
    for name, *numbers in rows:
        task = TASKS[name]
        found = (task.learning_rate, task.batch_size, task.dropout, task.steps, task.warmup_steps, task.max_seq_length)
        assert found == tuple(map(float, numbers)), name
        assert task.classifier_dropout == 0.1
        assert task.epochs is None
    assert (TASKS["race-v2"].learning_rate, TASKS["race-v2"].dropout) == (1e-5, 0)


def test_settings_fit_their_kind():
    for name, task in TASKS.items():
        assert task.name == name
        assert task.kind in KINDS
        by_epochs = name in KINDS
        assert by_epochs == (task.steps is None) == (task.warmup_steps is None)
        assert by_epochs == (task.epochs is not None) == (task.warmup_fraction is not None)
        lengths = (task.doc_stride, task.max_query_length, task.max_answer_length)
        asks = KINDS[task.kind].example is QuestionExample
        assert (None not in lengths) == asks
        if asks:
            assert lengths[0] + lengths[1] < task.max_seq_length
        assert by_epochs == (task.learning_rate is None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        TASKS["cola"].steps = 1


def test_the_learning_rate_falls_with_the_width_unless_the_task_has_one():
    own = TASKS["classification"]
    rates = [own.learning_rate_for(width) for width in (64, 128, 256, 768, 1024, 4096)]
    assert rates == pytest.approx([1e-3, 1e-3, 2.5e-4, 2.78e-5, 1.56e-5, 1e-5], rel=0.01)
    assert TASKS["qqp"].learning_rate_for(128) == 5e-5
    assert dataclasses.replace(own, learning_rate=0.5).learning_rate_for(128) == 0.5


def test_the_best_checkpoint_is_chosen_by_a_metric_that_there_is():
    asked = {
        "classification": ["a", "b"],
        "multilabel": [("a",), ()],
        "regression": [1.0, 2.0],
        "tagging": [["O"]],
        "answering": [()],
        "answering-v2": [()],
        "choice": [0],
    }
    for task in TASKS.values():
        nothing = FoundAnswer("", 0, 0, 0.0, 0.5)
        asks = KINDS[task.kind].example is QuestionExample
        predictions = [Prediction("" if asks else answer, None, [nothing]) for answer in asked[task.kind]]
        assert task.metric in KINDS[task.kind].measure(predictions, asked[task.kind], task)


def test_the_best_threshold_is_that_of_trying_all():
    rng = np.random.default_rng(0)
    for _ in range(50):
        count = int(rng.integers(1, 9))
        scores = rng.integers(-3, 3, count).astype(float)  # with ties
        answered, refused = rng.random(count) < 0.5, rng.random(count) < 0.5
        threshold, gain = best_threshold(scores, answered.astype(float), refused.astype(float))
        gains = [np.where(scores > t, refused, answered).mean() for t in np.arange(-4, 4) + 0.5]
        assert gain == pytest.approx(max(gains))
        assert np.where(scores > threshold, refused, answered).mean() == pytest.approx(gain)
    assert best_threshold(np.array([1.0, 3.0]), np.array([1.0, 0.0]), np.array([0.0, 1.0])) == (2.0, 1.0)


def test_what_another_threshold_would_bring_is_measured():
    def predicted(text, refusal):
        none, found = FoundAnswer("", 0, 0, refusal, 0.5), FoundAnswer(text, 0, 1, -1.0, 0.5)
        return Prediction("" if refusal > 0 else text, None, [none, found] if refusal > 0 else [found, none])

    one = (Answer("x", 0),)
    predictions = [predicted("x", 1.0), predicted("y", 3.0), predicted("x", -2.0)]
    measured = KINDS["answering-v2"].measure(predictions, [one, (), one], TASKS["squad2"])
    assert measured["exact_match"] == measured["f1"] == pytest.approx(2 / 3)
    assert measured["no_answer_accuracy"] == 1.0
    assert measured["has_answer_f1"] == 0.5
    assert measured["best_exact_match"] == measured["best_f1"] == 1.0
    assert measured["best_threshold"] == 2.0


SCHEMES = {  # of a span of three words, of two, of one
    "IOB": ("B I I", "B I", "B"),
    "IOE": ("I I E", "I E", "E"),
    "IOBES": ("B I E", "B E", "S"),
    "BILOU": ("B I L", "B L", "U"),
    "BMES": ("B M E", "B E", "S"),
    "BMEWO": ("B M E", "B E", "W"),
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("named", [True, False])
def test_spans_are_the_same_in_every_scheme(scheme, named):
    rng = np.random.default_rng(0)
    for _ in range(40):
        tags, spans = [], set()
        for _ in range(rng.integers(1, 6)):
            kind, length = str(rng.choice(["per", "loc"])), int(rng.integers(0, 4))
            if length:
                spans.add((kind if named else "", len(tags), len(tags) + length))
            places = SCHEMES[scheme][3 - length].split() if length else ["O"]
            tags += [place if place == "O" or not named else f"{place}-{kind}" for place in places]
        assert entity_spans(tags) == spans


def test_tags_out_of_order_mark_what_conlleval_sees():
    assert entity_spans("B-per E-loc".split()) == {("per", 0, 1), ("loc", 1, 2)}
    assert entity_spans("E-per I-per I-per S-per L-per".split()) == {
        *(("per", 0, 1), ("per", 1, 3), ("per", 3, 4), ("per", 4, 5))
    }
    right, half = [["B-per", "I-per", "E-per", "O", "S-loc"]], [["B-per", "E-per", "O", "O", "S-loc"]]
    assert tagging_metrics(right, right)["f1"] == 1.0
    assert tagging_metrics(half, right)["f1"] == 0.5


def test_a_letter_among_parts_of_speech_is_one_of_them():
    right, given = [["S", "V", "E", "B"]], [["E", "V", "S", "B"]]
    scores = tagging_metrics(given, right)
    assert scores["f1"] == scores["accuracy"] == 0.5
    assert tagging_metrics([["B", "E", "S"]], [["B", "E", "O"]])["f1"] == pytest.approx(2 / 3)  # of one type, unnamed


def test_what_is_no_label_is_refused_by_name():
    with pytest.raises(ValueError, match="list or tuple of names, got the string 'joy'"):
        multilabel_metrics([("joy",)], ["joy"])
    with pytest.raises(ValueError, match="NaN is none"):
        classification_metrics(np.array([1.0, np.nan]), np.array([1.0, 0.0]))
