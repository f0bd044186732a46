import math
from itertools import islice

import numpy as np
import pytest

from albert_np.model import AlbertForMaskedLM
from albert_np.study.world import HELD_OUT, MASK, NOUNS, PROBES, World, learning, world_config
from albert_np.training import LAMB

STORY = "the girl near the boys goes home . she finds a new apple . she eats the new apple ."


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def exam(world):
    return world.exam(200)


class Knower:
    """In the place of a model: it answers with the exact probabilities."""

    def __init__(self, world):
        self.world = world

    def __call__(self, input_ids, attention_mask=None, grad=True, **_):
        logits = np.full((*np.shape(input_ids), len(self.world.words)), -50.0)
        for row, ids in zip(logits, np.asarray(input_ids), strict=True):
            row[ids == self.world.id_of[MASK]] = np.log(self.world.posterior(ids) + 1e-30)
        return type("Output", (), {"logits": logits})


def chances(world, text):
    """The exact distribution at the first [MASK] of a story, as word → probability."""
    first = world.posterior(world.encode(text))[0]
    return {world.words[i]: first[i] for i in np.flatnonzero(first)}


def test_stories_are_all_different_and_their_probabilities_add_up(world):
    assert len(np.unique(world.ids, axis=0)) == len(world.ids) == 8 * 7 * 3 * 3 * 3 * 4 * 8
    assert world.probability.sum() == pytest.approx(1)
    near = world.id_of["near"]
    assert world.probability[(world.ids == near).any(axis=1)].sum() == pytest.approx(0.5)


@pytest.mark.parametrize(
    "hidden, expected",
    [
        ("goes", {"goes": 1 / 3, "runs": 1 / 3, "walks": 1 / 3}),
        ("home", {"home": 1 / 3, "away": 1 / 3, "outside": 1 / 3}),
        ("she", {"she": 1}),
        ("near", {"near": 1}),
        ("boys", dict.fromkeys(("boy", "boys", "king", "kings", "queen", "queens"), 1 / 6)),
        ("girl", {"girl": 1 / 2, "queen": 1 / 2}),  # whom "she" may be
    ],
)
def test_the_posterior_of_one_hidden_word_is_what_counting_by_hand_gives(world, hidden, expected):
    assert chances(world, STORY.replace(hidden, MASK, 1)) == pytest.approx(expected)


def test_the_posterior_of_many_hidden_words_is_a_sum_over_all_stories(world):
    text = STORY.replace("goes", MASK).replace("she", MASK).replace("finds", MASK).replace("girl", MASK)
    ids = world.encode(text)
    agrees = ((world.ids[:, : len(ids)] == ids) | (ids == world.id_of[MASK])).all(axis=1) & (world.lengths == len(ids))
    share = np.where(agrees, world.probability, 0) / world.probability[agrees].sum()
    for place, got in zip(np.flatnonzero(ids == world.id_of[MASK]), world.posterior(ids), strict=True):
        for word in range(len(world.words)):
            assert got[word] == pytest.approx(share[world.ids[:, place] == word].sum())


def test_a_story_that_cannot_be_is_an_error(world):
    with pytest.raises(ValueError, match="no story agrees"):
        world.posterior(world.encode(STORY.replace("goes", "go")))
    with pytest.raises(ValueError, match="'dog'"):
        world.encode("the dog goes home .")


def test_subject_and_neighbour_can_be_told_apart_by_their_order_alone(world):
    """Of two nouns of different number, each is as often the subject as the other, with the same words around."""
    pairs = {}
    for ids, parts, share in zip(world.ids, world.parts, world.probability, strict=True):
        if "neighbour" in parts:
            pair = world.words[ids[parts == "subject"][0]], world.words[ids[parts == "neighbour"][0]]
            pairs[pair] = pairs.get(pair, 0) + share
    assert len(pairs) == 8 * 6
    assert all(share == pytest.approx(pairs[second, first]) for (first, second), share in pairs.items())


@pytest.mark.parametrize("name", PROBES)
def test_what_is_seen_decides_a_probe_and_only_held_out_stories_are_asked(world, name):
    probe = PROBES[name]
    ids, places, right = world.questions(probe, 50)
    for row, place, word in zip(ids, places, right, strict=True):
        hidden = np.flatnonzero(row == world.id_of[MASK])
        exact = world.posterior(row)[list(hidden).index(place)]
        classes = {probe.classes[world.words[i]] for i in np.flatnonzero(exact)}
        assert classes == {probe.classes[world.words[word]]}
    assert world.probe(Knower(world), probe, 50) == 1


def test_a_misleading_noun_has_the_other_number(world):
    plural = {world.id_of[word] for word in NOUNS.values()}
    nouns = {world.id_of[word] for forms in NOUNS.items() for word in forms}
    for row in world.questions(PROBES["agreement across a misleading noun"], 50)[0]:
        subject, neighbour = (i for i in row if i in nouns)
        assert (subject in plural) != (neighbour in plural)


def test_an_exam_gives_the_loss_and_the_accuracy_of_whoever_knows_the_world(world, exam):
    asked = exam.labels >= 0
    exact = np.concatenate([world.posterior(row) for row in exam.input_ids])
    logits = Knower(world)(exam.input_ids).logits[asked]
    truth = exam.labels[asked]
    assert exam.loss == pytest.approx(-np.log(exact[np.arange(len(truth)), truth]).mean())
    assert exam.accuracy == (logits.argmax(axis=1) == truth).mean()
    assert world.frequent(exam) < world.neighbours(exam) < exam.accuracy
    assert np.isin(world.encode(STORY), exam.input_ids).all()


def test_hidden_words_are_words_and_some_word_of_each_story_is_hidden(world):
    rng = np.random.default_rng(0)
    for share in (0.0, 0.25, 1.0):
        batch = world.hide(world.sample(rng, 300), rng, share)
        asked = batch["labels"] >= 0
        assert asked.any(axis=1).all()
        assert (batch["labels"][asked] >= 4).all()
        assert (batch["input_ids"][asked] == world.id_of[MASK]).all()
        words = (batch["input_ids"] >= 4) | asked
        if share == 0.25:
            assert asked.sum() / words.sum() == pytest.approx(share, abs=4 * math.sqrt(0.19 / words.sum()))
    assert asked[words].all()


def test_ngrams_hide_a_fixed_share_of_each_story_in_runs(world):
    rng = np.random.default_rng(0)
    runs = {}
    for most in (1, 3):
        rows = world.sample(rng, 300)
        batch = world.hide(rows, rng, 0.25, most)
        hidden = batch["labels"] >= 0
        assert (hidden.sum(axis=1) == np.round(0.25 * (world.lengths[rows] - 2))).all()
        assert (batch["labels"][hidden] >= 4).all()
        assert (batch["input_ids"][hidden] == world.id_of[MASK]).all()
        assert (batch["labels"][hidden] == world.ids[rows, : hidden.shape[1]][hidden]).all()
        runs[most] = (hidden[:, 1:] & hidden[:, :-1]).sum() / hidden.sum()
    assert runs[3] > 1.5 * runs[1]  # hidden words that follow a hidden one
    assert world.hide(world.sample(rng, 5), rng, 0.0, 3)["labels"].max(axis=1).min() >= 4


def test_the_rate_rises_for_the_share_of_the_updates_that_is_asked_for(world):
    model = AlbertForMaskedLM(world_config(world, hidden_size=16, num_attention_heads=2), seed=0)
    for warmup, expected in ((0.1, [0.5, 1.0, 1.0]), (0.0, [1.0, 0.95, 0.9])):
        rates = []

        def keep(model, batch, optimizer, rate, rates=rates):
            rates.append(rate)
            return 0.0

        list(islice(learning(world, model, 20, batch_size=2, learning_rate=1.0, warmup=warmup, train=keep), 3))
        assert rates == pytest.approx(expected)


def test_held_out_stories_are_never_drawn_for_training(world):
    rng = np.random.default_rng(0)
    assert not world.held_out[world.sample(rng, 5000)].any()
    assert world.held_out[world.sample(rng, 100, held_out=True)].all()
    assert world.held_out.mean() == pytest.approx(HELD_OUT, abs=0.006)
    assert (World(seed=1).held_out != world.held_out).any()


@pytest.mark.parametrize("options", [{}, {"optimizer": LAMB, "learning_rate": 0.01}])
def test_a_few_updates_learn_the_frequencies_of_words(world, exam, options):
    model = AlbertForMaskedLM(world_config(world, hidden_size=32, embedding_size=32, intermediate_size=64), seed=0)
    before, _ = world.measure(model, exam)
    steps = [step for step, _ in islice(learning(world, model, 200, batch_size=32, **options), 80)]
    loss, accuracy = world.measure(model, exam)
    assert steps == list(range(1, 81))
    assert before == pytest.approx(math.log(len(world.words)), abs=0.3)
    assert exam.loss < loss < before - 0.8
    assert accuracy > world.frequent(exam)


def test_learning_again_gives_the_same_weights(world):
    weights = []
    for _ in range(2):
        model = AlbertForMaskedLM(world_config(world, hidden_size=16, num_attention_heads=2), seed=3)
        list(learning(world, model, 3, seed=5, batch_size=4))
        weights.append(model.params.flat.copy())
    assert (weights[0] == weights[1]).all()


def test_filling_names_words_with_their_probabilities(world):
    answers = world.fill(AlbertForMaskedLM(world_config(world), seed=0), STORY.replace("goes", MASK))
    assert [answer.word in world.words for answer in answers] == [True]
    assert 0 < answers[0].probability < 1
    assert answers[0].exact in (0, pytest.approx(1 / 3))


@pytest.mark.parametrize("held_out", [False, True])
def test_stories_are_drawn_by_their_probability_as_numpy_would(world, held_out):
    rows = np.flatnonzero(world.held_out == held_out)
    share = world.probability[rows] / world.probability[rows].sum()
    for seed in range(20):
        expected = np.random.default_rng(seed).choice(rows, size=64, p=share)
        assert (world.sample(np.random.default_rng(seed), 64, held_out) == expected).all()


def test_a_neighbour_that_there_is_not_is_refused(world):
    probe = PROBES["agreement"]._replace(neighbour="misleading")
    with pytest.raises(ValueError, match="neighbour='misleading': allowed are '', 'none', 'other number'"):
        world.questions(probe)
