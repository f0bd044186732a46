"""A fine-tuned model in use: decoding, loading models from elsewhere, and the demo's examples."""

import copy
import dataclasses
import itertools
import json
import math
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from toys.tasks import examples

from albert_np.model import (
    AlbertForMultipleChoice,
    AlbertForQuestionAnswering,
    AlbertForQuestionAnsweringV2,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    convert,
)
from albert_np.tasks import (
    TASKS,
    ChoiceExample,
    Predictor,
    QuestionExample,
    TaggedExample,
    TextExample,
    demo,
    split_words,
)
from albert_np.tasks.kinds import Prediction, entities
from albert_np.tasks.kinds.answering import best_answers
from albert_np.tokenization import AlbertTokenizer, train_vocabulary

pytestmark = pytest.mark.filterwarnings("ignore:not in .* newly initialised")


def saved(cls, start, folder, **changes):
    cls.from_pretrained(start, seed=3, **changes).save_pretrained(folder)
    AlbertTokenizer.from_pretrained(start).save_pretrained(folder)
    return folder


def test_the_best_spans_are_those_of_brute_force(start, tmp_path):
    predictor = Predictor.load(saved(AlbertForQuestionAnswering, start, tmp_path), threads=1)
    context = "the old dog sees a house near the red car. a green lamp under the small table? the bird likes books."
    windows = predictor.features([QuestionExample("1", "who?", context)])
    assert len(windows) > 1
    rng = np.random.default_rng(0)
    logits = [rng.normal(size=(2, len(w.input_ids) + 3)) for w in windows]  # as padded
    scores = {}
    for window, (starts, ends) in zip(windows, logits, strict=True):
        tokens = [t for t, (_, end) in enumerate(window.places) if end]
        for first, last in itertools.combinations_with_replacement(tokens, 2):
            span = window.places[first][0], window.places[last][1]
            if last - first < 4 and span[0] < span[1]:
                scores[span] = max(scores.get(span, -99), starts[first] + ends[last])
    expected = sorted(scores.items(), key=lambda item: -item[1])[:20]
    found = best_answers(context, list(zip(windows, logits, strict=True)), 4, no_answer_above=None)
    assert [((f.start, f.end), pytest.approx(f.score)) for f in found] == expected
    assert all(f.text == context[f.start : f.end] for f in found)
    assert sum(f.probability for f in found) == pytest.approx(1)
    for first in logits:
        first[:, 0] = 9
    logits[-1][:, 0] = -9
    refusing = best_answers(context, list(zip(windows, logits, strict=True)), 4, no_answer_above=0.0)
    assert refusing[0].text != ""  # the window that believes least in no answer decides
    logits[-1][:, 0] = 9
    refusing = best_answers(context, list(zip(windows, logits, strict=True)), 4, no_answer_above=0.0)
    assert refusing[0][:4] == ("", 0, 0, 18)


def test_a_model_that_nothing_is_told_of_gives_an_answer(start, tmp_path):
    folder = saved(AlbertForQuestionAnswering, start, tmp_path)
    model = AlbertForQuestionAnswering.from_pretrained(folder)
    model.params["qa_outputs.weight"][...] = 0  # it likes all tokens alike, and so [CLS]
    model.save_pretrained(folder)
    for name in (None, "squad1"):
        predictor = Predictor.load(folder, name, threads=1)
        assert predictor.task.no_answer_above is None
        prediction = predictor.answer("the animal", "a red dog near the old house")
        assert all(found.text for found in prediction.candidates)
    predictor.task = dataclasses.replace(predictor.task, no_answer_above=-1.0)
    assert predictor.answer("the animal", "a red dog near the old house").answer == ""
    (folder / "task.json").write_text(json.dumps({"task": vars(TASKS["squad1"])}))  # trained with questions without
    assert Predictor.load(folder, threads=1).task.no_answer_above == 0.0


def test_what_stands_beside_a_text_does_not_change_its_prediction(start, tmp_path):
    predictor = Predictor.load(saved(AlbertForSequenceClassification, start, tmp_path, num_labels=3), threads=2)
    texts = ["cat", "the old dog sees a red house near the car", "lamp " * 20]
    together = predictor.classify(texts)
    for text, prediction in zip(texts, together, strict=True):
        alone = predictor.classify([text])[0]
        assert alone.answer == prediction.answer
        assert alone.probabilities == pytest.approx(prediction.probabilities, rel=1e-5)
        assert list(alone.probabilities.values()) == sorted(alone.probabilities.values(), reverse=True)
    assert predictor.classify(["cat"], ["dog"])[0].probabilities != pytest.approx(together[0].probabilities, rel=1e-5)


def test_every_word_of_a_long_sentence_gets_a_tag(start, tmp_path):
    names = {0: "O", 1: "B-x", 2: "I-x"}
    changes = {"num_labels": 3, "id2label": names}
    predictor = Predictor.load(saved(AlbertForTokenClassification, start, tmp_path, **changes), threads=1)
    words = ["cat", "\u0301", *["house"] * 50]
    (prediction,) = predictor.tag([words])
    assert len(prediction.answer) == len(prediction.probabilities) == 52
    assert set(prediction.answer) <= set(names.values())
    assert prediction.answer[1] == "O"  # a lone accent becomes no token
    short = predictor.tag(["the old dog, don't!"])[0]
    assert len(short.answer) == len(split_words("the old dog, don't!")) == 6


def test_entities_stand_where_the_characters_say(start, tmp_path):
    names = {0: "O", 1: "B-x", 2: "I-x", 3: "S-y"}
    folder = saved(AlbertForTokenClassification, start, tmp_path, num_labels=4, id2label=names)
    predictor = Predictor.load(folder, threads=1)
    text = "The  U.S. dog, red cat: Zoe\u0301!"
    words = split_words(text)
    assert words == ["The", "U.S.", "dog", ",", "red", "cat", ":", "Zoe\u0301", "!"]
    tags = ["O", "B-x", "I-x", "O", "I-x", "B-x", "O", "S-y", "O"]
    found = entities(text, Prediction(tags, [0.5, 1.0, 0.5, 1, 1, 0.25, 1, 0.125, 1]), predictor.labels)
    assert [entity[:4] for entity in found] == [
        ("U.S. dog", "x", 5, 13),
        ("red", "x", 15, 18),
        ("cat", "x", 19, 22),
        ("Zoe\u0301", "y", 24, 28),
    ]
    assert [entity.probability for entity in found] == [0.75, 1, 0.25, 0.125]
    assert all(text[entity.start : entity.end] == entity.text for entity in found)
    assert predictor.entities(text) == entities(text, predictor.tag([text])[0], predictor.labels)
    assert [e.type for e in entities("I go", Prediction(["S", "V"], [1.0, 1.0]), ("S", "V"))] == ["S", "V"]
    assert predictor.entities("") == []


def test_choices_need_not_be_equally_many(start, tmp_path):
    predictor = Predictor.load(saved(AlbertForMultipleChoice, start, tmp_path), threads=2)
    made = [ChoiceExample("the old cat", None, tuple("cat dog car lamp".split()[:count])) for count in (2, 4, 3)]
    predictions = predictor.predict(made)
    for example, prediction in zip(made, predictions, strict=True):
        alone = predictor.choose(example.choices, example.context)
        assert prediction.probabilities == pytest.approx(alone.probabilities, rel=1e-5)
        assert prediction.answer == int(np.argmax(alone.probabilities))


def test_the_kind_of_a_model_from_elsewhere_is_told_by_class_and_config(start, tmp_path):
    sequence = AlbertForSequenceClassification
    for name, changes, kind, labels in (
        ("a", {"num_labels": 3}, "classification", ("0", "1", "2")),
        ("b", {"num_labels": 1}, "regression", ("0",)),
        ("c", {"num_labels": 2, "problem_type": "multi_label_classification"}, "multilabel", ("0", "1")),
        ("d", {"num_labels": 2, "id2label": {0: "no", 1: "yes"}}, "classification", ("no", "yes")),
    ):
        predictor = Predictor.load(saved(sequence, start, tmp_path / name, **changes), threads=1)
        assert (predictor.task.kind, predictor.labels) == (kind, labels)
        assert predictor.task.max_seq_length == 32
    with pytest.raises(ValueError, match="is a model for classification, and squad1 is answering"):
        Predictor.load(tmp_path / "d", "squad1")
    with pytest.raises(
        ValueError, match="example 1 is a TaggedExample; the kind of task is multilabel, of TextExample"
    ):
        Predictor.load(tmp_path / "c", threads=1).tag(["a cat"])
    (tmp_path / "d" / "task.json").write_text("{}")
    with pytest.raises(ValueError, match=r"task\.json: task is missing"):
        Predictor.load(tmp_path / "d")


def test_the_task_of_version_0_1_is_read(start, tmp_path):
    saved(AlbertForQuestionAnswering, start, tmp_path)
    task = {name: value for name, value in vars(TASKS["squad1"]).items() if name != "no_answer_above"}
    for refuses, threshold in ((True, 0.0), (False, None)):
        (tmp_path / "task.json").write_text(json.dumps({"task": task, "refuses": refuses}))
        assert Predictor.load(tmp_path, threads=1).task.no_answer_above == threshold


def test_evaluation_reports_the_mean_loss_and_knows_what_is_missing(start, tmp_path):
    folder = saved(AlbertForSequenceClassification, start, tmp_path, id2label={0: "animal", 1: "thing"}, num_labels=2)
    predictor = Predictor.load(folder, threads=2)
    made = examples("classification", 30)
    result = predictor.evaluate(made)
    shares = [p.probabilities[e.label] for p, e in zip(result.predictions, made, strict=True)]
    assert result.metrics["loss"] == pytest.approx(-np.log(shares).mean(), rel=1e-5)
    right = [p.answer == e.label for p, e in zip(result.predictions, made, strict=True)]
    assert result.metrics["accuracy"] == np.mean(right)
    with pytest.raises(ValueError, match="has no label"):
        predictor.evaluate([TextExample("cat")])
    with pytest.raises(ValueError, match="has the label 'plant'"):
        predictor.evaluate([TextExample("cat", label="plant")])


def test_a_predictor_leaves_no_trace_in_the_model(start):
    model = AlbertForTokenClassification.from_pretrained(start, seed=3).train()
    before = model.rng.bit_generator.state, model.params.flat.copy()
    Predictor(model, AlbertTokenizer.from_pretrained(start), TASKS["tagging"], threads=2).predict(
        [TaggedExample(("cat", "dog"))]
    )
    assert model.training
    assert model.rng.bit_generator.state == before[0]
    np.testing.assert_array_equal(model.params.flat, before[1])
    assert not model.grads.flat.any()


@pytest.mark.filterwarnings("ignore:.*hidden_act is read as gelu_new")
def test_a_converted_squad_2_checkpoint_of_googles_answers(tmp_path):
    source = Path(__file__).parent.parent / "reference" / "tensorflow_checkpoints" / "squad2"
    convert(source, tmp_path / "model")
    train_vocabulary(["ab ba abba baab a b"] * 9, tmp_path / "spiece.model", 18).save_pretrained(tmp_path / "model")
    predictor = Predictor.load(tmp_path / "model", "squad2", threads=2)
    assert type(predictor.task.no_answer_above) is float
    context = "ab ba abba baab a b ba ab"
    windows = predictor.features([QuestionExample("1", "ab", context)])
    assert len(windows) > 1
    model = AlbertForQuestionAnsweringV2.from_pretrained(tmp_path / "model")
    refusals, best = [], ("", -np.inf)
    for window in windows:
        p_mask = window.places[:, 1] == 0
        p_mask[0] = False
        types = window.token_type_ids[None]
        out = model.eval()(window.input_ids[None], token_type_ids=types, p_mask=p_mask[None].astype(int))
        refusals.append(float(out.cls_logits[0]))
        starts, ends = out.start_top_index[0], out.end_top_index[0].reshape(len(out.start_top_index[0]), -1)
        for k, first in enumerate(starts):
            for j, last in enumerate(ends[k]):
                score = out.start_top_log_probs[0, k] + out.end_top_log_probs[0].reshape(ends.shape)[k, j]
                span = context[window.places[first, 0] : window.places[last, 1]]
                if 0 < first <= last and span and score > best[1]:
                    best = span, score
    for threshold, expected in ((min(refusals) - 0.1, ""), (min(refusals) + 0.1, best[0])):
        predictor.task = dataclasses.replace(predictor.task, no_answer_above=threshold)
        prediction = predictor.answer("ab", context)
        assert prediction.answer == prediction.candidates[0].text == expected
        assert f"is given above {threshold:.3f}" in predictor.kind.why(predictor.task, prediction)
    assert prediction.candidates[0].score == pytest.approx(best[1], rel=1e-4)
    assert prediction.candidates[-1].score == pytest.approx(min(refusals), rel=1e-4)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda predictor: pickle.loads(pickle.dumps(predictor))])
def test_a_copy_of_a_predictor_says_the_same_and_has_weights_of_its_own(copied, start, tmp_path):
    predictor = Predictor.load(saved(AlbertForSequenceClassification, start, tmp_path), threads=2)
    predictor.progress = lambda batches: iter(batches)
    texts = ["cat", "the old dog sees a red house near the car", "lamp " * 20]
    before = predictor.classify(texts)
    other = copied(predictor)
    assert other.classify(texts) == before
    assert other.progress is None
    predictor._replicas.model.params.flat[...] += 1
    assert predictor.classify(texts) != before
    assert other.classify(texts) == before


def test_predictions_come_in_windows_and_what_is_cut_is_counted_over_all(start, tmp_path, monkeypatch):
    predictor = Predictor.load(saved(AlbertForSequenceClassification, start, tmp_path), threads=1)
    made = [TextExample("lamp " * (40 if i in (3, 18) else 5)) for i in range(20)]
    with pytest.warns(UserWarning, match="2 of 20 examples"):
        expected = predictor.predict(made)
    asked = []
    read = predictor.features
    monkeypatch.setattr(predictor, "features", lambda own, first: asked.append((len(own), first)) or read(own, first))
    monkeypatch.setattr("albert_np.tasks.predict.WINDOW", 8)
    with pytest.warns(UserWarning, match="2 of 20 examples") as warned:
        found = predictor.predict(made)
    assert len(warned) == 1
    assert asked == [(8, 0), (8, 8), (4, 16)]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.probabilities == pytest.approx(theirs.probabilities, rel=1e-5)
    with pytest.raises(ValueError, match="example 19 is a TaggedExample"):
        next(predictor.stream([*made[:18], TaggedExample(("cat",))]))
    monkeypatch.setattr(predictor, "labels", ("a", "b"))
    with pytest.raises(ValueError, match="example 20 has the label 'c'"):
        predictor.predict([*made[:19], TextExample("cat", label="c")])


def test_hugging_face_reads_a_finished_model_and_says_the_same(start, tmp_path, torch, transformers):
    folder = saved(AlbertForSequenceClassification, start, tmp_path, num_labels=2, id2label={0: "no", 1: "yes"})
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    prediction = Predictor.load(folder, threads=1).classify(["the old cat"], ["a red house"])[0]
    row = AlbertTokenizer.from_pretrained(folder)("the old cat", "a red house", return_tensors="np")
    with torch.no_grad():
        logits = theirs(**{name: torch.tensor(value) for name, value in row.items()}).logits[0]
    for number, share in enumerate(logits.softmax(-1).tolist()):
        assert prediction.probabilities[theirs.config.id2label[number]] == pytest.approx(share, rel=1e-4)


def test_one_text_where_a_list_is_meant_is_refused(start, tmp_path):
    classifier = Predictor.load(saved(AlbertForSequenceClassification, start, tmp_path / "a"), threads=1)
    tagger = Predictor.load(saved(AlbertForTokenClassification, start, tmp_path / "b"), threads=1)
    chooser = Predictor.load(saved(AlbertForMultipleChoice, start, tmp_path / "c"), threads=1)
    answerer = Predictor.load(saved(AlbertForQuestionAnswering, start, tmp_path / "d"), threads=1)
    for call, message in (
        (lambda: classifier.classify("hello"), "texts must be a list of texts, got 'hello'"),
        (lambda: classifier.classify(["a", None]), r"texts\[1\] must be a text, got NoneType"),
        (lambda: classifier.classify(["a"], "b"), "pairs must be a list of texts, got 'b'"),
        (lambda: classifier.predict("hello"), "examples must be a list of TextExample, got a str"),
        (lambda: classifier.predict(TextExample("hello")), "must be a list of TextExample, got a TextExample"),
        (lambda: classifier.evaluate("hello"), "examples must be a list"),
        (lambda: tagger.tag("the cat"), r"sentences must be a list of sentences, got one: write \['the cat'\]"),
        (lambda: tagger.tag([["the", 3]]), r"sentences\[0\]\[1\] must be a text, got int"),
        (lambda: chooser.choose("cat", "the dog"), "choices must be a list of texts, got 'cat'"),
        (lambda: chooser.choose(["cat"], ["the dog"]), "context must be a text, got list"),
        (lambda: chooser.choose(["cat", "dog"], "the dog", 3), "question must be a text, got int"),
        (lambda: tagger.entities(["the cat"]), "text must be a text, got list"),
        (lambda: answerer.answer(["who?"], "the dog"), "question must be a text, got list"),
        (lambda: answerer.answer("who?", ["the dog"]), "context must be a text, got list"),
    ):
        with pytest.raises(TypeError, match=message):
            call()
    task, tokenizer = classifier.task, classifier.tokenizer
    model = AlbertForSequenceClassification.from_pretrained(tmp_path / "a")
    for call, message in (
        (lambda: classifier.stream("a"), "examples must be a list of TextExample, got a str"),
        (lambda: classifier.features(None), "examples must be a list of TextExample, got a NoneType"),
        (lambda: tagger.tag(None), "sentences must be a list of sentences, got None"),
        (
            lambda: Predictor(model, tokenizer, "classification"),
            "task must be of class NamedTask, got 'classification'",
        ),
        (lambda: Predictor(model, None, task), "tokenizer must be of class AlbertTokenizer, got None"),
        (
            lambda: Predictor(model, tokenizer, tagger.task),
            "model must be an AlbertForTokenClassification, as the task",
        ),
    ):
        with pytest.raises(TypeError, match=message):
            call()
    with pytest.raises(ValueError, match="threads='all' must be a whole number of at least 1"):
        Predictor(model, tokenizer, task, threads="all")
    for question, context, empty in ((" ", "the dog", "question"), ("who?", "", "context")):
        with pytest.raises(ValueError, match=f"^{empty} holds no text$"):
            answerer.answer(question, context)
    with pytest.raises(ValueError, match="texts and pairs must be equally many, got 2 and 1"):
        classifier.classify(["a", "b"], ["c"])
    with pytest.raises(ValueError, match="nothing to evaluate on"):
        classifier.evaluate([])
    with pytest.raises(ValueError, match="choices is empty"):
        chooser.choose([], "the dog")
    for call, message in (
        (lambda: classifier.classify(["a", ""]), "example 2: 'text' must be a text that is not empty, got ''"),
        (lambda: classifier.classify(["a"], ["\n"]), "example 1: 'text_pair' must be a text that is not empty"),
        (lambda: classifier.predict([TextExample(" ")]), "example 1: 'text' must be a text"),
        (lambda: chooser.choose(["cat", "dog"], ""), "example 1: 'context' must be a text"),
        (lambda: chooser.choose(["cat"], "the dog"), "'choices' must be a list of two or more"),
        (lambda: answerer.predict([QuestionExample("1", "", "the dog")]), "example 1: 'question' must be a text"),
        (lambda: tagger.tag([["the", ""]]), "example 1: 'words' must be a list of strings, none empty"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert [found.answer for found in tagger.tag(["", "cat", []])] == [[], tagger.tag(["cat"])[0].answer, []]
    assert tagger.entities(" ") == []
    assert classifier.classify([]) == []
    expected = classifier.classify(["a cat", "a dog"])
    assert classifier.classify(np.array(["a cat", "a dog"])) == expected
    assert classifier.classify(text for text in ("a cat", "a dog")) == expected


def test_a_model_of_questions_from_elsewhere_answers_unless_it_is_told_otherwise(start, tmp_path):
    folder = saved(AlbertForQuestionAnswering, start, tmp_path)
    context = "the cat"
    always = Predictor.load(folder, threads=1)
    assert always.task.no_answer_above is None
    assert Predictor.load(folder, "squad1", threads=1).task.no_answer_above is None
    found = always.answer("who?", context)
    assert found.answer
    assert all(candidate.text for candidate in found.candidates)
    for threshold, answers in ((-1e9, False), (1e9, True), (math.inf, True)):
        asked = Predictor.load(folder, threads=1, no_answer_above=threshold)
        assert bool(asked.answer("who?", context).answer) == answers
        why = asked.kind.why(asked.task, asked.answer("who?", context))
        assert (why is None) if threshold == math.inf else (f"is given above {threshold:.3f}" in why)
    with pytest.raises(ValueError, match="no_answer_above is nan"):
        Predictor.load(folder, no_answer_above=math.nan)


def test_several_labels_hold_from_the_threshold_on(start, tmp_path):
    changes = {"num_labels": 3, "id2label": dict(enumerate("abc")), "problem_type": "multi_label_classification"}
    predictor = Predictor.load(saved(AlbertForSequenceClassification, start, tmp_path, **changes), threads=1)
    shares = predictor.classify(["the cat"])[0].probabilities
    for threshold in (0.0, *shares.values(), 1.0):
        predictor.task = dataclasses.replace(predictor.task, label_threshold=threshold)
        assert set(predictor.classify(["the cat"])[0].answer) == {
            n for n, share in shares.items() if share >= threshold
        }


def test_answers_are_written_as_servers_take_them(start, tmp_path):
    names = {"num_labels": 2, "id2label": {0: "entailment", 1: "not_entailment"}}
    predictor = Predictor.load(saved(AlbertForSequenceClassification, start, tmp_path / "a", **names), threads=1)
    made = [TextExample("the cat", "a dog"), TextExample("a lamp", "a car")]
    predictions = predictor.predict(made)
    lines = predictor.kind.submission(made, predictions).splitlines()
    assert lines == ["index\tprediction", *(f"{i}\t{found.answer}" for i, found in enumerate(predictions))]
    predictor = Predictor.load(saved(AlbertForQuestionAnswering, start, tmp_path / "b"), threads=1)
    made = [QuestionExample("q7", "who?", "the old dog"), QuestionExample("q8", "what?", "a red car")]
    predictions = predictor.predict(made)
    assert json.loads(predictor.kind.submission(made, predictions)) == {
        "q7": predictions[0].answer,
        "q8": predictions[1].answer,
    }
    tagger = Predictor.load(saved(AlbertForTokenClassification, start, tmp_path / "c"), threads=1)
    with pytest.raises(ValueError, match="no form of submission for tagging"):
        tagger.kind.submission([], [])


def test_a_damaged_task_names_file_and_field(start, tmp_path):
    folder = saved(AlbertForQuestionAnswering, start, tmp_path)
    task = dataclasses.asdict(TASKS["squad1"])
    for content, message in (
        ([], r"task\.json must hold a JSON object"),
        ({"task": 3}, r"task\.json: task is 3; allowed is an object"),
        ({"task": task, "refuses": "no"}, r"task\.json: refuses is 'no'"),
        ({"task": task | {"max_seq_length": -1}}, r"task\.json: task: max_seq_length is -1"),
        ({"task": task | {"metric": "bleu"}}, r"task\.json: metric='bleu': answering is judged by"),
        ({"task": task | {"doc_stride": 0}}, r"task\.json: task: doc_stride is 0"),
    ):
        (folder / "task.json").write_text(json.dumps(content))
        with pytest.raises(ValueError, match=message):
            Predictor.load(folder)


@pytest.mark.parametrize("cls, least", [(AlbertForTokenClassification, 3), (AlbertForQuestionAnswering, 5)])
def test_a_model_of_too_few_positions_is_named(cls, least, start, tmp_path):
    path = saved(cls, start, tmp_path) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_position_embeddings": 2}))
    message = f"max_seq_length=2, of a model of 2 positions, must be at least {least}"
    with pytest.raises(ValueError, match=f"{re.escape(str(tmp_path))}: {message}"):
        Predictor.load(tmp_path)


def modules():
    rng = np.random.default_rng(0)
    for group in demo.GROUPS.values():
        first, second = group.split()[:2]
        for name in (first, f"{first}.one", f"{first}.two", second, f"{second}.three"):
            words = [f"w{i}" for i in rng.integers(500, size=80)]
            sentences = [" ".join(words[i : i + 8]) + "." for i in range(0, 80, 8)]
            yield (
                name,
                [
                    *sentences,
                    f"This is about {name.split('.')[0].lstrip('_')} only.",
                    "The same six words stand here in all.",
                ],
            )


def test_the_demo_asks_about_modules_that_training_does_not_show(monkeypatch):
    monkeypatch.setattr(demo, "module_prose", modules)
    home = {sentence: name for name, sentences in modules() for sentence in sentences}
    train, evaluation = demo.demo_examples()
    assert {e.label for e in train} == {e.label for e in evaluation} == set(demo.GROUPS)
    for side in (train, evaluation):
        counts = np.unique([e.label for e in side], return_counts=True)[1]
        assert len(set(counts.tolist())) == 1
        assert not any("only" in e.text for e in side)  # those name their module
    assert not {home[e.text] for e in train} & {home[e.text] for e in evaluation if "same six" not in e.text}
    assert not any("same six" in e.text for e in evaluation)
    assert demo.demo_examples() == (train, evaluation)
