import copy

import numpy as np
import pytest

from albert_np.gradcheck import check_model, randomize, small_config, task_cases
from albert_np.model import (
    AlbertForMultipleChoice,
    AlbertForPreTraining,
    AlbertForQuestionAnswering,
    AlbertForQuestionAnsweringV2,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
)

IDS = np.array([[2, 5, 7, 3], [2, 9, 3, 0]])


def small_model(cls, **changes):
    return randomize(cls(small_config(**changes), dtype="float64")).eval()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weights", [None, [0.5, 3.0, 1.25]])
def test_weighted_and_smoothed_losses_are_those_of_pytorch(smoothing, weights, torch):
    rng = np.random.default_rng(0)
    model = small_model(AlbertForTokenClassification, num_labels=3)
    ids, labels = rng.integers(2, 20, (3, 5)), rng.integers(0, 3, (3, 5))
    labels[0, 1] = labels[2] = -100
    out = model(ids, labels=labels, class_weights=weights, label_smoothing=smoothing)
    model.backward()
    logits = torch.tensor(out.logits, requires_grad=True)
    weight = None if weights is None else torch.tensor(weights, dtype=logits.dtype)
    options = {"weight": weight, "label_smoothing": smoothing}
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, 3), torch.tensor(labels).ravel(), **options)
    loss.backward()
    assert float(out.loss) == pytest.approx(loss.item(), rel=1e-10)
    gradient, bias = logits.grad.numpy().sum(axis=(0, 1)), model.grads["classifier.bias"].copy()
    np.testing.assert_allclose(bias, gradient, rtol=1e-9, atol=1e-12)
    model.zero_grad()
    total = (labels != -100).sum() if weights is None else np.array(weights)[labels[labels != -100]].sum()
    for part in (slice(0, 1), slice(1, 3)):
        options = {"class_weights": weights, "label_smoothing": smoothing, "denominator": total}
        model(ids[part], labels=labels[part], **options)
        model.backward()
    np.testing.assert_allclose(model.grads["classifier.bias"], bias, rtol=1e-9, atol=1e-12)


def test_weights_that_cannot_be_are_refused():
    model = small_model(AlbertForSequenceClassification, num_labels=3)
    for options, message in (
        ({"class_weights": [1.0, 2.0]}, "class_weights"),
        ({"class_weights": [1.0, -2.0, 1.0]}, r"class_weights\[1\] is -2.0: allowed are numbers from 0"),
        ({"class_weights": [1.0, np.nan, 1.0]}, "class_weights.* finite numbers"),
        ({"label_smoothing": 1.5}, "label_smoothing=1.5: must be a number from 0 to 1"),
        ({"label_smoothing": float("nan")}, "label_smoothing=nan"),
    ):
        with pytest.raises(ValueError, match=message):
            model([[2, 3]], labels=[1], **options)
    with pytest.raises(ValueError, match="are for classes, and the problem_type is multi_label_classification"):
        model([[2, 3]], labels=[[0.0, 1.0, 1.0]], label_smoothing=0.1)


@pytest.mark.parametrize(
    "cls, labels, shape, parameters",
    [
        (AlbertForSequenceClassification, 2, (2, 2), 11_685_122),
        (AlbertForTokenClassification, 2, (2, 4, 2), 11_094_530),
        (AlbertForMultipleChoice, 2, (1, 2), 11_684_353),
    ],
)
def test_logits_and_parameter_counts_are_hugging_faces(cls, labels, shape, parameters):
    import math

    from albert_np.config import AlbertConfig

    ids = IDS[None] if cls is AlbertForMultipleChoice else IDS
    assert small_model(cls, num_labels=labels)(ids).logits.shape == shape
    shapes = cls.parameter_shapes(AlbertConfig.preset("base-v2"))
    assert sum(math.prod(s) for s in shapes.values()) == parameters


def test_question_answering_has_logits_for_start_and_end():
    out = small_model(AlbertForQuestionAnswering)(IDS)
    assert out.start_logits.shape == out.end_logits.shape == (2, 4)
    assert out.loss is None


def test_the_problem_type_is_inferred_and_never_written_back():
    for labels, given in ((1, [0.5, 1.5]), (3, [2, 0]), (3, [[1.0, 0, 1], [0, 0, 1]])):
        model = small_model(AlbertForSequenceClassification, num_labels=labels)
        before = copy.deepcopy(model.config)
        assert model(IDS, labels=given).loss > 0
        assert model.config == before


def test_one_model_takes_integers_and_then_numbers():
    model = small_model(AlbertForSequenceClassification, num_labels=3)
    single = model(IDS, labels=[2, 0]).loss
    multi = model(IDS, labels=[[0.0, 0, 1], [1, 0, 0]]).loss
    assert single != multi
    assert model(IDS, labels=[2, 0]).loss == single


def test_regression_is_the_mean_squared_error():
    model = small_model(AlbertForSequenceClassification, num_labels=1)
    out = model(IDS, labels=[0.5, -1.0])
    assert out.loss == pytest.approx(np.mean((out.logits[:, 0] - [0.5, -1.0]) ** 2))
    assert model(IDS, labels=[[0.5], [-1.0]]).loss == out.loss


def test_multi_label_loss_stays_finite_for_huge_logits():
    from albert_np.ops import binary_cross_entropy_backward, binary_cross_entropy_forward

    loss, cache = binary_cross_entropy_forward(np.array([1e30, -1e30, 800.0]), np.array([1.0, 0.0, 1.0]))
    assert loss == 0
    assert np.isfinite(binary_cross_entropy_backward(1.0, cache)).all()


def test_positions_outside_the_window_are_ignored():
    model = small_model(AlbertForQuestionAnswering)
    alone = model(IDS[:1], start_positions=[1], end_positions=[2]).loss
    both = model(IDS, [[1, 1, 1, 1], [1, 1, 1, 0]], start_positions=[1, 4], end_positions=[2, 99]).loss
    assert both == pytest.approx(alone)
    clamped = model(IDS[:1], start_positions=[-7], end_positions=[[2]]).loss
    assert clamped == model(IDS[:1], start_positions=[0], end_positions=[2]).loss


def test_a_choice_scores_the_same_alone_and_among_others():
    model = small_model(AlbertForMultipleChoice)
    together = model(np.stack([IDS, IDS[::-1]])).logits
    assert together.shape == (2, 2)
    np.testing.assert_allclose(together[0], together[1][::-1])
    np.testing.assert_allclose(model(IDS[:1][None]).logits[0, 0], together[0, 0])


@pytest.mark.parametrize("case", list(task_cases()), ids=lambda c: c[0])
def test_parts_of_a_batch_add_up_with_its_denominator(case):
    _, model, inputs = case
    model.eval()
    whole = model(**inputs)
    model.zero_grad()
    model.backward()
    gradient = model.grads.flat.copy()
    if isinstance(model, AlbertForQuestionAnswering):  # one start and one end lie outside, in different rows
        counts = {"denominator": 2}
    else:
        labels = inputs["labels"]
        counted = labels != -100 if labels.dtype.kind == "i" else np.ones_like(whole.logits)
        counts = {"denominator": float(counted.sum())}
    model.zero_grad()
    total = 0.0
    for i in range(3):
        total += model(**{n: v[i : i + 1] for n, v in inputs.items()}, **counts).loss
        model.backward()
    assert total == pytest.approx(whole.loss, rel=1e-12)
    np.testing.assert_allclose(model.grads.flat, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", list(task_cases(pad_token_id=None)), ids=lambda c: c[0])
def test_upstream_gradients_of_logits_match_finite_differences(case):
    _, model, inputs = case
    given = {name: value for name, value in inputs.items() if "labels" not in name and "positions" not in name}
    names = [n for n in ("logits", "start_logits", "end_logits") if hasattr(model.eval()(**given), n)]
    rows = check_model(model, given, names)
    assert all(row.ok for row in rows), "\n".join(str(row) for row in rows if not row.ok)
    model(**given)
    with pytest.raises(ValueError, match="backward from loss"):
        model.backward()


def test_a_pretrained_trunk_gets_a_new_head_with_a_warning(tmp_path):
    source = randomize(AlbertForPreTraining(small_config()))
    source.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"newly initialised: classifier\.weight, classifier\.bias"):
        model = AlbertForSequenceClassification.from_pretrained(tmp_path)
    name = "albert.pooler.weight"
    assert (model.params[name] == source.params[name]).all()


@pytest.mark.parametrize(
    "cls, changes, labels, error, message",
    [
        (AlbertForSequenceClassification, {"num_labels": 3}, [0, 3], ValueError, r"labels\[1\] is 3.*num_labels=3"),
        (AlbertForSequenceClassification, {"num_labels": 3}, [[0.5, 2, 0]] * 2, ValueError, "0 to 1 in a multi-label"),
        (AlbertForSequenceClassification, {"num_labels": 3}, [0.5, 2], TypeError, r"or numbers of shape \(2, 3\)"),
        (
            AlbertForSequenceClassification,
            {"num_labels": 1},
            [np.nan, 2],
            ValueError,
            "is (nan|inf): allowed are finite",
        ),
        (AlbertForSequenceClassification, {"num_labels": 1}, ["a", "b"], TypeError, "must hold numbers"),
        (AlbertForTokenClassification, {}, [[1, 1]] * 2, ValueError, r"labels must have shape \(2, 4\)"),
    ],
)
def test_bad_labels_get_one_clear_error(cls, changes, labels, error, message):
    with pytest.raises(error, match=message):
        small_model(cls, **changes)(IDS, labels=labels)


def test_bad_inputs_of_the_other_classes_get_one_clear_error():
    with pytest.raises(ValueError, match=r"input_ids must have 3 axes, \(B, C, T…\), got shape \(2, 4\)"):
        small_model(AlbertForMultipleChoice)(IDS)
    with pytest.raises(ValueError, match="num_labels=3: question answering has 2"):
        AlbertForQuestionAnswering(small_config(num_labels=3))
    with pytest.raises(TypeError, match="start_positions must hold integers"):
        small_model(AlbertForQuestionAnswering)(IDS, start_positions=[0.5, 1], end_positions=[1, 1])


@pytest.mark.parametrize("cls", [AlbertForQuestionAnswering, AlbertForQuestionAnsweringV2])
def test_an_end_without_a_start_is_refused(cls):
    model = small_model(cls)
    with pytest.raises(ValueError, match="end_positions is given, and start_positions is not"):
        model(IDS, end_positions=[1, 1])
    if cls is AlbertForQuestionAnswering:
        with pytest.raises(ValueError, match="start_positions is given, and end_positions is not: a loss needs"):
            model(IDS, start_positions=[1, 1])
    with pytest.raises(ValueError, match="problem_type='rank': allowed are None, regression"):
        small_config(problem_type="rank")


def test_upstream_gradients_and_choices_of_another_shape_are_refused():
    model = AlbertForSequenceClassification(small_config(num_labels=3))
    model([[2, 5, 3], [2, 6, 3]])
    with pytest.raises(ValueError, match=r"the gradient of logits must have shape \(2, 3\), got \(3, 2\)"):
        model.backward(logits=np.ones((3, 2)))
    model = AlbertForMultipleChoice(small_config())
    with pytest.raises(ValueError, match=r"attention_mask must have the leading axes \(B, C\) = \(3, 2\)"):
        model(np.ones((3, 2, 4), int), np.ones((2, 3, 4), int))
