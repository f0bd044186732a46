"""How good predictions are, by the measures that each kind of task reports. All but errors lie between -1 and 1."""

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from albert_np.tasks.examples import Answer

__all__ = [
    "answering_metrics",
    "answering_scores",
    "are_places",
    "choice_metrics",
    "classification_metrics",
    "collapse_warning",
    "entity_spans",
    "multilabel_metrics",
    "regression_metrics",
    "tagging_metrics",
]

Values = Sequence[Any] | np.ndarray  # one an example


def classification_metrics(predictions: Values, references: Values, positive_label: object = None) -> dict[str, float]:
    """Return accuracy, f1 and matthews of one class per example, as names or numbers.

    f1 is that of `positive_label` if one is given, as MRPC and QQP report it, else the mean of all classes' (macro).
    matthews is the correlation of CoLA, for any number of classes; 0 if either side has one class only.
    Raises ValueError if there is nothing to compare or the lengths differ, as all functions here, and for NaN.
    """
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

    if any(value != value for pair in _pairs(predictions, references) for value in pair):
        raise ValueError("predictions and references must be classes, and NaN is none")
    asked = None if positive_label is None else [positive_label]
    constant = len(set(predictions)) == 1 or len(set(references)) == 1
    return {
        "accuracy": float(accuracy_score(references, predictions)),
        "f1": float(f1_score(references, predictions, labels=asked, average="macro", zero_division=0)),
        "matthews": 0.0 if constant else float(matthews_corrcoef(references, predictions)),
    }


def multilabel_metrics(predictions: Values, references: Values) -> dict[str, float]:
    """Return micro_f1, macro_f1 and subset_accuracy of the labels that hold, any number per example.

    predictions, references: the names of each example's labels, or arrays (N, C) of 0 and 1. micro_f1 counts all
    labels together; macro_f1 is the mean over the labels; subset_accuracy is the share of examples with exactly the
    right labels. F1 is 0 where nothing was there and nothing predicted.
    """
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.preprocessing import MultiLabelBinarizer

    pairs = [(_holding(prediction), _holding(reference)) for prediction, reference in _pairs(predictions, references)]
    given, right = zip(*pairs, strict=True)
    classes = sorted(set().union(*given, *right))
    if not classes:  # nothing holds, and nothing was said to
        return {"micro_f1": 0.0, "macro_f1": 0.0, "subset_accuracy": 1.0}
    binarizer = MultiLabelBinarizer(classes=classes)
    y, truth = binarizer.fit_transform(given), binarizer.fit_transform(right)
    return {
        "micro_f1": float(f1_score(truth, y, average="micro", zero_division=0)),
        "macro_f1": float(f1_score(truth, y, average="macro", zero_division=0)),
        "subset_accuracy": float(accuracy_score(truth, y)),
    }


def _holding(labels: Iterable[Any]) -> set[Any]:
    if isinstance(labels, str):
        raise ValueError(f"the labels of an example must be a list or tuple of names, got the string {labels!r}")
    return set(np.flatnonzero(labels).tolist() if isinstance(labels, np.ndarray) else labels)


def regression_metrics(predictions: Values, references: Values) -> dict[str, float]:
    """Return pearson and spearman, the correlations of STS-B, and mean_squared_error.

    A correlation that is not defined, because either side is constant, counts as 0: nothing was told apart.
    """
    from scipy.stats import pearsonr, spearmanr

    _pairs(predictions, references)
    x, y = np.asarray(predictions, float).ravel(), np.asarray(references, float).ravel()
    if not np.isfinite([x, y]).all():
        raise ValueError("predictions and references must be finite numbers")
    defined = np.ptp(x) > 0 and np.ptp(y) > 0
    return {
        "pearson": float(pearsonr(x, y).statistic) if defined else 0.0,
        "spearman": float(spearmanr(x, y).statistic) if defined else 0.0,
        "mean_squared_error": float(np.mean((x - y) ** 2)),
    }


def tagging_metrics(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return precision, recall and f1 of the spans that the tags mark, and accuracy of the tags themselves.

    predictions, references: the tags of each sentence, equally many, in any scheme that `entity_spans` reads. A span
    counts only if its type and both its ends are right, as in the CoNLL shared tasks. Written here in a few lines, as
    the package seqeval is not maintained any more.
    """
    pairs = _pairs(predictions, references)
    tags = [tag for prediction, reference in pairs for tag in _pairs(prediction, reference)]
    bare = are_places(tag for pair in tags for tag in pair)
    right = predicted = actual = 0
    for prediction, reference in pairs:
        found, there = entity_spans(prediction, bare), entity_spans(reference, bare)
        right, predicted, actual = right + len(found & there), predicted + len(found), actual + len(there)
    return {
        "precision": right / predicted if predicted else 0.0,
        "recall": right / actual if actual else 0.0,
        "f1": _f1(right, predicted, actual),
        "accuracy": _share(prediction == reference for prediction, reference in tags),
    }


# Where a tag stands in its span: O outside; I and M in it; B at its beginning; E and L at its end; S, U and W alone.
_PLACES = frozenset("OIMBELSUW")
_BEGIN, _END = frozenset("BSUW"), frozenset("ELSUW")


def are_places(tags: Iterable[str]) -> bool:
    """Whether plain tags are all letters that say where in a span a word stands; among "V" and "PREP", "S" is none."""
    return all("-" in tag or tag in _PLACES for tag in tags)


def entity_spans(tags: Sequence[str], bare: bool = True) -> set[tuple[str, int, int]]:
    """Return the spans that tags mark, as (type, first word, word after the last).

    The letter before the hyphen says where in a span a word stands, in any of the schemes IOB (I, B), IOE (I, E),
    IOBES (S alone), BILOU (L last, U alone) and BMES (M in it; or W alone). As conlleval reads them: B, S, U and W
    always begin a span, I, M, E and L begin one where they do not continue a span of their type; after E, L, S, U and W
    none goes on. Any other tag is a span of one word, so that f1 of plain tags (parts of speech) is accuracy.

    bare: whether a letter without hyphen and type is read so too, see `are_places`.
    """
    spans: set[tuple[str, int, int]] = set()
    start, kind = 0, None  # of the span that is open; None if none is
    for place, tag in enumerate([*tags, "O"]):
        prefix, hyphen, name = tag.partition("-")
        if tag != "O" and (prefix not in _PLACES or not (hyphen or bare)):
            prefix, name = "S", tag
        if kind is not None and (prefix == "O" or prefix in _BEGIN or name != kind):
            spans.add((kind, start, place))
            kind = None
        if prefix != "O" and kind is None:
            start, kind = place, name
        if prefix in _END and kind is not None:
            spans.add((kind, start, place + 1))
            kind = None
    return spans


def answering_metrics(predictions: Sequence[str], references: Sequence[Sequence[Answer]]) -> dict[str, float]:
    """Return exact_match and f1 as SQuAD's official scripts do, but between 0 and 1.

    predictions: a text per question, "" for no answer. references: the answers that count, of which the best match
    does; none where the context has no answer, and then only "" is right. If any question is such a one, there are
    also has_answer_exact_match, has_answer_f1 and no_answer_accuracy. Both scripts agree but for answers that
    are nothing but articles and punctuation: they count as empty, as in version 2.0.
    """
    scores = answering_scores(predictions, references)
    answerable = np.array([bool(answers) for answers in references])
    metrics = {name: values.mean() for name, values in scores.items()}
    if answerable.any() and not answerable.all():
        metrics |= {f"has_answer_{name}": values[answerable].mean() for name, values in scores.items()}
    if not answerable.all():
        metrics["no_answer_accuracy"] = scores["exact_match"][~answerable].mean()
    return {name: float(value) for name, value in metrics.items()}


def answering_scores(
    predictions: Sequence[str], references: Sequence[Sequence[Answer]]
) -> dict[str, npt.NDArray[np.float64]]:
    """Return exact_match and f1 of each question, (N,), of which `answering_metrics` are the means."""
    pairs = [
        (_normalized(prediction), [text for text in (_normalized(answer.text) for answer in answers) if text] or [""])
        for prediction, answers in _pairs(predictions, references)
    ]
    return {
        "exact_match": np.array([float(prediction in texts) for prediction, texts in pairs]),
        "f1": np.array(
            [max(_word_f1(prediction.split(), text.split()) for text in texts) for prediction, texts in pairs]
        ),
    }


def _normalized(answer: str) -> str:
    """Lower case, without punctuation, then without articles, then with single blanks between words."""
    bare = answer.lower().translate(str.maketrans("", "", string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def _word_f1(predicted: list[str], actual: list[str]) -> float:
    if not predicted or not actual:
        return float(predicted == actual)
    return _f1((Counter(predicted) & Counter(actual)).total(), len(predicted), len(actual))


def choice_metrics(predictions: Values, references: Values) -> dict[str, float]:
    """Return accuracy, the share of questions for which the right choice was made."""
    return {"accuracy": _share(prediction == reference for prediction, reference in _pairs(predictions, references))}


def collapse_warning(predictions: Values) -> str | None:
    """Return a warning if a model gives one and the same answer to (nearly) everything, else None.

    predictions: classes, tuples of labels, places of choices, tags of all words in one list, or numbers of a
    regression. Nearly everything is 99 % of at least ten; numbers are the same within 1 % of their median.
    """
    answers = predictions.tolist() if isinstance(predictions, np.ndarray) else list(predictions)
    if len(answers) < 10:
        return None
    if isinstance(answers[0], float | np.floating):
        answer = float(np.median(answers))
        same = _share(abs(number - answer) <= 0.01 * abs(answer) for number in answers)
    else:
        answer, count = Counter(answers).most_common(1)[0]
        same = count / len(answers)
    if same < 0.99:
        return None
    return (
        f"{same:.1%} of the {len(answers)} answers are {answer!r}. If the right ones are not, training has collapsed, "
        "which happens to large models most. What has helped: a smaller learning rate such as 5e-6, a longer warm-up, "
        "another seed"
    )


def _pairs(predictions: Values, references: Values) -> list[tuple[Any, Any]]:
    if len(predictions) != len(references) or len(references) == 0:
        raise ValueError(
            f"predictions and references must be equally many and at least one, "
            f"got {len(predictions)} and {len(references)}"
        )
    return list(zip(predictions, references, strict=True))


def _share(hits: Iterable[object]) -> float:
    return float(np.mean([bool(hit) for hit in hits]))


def _f1(right: int, predicted: int, actual: int) -> float:
    """Harmonic mean of precision right / predicted and recall right / actual; 0 where both are of nothing."""
    return 2 * right / (predicted + actual) if predicted + actual else 0.0
