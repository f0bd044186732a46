"""What a model must beat: answers that need no model, or only counts of words."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from albert_np.tasks.examples import Example, TextExample
from albert_np.tasks.kinds import KINDS
from albert_np.tasks.settings import NamedTask

__all__ = ["bag_of_words_baseline", "majority_baseline"]


def majority_baseline(
    kind: str, train: Sequence[Example], evaluation: Sequence[Example], positive_label: str | None = None
) -> dict[str, float]:
    """Return the metrics of giving every evaluation example one and the same answer: the most frequent in training.

    Of numbers it is their mean, of tags the most frequent tag, of questions about a context that there is no answer.
    Raises ValueError if an example has no answer, or there are none.
    """
    measured = KINDS[kind]
    known, asked = measured.references(train), measured.references(evaluation)
    if not known:
        raise ValueError("train holds no example")
    settings = _settings(kind, positive_label, [*known, *asked])
    return measured.metrics(measured.majority(known, asked), asked, settings)


def bag_of_words_baseline(
    train: Sequence[TextExample], evaluation: Sequence[TextExample], positive_label: str | None = None
) -> dict[str, float]:
    """Return the classification metrics of logistic regression on the TF-IDF of words and pairs of adjacent words.

    It knows no other text than these examples; a pair of texts is read as one text. Raises ValueError if an example
    has no label, or the training examples have fewer than two classes.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    kind = KINDS["classification"]
    known, asked = kind.references(train), kind.references(evaluation)
    if len(set(known)) < 2:
        raise ValueError(f"train must hold at least two classes, got {sorted(set(known))}")
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+")
    model = make_pipeline(words, LogisticRegression(C=10, max_iter=1000))
    predictions = model.fit(_texts(train), known).predict(_texts(evaluation))
    return kind.metrics(predictions.tolist(), asked, _settings(kind.name, positive_label, [*known, *asked]))


def _texts(examples: Iterable[TextExample]) -> list[str]:
    return [" ".join(filter(None, (example.text, example.text_pair))) for example in examples]


def _settings(kind: str, positive_label: str | None, answers: Sequence[str]) -> NamedTask:
    settings = replace(KINDS[kind].defaults, positive_label=positive_label)
    return settings if positive_label is None else KINDS[kind].reporting(settings, sorted(set(answers)))
