"""Examples to features to batches: where labels, tags and answers end up, and in what order examples come."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from toys.tasks import examples

from albert_np.tasks import (
    KINDS,
    TASKS,
    Answer,
    ChoiceExample,
    QuestionExample,
    TaggedExample,
    TextExample,
    majority_baseline,
    prepare_finetuning,
    split_words,
)
from albert_np.tasks.batches import FineTuningData, Position, batches_by_length
from albert_np.tasks.kinds.base import cut_tokens
from albert_np.tokenization import AlbertTokenizer


@pytest.fixture(scope="module")
def tokenizer(start):
    return AlbertTokenizer.from_pretrained(start)


def features_of(kind, made, tokenizer, length=32, labels=None, **changes):
    asked = KINDS[kind]
    task = replace(asked.fitted(TASKS[kind], length), **changes)
    return asked.features(task, asked.label_names(made) if labels is None else labels, tokenizer, made)


def test_texts_and_pairs_are_rows_of_the_tokenizer(tokenizer):
    made = [TextExample("the old cat", "a red house", "x"), TextExample("big dog", "lamp", "y")]
    for at, feature in enumerate(features_of("classification", made, tokenizer)):
        row = tokenizer(made[at].text, made[at].text_pair)
        assert feature.input_ids.tolist() == row["input_ids"]
        assert feature.token_type_ids.tolist() == row["token_type_ids"]
        assert (feature.example, feature.target) == (at, at)
    (cut,) = features_of("regression", [TextExample("the old cat sees " * 9, None, 0.5)], tokenizer, 12)
    assert len(cut.input_ids) == 12
    assert cut.input_ids[-1] == tokenizer.sep_token_id
    assert cut.target == 0.5


def test_labels_that_hold_are_ones(tokenizer):
    made = [TextExample("cat", None, ("b", "a")), TextExample("dog", None, ()), TextExample("car", None, ("c",))]
    assert [f.target.tolist() for f in features_of("multilabel", made, tokenizer)] == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_an_unknown_label_or_half_a_pair_is_named(tokenizer):
    with pytest.raises(ValueError, match="example 2 has the label 'z'; the model knows 'x', 'y'"):
        features_of("classification", [TextExample("a", label="x"), TextExample("a", label="z")], tokenizer, 32, "xy")
    with pytest.raises(ValueError, match="example 2 has no text_pair"):
        features_of("regression", [TextExample("a", "b", 1.0), TextExample("a", None, 1.0)], tokenizer)
    with pytest.raises(ValueError, match=r"at least two labels to choose from, got \['x'\]"):
        KINDS["classification"].label_names([TextExample("a", label="x")])


@pytest.mark.parametrize("length", [10, 64])
def test_each_word_carries_its_tag_once_on_its_first_token(tokenizer, length):
    words = tuple("the unlikely cat sees housecars near xylophone ? under the tablelamp with dog".split())
    tags = tuple(f"T{i % 3}" for i in range(len(words)))
    features = features_of("tagging", [TaggedExample(words, tags)], tokenizer, length)
    assert (len(features) > 1) == (length == 10)
    seen = {}
    for feature in features:
        assert len(feature.input_ids) <= length
        asked = np.flatnonzero(feature.target != -100).tolist()
        assert asked == [token for _, token in feature.places.tolist()]
        for word, token in feature.places.tolist():
            assert word not in seen
            seen[word] = feature.target[token]
            first = tokenizer(words[word], add_special_tokens=False)["input_ids"][0]
            assert feature.input_ids[token] == first
    assert seen == {i: i % 3 for i in range(len(words))}


def test_answers_stand_where_the_characters_say(tokenizer):
    context = "the old dog sees a house near the red car. a green lamp under the small table? the bird likes books."
    for text in ("old dog", "small table", "books", "car. a"):
        question = QuestionExample("1", "what?", context, (Answer(text, context.index(text)),))
        features = features_of("answering", [question], tokenizer, 24)
        held = [f for f in features if f.target != (0, 0)]
        assert len(features) > len(held) > 0
        for feature in held:
            start, end = feature.places[feature.target.start][0], feature.places[feature.target.end][1]
            assert text in context[start:end]
            assert len(context[start:end]) - len(text) <= len("books.") - len("books")  # at most the rest of a token


def test_windows_hold_the_whole_context_and_the_start_of_the_question(tokenizer):
    made = QuestionExample("1", "the cat " * 20, "the old dog sees a red house near the car " * 4, ())
    features = features_of("answering", [made], tokenizer, 24, max_query_length=5, doc_stride=7)
    ids = tokenizer(made.context, add_special_tokens=False)["input_ids"]
    query = tokenizer(made.question, add_special_tokens=False)["input_ids"][:5]
    lead = [tokenizer.cls_token_id, *query, tokenizer.sep_token_id]
    rebuilt = []
    for number, feature in enumerate(features):
        row = feature.input_ids.tolist()
        assert row[: len(lead)] == lead
        assert row[-1] == tokenizer.sep_token_id
        assert len(row) <= 24
        rebuilt[7 * number :] = row[len(lead) : -1]
        assert feature.target == (0, 0)
    assert rebuilt == ids
    assert [len(f.input_ids) for f in features[:-1]] == [24] * (len(features) - 1)


def test_choices_are_one_block(tokenizer):
    made = [ChoiceExample("the old cat", "sees", ("a house", "the small red dog", "lamp"), 1)]
    (feature,) = features_of("choice", made, tokenizer)
    assert feature.input_ids.shape == feature.attention_mask.shape == (3, feature.attention_mask.sum(1).max())
    row = tokenizer("the old cat", "sees lamp")["input_ids"]
    assert feature.input_ids[2][: len(row)].tolist() == row
    assert feature.attention_mask[2].sum() == len(row)


def mixed_lengths(tokenizer, count=103):
    rng = np.random.default_rng(0)
    made = [TextExample("cat " * int(rng.integers(1, 28)), None, "xy"[i % 2]) for i in range(count)]
    return features_of("classification", made, tokenizer)


def test_an_epoch_shows_every_example_once_in_batches_of_like_length(tokenizer):
    features = mixed_lengths(tokenizer)
    for i, feature in enumerate(features):
        features[i] = feature._replace(target=i)
    data = FineTuningData(KINDS["classification"], features, 8, tokenizer.pad_token_id, seed=3)
    assert data.batches_per_epoch == 13
    epochs, padded, real = [], 0, 0
    position = data.first_position
    for epoch in range(2):
        seen = []
        while position.epoch == epoch:
            batch, position = data.batch_at(position)
            seen += batch.labels.tolist()
            padded, real = padded + batch.input_ids.size, real + batch.attention_mask.sum()
        assert sorted(seen) == list(range(103))
        epochs.append(seen)
    assert epochs[0] != epochs[1]
    assert padded < 1.1 * real  # unsorted batches of 8 have 1.7 times as many


def test_a_batch_depends_on_nothing_but_its_position(tokenizer):
    features = mixed_lengths(tokenizer)
    one, other = (
        FineTuningData(KINDS["classification"], features, 8, tokenizer.pad_token_id, seed=3) for _ in range(2)
    )
    other.batch_at(Position(5, 1))
    for got, expected in zip(one.batch_at(Position(2, 4))[0], other.batch_at(Position(2, 4))[0], strict=True):
        np.testing.assert_array_equal(got, expected)
    assert one.batch_at(Position(2, 12))[1] == Position(3, 0)
    changed = FineTuningData(
        one.kind, [features[0]._replace(target=1 - features[0].target), *features[1:]], 8, 0, seed=3
    )
    assert one.settings() == other.settings() != changed.settings()


def test_prediction_batches_hold_every_feature_within_the_limit(tokenizer):
    features = mixed_lengths(tokenizer) + features_of("choice", examples("choice", 9), tokenizer)
    batches = list(batches_by_length(features, 100))
    assert sorted(itertools.chain(*batches)) == list(range(len(features)))
    for batch in batches:
        shapes = [features[i].input_ids.shape for i in batch]
        assert len({shape[:-1] for shape in shapes}) == 1
        assert len(batch) == 1 or len(batch) * max(map(np.prod, shapes)) <= 100


@pytest.mark.parametrize("kind", KINDS)
def test_losses_of_parts_add_up_to_that_of_the_whole(kind, tokenizer, start):
    made, asked = examples(kind, 7), KINDS[kind]
    labels = asked.label_names(made)
    features = features_of(kind, made, tokenizer)
    with pytest.warns(UserWarning, match="newly initialised"):
        model = asked.model.from_pretrained(
            start, dtype="float64", num_labels=asked.num_labels(labels), problem_type=asked.problem_type
        )
    parts = [asked.collate(part, tokenizer.pad_token_id) for part in (features[:2], features[2:])]
    shared = asked.denominators(parts)
    total = sum(float(model(**part._asdict(), **shared).loss) for part in parts)
    whole = asked.collate(features, tokenizer.pad_token_id)
    assert total == pytest.approx(float(model(**whole._asdict()).loss), rel=1e-9)


def test_the_squad_2_head_is_told_where_an_answer_may_be_and_whether_there_is_one(tokenizer):
    context = "the old dog sees a house near the red car. a green lamp under the small table?"
    asked = [
        QuestionExample("1", "what?", context, (Answer("dog", context.index("dog")),)),
        QuestionExample("2", "the red car?", "a cat", ()),
    ]
    features = features_of("answering-v2", asked, tokenizer, 24)
    batch = KINDS["answering-v2"].collate(features, tokenizer.pad_token_id)
    for i, feature in enumerate(features):
        types, ids = feature.token_type_ids, feature.input_ids
        allowed = (types == 1) & (ids != tokenizer.sep_token_id)
        allowed[0] = True
        assert batch.p_mask[i].tolist() == [*(~allowed).astype(int), *[1] * (batch.p_mask.shape[1] - len(ids))]
        assert batch.is_impossible[i] == (feature.target == (0, 0))
        assert (batch.start_positions[i], batch.end_positions[i]) == feature.target
    assert 0 < batch.is_impossible.sum() < len(features)
    unasked = features_of("answering-v2", [e._replace(answers=None) for e in asked], tokenizer, 24)
    assert KINDS["answering-v2"].collate(unasked, tokenizer.pad_token_id)._fields[-1] == "p_mask"


CONTEXT = "the cat sees a dog"


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("classification", TextExample("a", label=np.int64(3)), "3"),
        ("classification", TextExample("a", label=np.str_("x ")), "x"),
        ("classification", TextExample("a", label=np.bool_(True)), "True"),
        ("multilabel", TextExample("a", label="joy"), ("joy",)),
        ("multilabel", TextExample("a", label=["joy", "awe"]), ("joy", "awe")),
        ("multilabel", TextExample("a", label=np.array(["joy", "awe"])), ("joy", "awe")),
        ("regression", TextExample("a", label=np.float32(0.5)), 0.5),
        ("regression", TextExample("a", label=3), 3.0),
        ("tagging", TaggedExample(["a", "b"], np.array(["O", "B-x"])), ("O", "B-x")),
        ("answering", QuestionExample("1", "who?", CONTEXT, [Answer("cat", np.int64(4))]), (Answer("cat", 4),)),
        ("choice", ChoiceExample("a", None, ["x", "y"], np.int64(1)), 1),
    ],
)
def test_examples_made_by_hand_may_hold_what_a_file_would(kind, given, expected):
    (found,) = KINDS[kind].references([given])
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ("classification", TextExample("a", label=float("nan")), "the label 'label' must be the name of one class"),
        ("classification", TextExample("a", label=np.float32("nan")), "must be the name of one class, got nan"),
        ("classification", TextExample("a", label=("x", "y")), "must be the name of one class"),
        ("multilabel", TextExample("a", label=(float("nan"),)), "a list of names"),
        ("regression", TextExample("a", label=float("nan")), "must be a finite number, got nan"),
        ("regression", TextExample("a", label="high"), "must be a finite number, got 'high'"),
        ("regression", TextExample(" ", label=1.0), "'text' must be a text that is not empty"),
        ("tagging", TaggedExample(("a", "b"), ("O",)), "has 2 words and 1 tags"),
        ("answering", QuestionExample("1", "who?", CONTEXT, (Answer("cat", 5),)), "at answer_start=5"),
        ("answering", QuestionExample("0", "who?", CONTEXT, ()), "each question needs an id of its own, got '0'"),
        ("choice", ChoiceExample("a", None, ("x", "y"), 2), "'label' must lie in 0 to 1"),
        ("choice", TextExample("a", label="x"), "is a TextExample; the kind of task is choice, of ChoiceExample"),
    ],
)
def test_a_bad_example_made_by_hand_is_named_by_its_place(kind, given, message, start, tmp_path):
    good = {
        "answering": QuestionExample("0", "who?", CONTEXT, ()),
        "choice": ChoiceExample("a", None, ("x", "y"), 0),
        "tagging": TaggedExample(("a",), ("O",)),
    }.get(kind, TextExample("a", label="1"))
    with pytest.raises(ValueError, match=f"^example 2:? .*{message}"):
        prepare_finetuning(tmp_path / "run", kind, [good, given], [good], start)
    assert not list(tmp_path.iterdir())


def test_the_class_whose_f1_counts_goes_by_the_datas_name_for_it(start, tmp_path):
    mrpc, kind = TASKS["mrpc"], KINDS["classification"]
    made = [TextExample("a", "b", label) for label in ("equivalent", "not_equivalent")]
    assert kind.suited(mrpc, made).positive_label == "equivalent"
    assert kind.suited(mrpc, [e._replace(label=str(i)) for i, e in enumerate(made)]).positive_label == "1"
    assert kind.suited(replace(mrpc, positive_label="not_equivalent"), made).positive_label == "not_equivalent"
    assert kind.suited(TASKS["cola"], made).positive_label is None
    run = prepare_finetuning(tmp_path / "run", replace(mrpc, steps=1, warmup_steps=0), made, made, start)
    assert run.task.positive_label == "equivalent"
    strange = [e._replace(label=label) for e, label in zip(made, ("yes", "no"), strict=True)]
    with pytest.raises(
        ValueError, match="positive_label='1', the class whose F1 mrpc reports, must be one of 'no', 'yes'"
    ):
        prepare_finetuning(tmp_path / "other", "mrpc", strange, strange, start)
    with pytest.raises(ValueError, match=r"positive_label='spam'.* must be one of 'no', 'yes'"):
        majority_baseline("classification", strange, strange, "spam")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी भाषा है।", ["हिन्दी", "भाषा", "है", "।"]),
        ("Zoe\u0308, ne\u0301e Weiß", ["Zoe\u0308", ",", "ne\u0301e", "Weiß"]),  # decomposed
        ("ٱلْعَرَبِيَّةُ لُغَةٌ", ["ٱلْعَرَبِيَّةُ", "لُغَةٌ"]),
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("the U.S. and e.g. J.R.R. Tolkien.", ["the", "U.S.", "and", "e.g.", "J.R.R.", "Tolkien", "."]),
        ("I saw A. Bee at U.S.A", ["I", "saw", "A", ".", "Bee", "at", "U.S.A"]),
        ("3.14, 1,000.5 at 10:30. v2.0.1", ["3.14", ",", "1,000.5", "at", "10:30", ".", "v2.0.1"]),
        ("$3.50 is 5%.", ["$", "3.50", "is", "5", "%", "."]),
        ("(don't re-do it’s)", ["(", "don't", "re-do", "it’s", ")"]),
        ("👍🏽 👩\u200d👧 🇩🇪🇫🇷 ❤\ufe0f!", ["👍🏽", "👩\u200d👧", "🇩🇪", "🇫🇷", "❤\ufe0f", "!"]),
        ("a\x00b\u200bc\u0301 \u0301", ["a", "b", "c\u0301", "\u0301"]),
        ("", []),
    ],
)
def test_words_keep_their_marks_their_dots_and_their_digits(text, words):
    assert split_words(text) == words


def test_a_word_without_a_token_gets_a_label_that_there_is(tokenizer):
    kind = KINDS["tagging"]
    example = TaggedExample(("cat", "\u0301", "dog"))
    (window,) = kind.features(TASKS["tagging"], ("N", "V"), tokenizer, [example])
    logits = np.zeros((len(window.input_ids), 2))
    logits[:, 1] = 9
    prediction = kind.decode(TASKS["tagging"], ("N", "V"), example, [(window, (logits,))])
    assert prediction.answer == ["V", "N", "V"]
    assert prediction.probabilities[1] == 0


@pytest.mark.parametrize("kind", ["answering", "answering-v2"])
@pytest.mark.parametrize("length", [5, 6, 7, 12])
def test_windows_of_the_shortest_models_move_on(kind, length, tokenizer):
    asked = QuestionExample("1", "the old cat?", "the dog sees a house near the red car", (Answer("dog", 4),))
    features = features_of(kind, [asked], tokenizer, length)
    assert max(len(feature.input_ids) for feature in features) <= length
    shown = {tuple(place) for feature in features for place in feature.places.tolist() if place[1]}
    assert (4, 7) in {(start, end) for start, end in shown} or len(shown) > 5
    assert max(end for _, end in shown) == len(asked.context)


@pytest.mark.parametrize("kind", ["answering", "answering-v2"])
def test_windows_that_cannot_move_on_are_refused(kind, tokenizer):
    asked = [QuestionExample("1", "who?", "the dog sees a house near the red car", ())]
    for length in (1, 2, 3, 4):
        with pytest.raises(ValueError, match=rf"max_seq_length={length}, .* must be at least 5"):
            KINDS[kind].fitted(TASKS[kind], length)
    for name, value in (("doc_stride", 0), ("doc_stride", -1), ("max_query_length", -3)):
        with pytest.raises(ValueError, match=f"{name} is {value}; allowed is a whole number from 1"):
            features_of(kind, asked, tokenizer, 16, **{name: value})
    with pytest.raises(ValueError, match=r"doc_stride=None.* must be at least 1"):
        features_of(kind, asked, tokenizer, 16, doc_stride=None)
    with pytest.raises(ValueError, match="max_seq_length=8 leaves a context no room"):
        features_of(kind, asked, tokenizer, 8, max_query_length=5)


@pytest.mark.parametrize("kind", ["classification", "tagging", "choice"])
@pytest.mark.parametrize("length", [4, 5])
def test_the_shortest_models_read_something(kind, length, tokenizer):
    for feature in features_of(kind, examples(kind, 9), tokenizer, length):
        assert 3 <= feature.input_ids.shape[-1] <= length


@pytest.mark.parametrize("kind", ["classification", "regression", "choice", "answering", "tagging"])
def test_what_is_cut_is_counted(kind, tokenizer):
    made = examples(kind, 6)
    if kind.startswith("answering"):
        made[0] = made[0]._replace(question="the cat " * 9)
    task = KINDS[kind].fitted(TASKS[kind], 32)
    short = replace(task, **{KINDS[kind].bound: 5})
    whole = KINDS[kind].features(task, KINDS[kind].label_names(made), tokenizer, made)
    cut = KINDS[kind].features(short, KINDS[kind].label_names(made), tokenizer, made)
    assert KINDS[kind].cut_warning(replace(task, max_query_length=32), cut_tokens(whole[2:]), 6, 32) is None
    warning = KINDS[kind].cut_warning(short, cut_tokens(cut), 6, 32)
    if kind == "tagging":  # a long sentence goes on in further windows
        assert warning is None
    elif kind == "answering":
        assert cut[0].cut == len(tokenizer(made[0].question)["input_ids"]) - 2 - 5
        lost = len(tokenizer("the animal", add_special_tokens=False)["input_ids"]) - 5
        assert [feature.cut for feature in cut[1:]] == [lost] * 5
        assert warning.startswith("6 of 6 examples (100%) are cut to max_query_length=5 tokens and lose ")
    else:
        tokens = [int(feature.attention_mask.sum()) for feature in whole]
        assert [feature.cut for feature in cut] == [
            n - int(f.attention_mask.sum()) for n, f in zip(tokens, cut, strict=True)
        ]
        assert warning.startswith("6 of 6 examples (100%) are cut to max_seq_length=5 tokens and lose ")
        assert warning.endswith("; a larger max_seq_length shows more")
        assert KINDS[kind].cut_warning(short, cut_tokens(cut), 6, 5).endswith("which is all that the model can read")


def test_a_run_says_how_many_texts_are_cut(start, tmp_path):
    made = [TextExample("the cat " * count, label=label) for count in (2, 40) for label in "xy"]
    with pytest.warns(
        UserWarning, match=r"of the training examples, 2 of 4 examples \(50%\) are cut to max_seq_length=32"
    ):
        prepare_finetuning(tmp_path / "run", "classification", made, made[:2], start)
