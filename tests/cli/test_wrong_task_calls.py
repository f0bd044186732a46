"""Wrong calls of the commands that fine-tune and use a model: one clear line, status 2, and nothing is written."""

import json

import pytest
from click.testing import CliRunner
from toys.tasks import examples, model_folder

from albert_np.cli import main
from albert_np.model import (
    AlbertForMultipleChoice,
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
)
from albert_np.tasks import prepare_finetuning, task_settings
from albert_np.tokenization import AlbertTokenizer

pytestmark = pytest.mark.filterwarnings("ignore:not in .* newly initialised")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrong")
    model_folder(folder / "LM")
    names = {"num_labels": 2, "id2label": {0: "animal", 1: "thing"}}
    for name, cls, changes in (
        ("CLS", AlbertForSequenceClassification, names),
        ("MUL", AlbertForSequenceClassification, {**names, "problem_type": "multi_label_classification"}),
        ("TAG", AlbertForTokenClassification, names),
        ("QA", AlbertForQuestionAnswering, {}),
        ("CHO", AlbertForMultipleChoice, {}),
    ):
        cls.from_pretrained(folder / "LM", seed=3, **changes).save_pretrained(folder / name)
        AlbertTokenizer.from_pretrained(folder / "LM").save_pretrained(folder / name)
    made = examples("classification", 40)
    lines = ["label\ttext", *(f"{example.label}\t{example.text}" for example in made)]
    (folder / "DATA").write_text("\n".join(lines) + "\n")
    (folder / "BAD").write_text("\n".join([*lines, "only one cell"]) + "\n")
    (folder / "PLANT").write_text("\n".join([*lines, "plant\ta red house"]) + "\n")
    (folder / "ONE").write_text("label\ttext\nanimal\ta cat\nanimal\ta dog\n")
    (folder / "EMPTY").write_text("")
    (folder / "BINARY").write_bytes(b"\xff\xfe\x00")
    (folder / "QUESTIONS.json").write_text("{]")
    prepare_finetuning(folder / "RUN", task_settings("classification", steps=3), made, made, folder / "LM")
    (folder / "DAMAGED").mkdir()
    (folder / "DAMAGED" / "finetuning.json").write_text(json.dumps({"task": 3}))
    return folder


NEW = ["--task", "classification", "--train", "DATA", "--model", "LM", "--output", "OUT"]
CALLS = {
    "finetune": [
        ([], "give --task, --train, --model, --output"),
        (["--task", "spam", *NEW[2:]], "task 'spam' is unknown"),
        ([*NEW, "--steps", "0"], "--steps"),
        ([*NEW, "--steps", "x"], "--steps"),
        ([*NEW, "--epochs", "0"], "--epochs"),
        ([*NEW, "--epochs", "nan"], "--epochs"),
        ([*NEW, "--epochs", "inf"], "--epochs"),
        ([*NEW, "--steps", "3", "--epochs", "1"], "--steps 3 and --epochs 1.0: give one of them"),
        ([*NEW, "--learning-rate", "-1"], "--learning-rate"),
        ([*NEW, "--learning-rate", "nan"], "--learning-rate"),
        ([*NEW, "--learning-rate", "inf"], "--learning-rate"),
        ([*NEW, "--batch-size", "0"], "--batch-size"),
        ([*NEW, "--batch-size", "99999999999"], "--batch-size"),
        ([*NEW, "--accumulation", "0"], "--accumulation"),
        ([*NEW, "--max-seq-length", "3"], "--max-seq-length"),
        ([*NEW, "--max-seq-length", "64"], "--max-seq-length 64"),
        ([*NEW, "--warmup-steps", "-1"], "--warmup-steps"),
        ([*NEW, "--steps", "5", "--warmup-steps", "500"], "--warmup-steps 500 must be less than"),
        ([*NEW, "--dropout", "1.5"], "--dropout"),
        ([*NEW, "--dropout", "1"], "--dropout"),
        ([*NEW, "--label-smoothing", "1"], "--label-smoothing"),
        ([*NEW, "--dropout", "nan"], "--dropout"),
        ([*NEW, "--evaluate-every", "0"], "--evaluate-every"),
        ([*NEW, "--patience", "0"], "--patience"),
        ([*NEW, "--seed", "-1"], "--seed"),
        ([*NEW, "--threads", "0"], "--threads"),
        ([*NEW, "--held-out", "0"], "--held-out"),
        ([*NEW, "--held-out", "1"], "--held-out"),
        ([*NEW, "--held-out", "nan"], "--held-out"),
        ([*NEW, "--held-out", "0.001"], "--held-out 0.001 leaves 0 of 40 examples"),
        ([*NEW, "--held-out", "0.2", "--eval", "DATA"], "--held-out: there is a file to evaluate on"),
        ([*NEW, "--label-threshold", "0.3"], "--label-threshold: is for multilabel"),
        ([*NEW, "--columns", "text"], "write role=column"),
        ([*NEW, "--columns", "text=a,text=b"], "a role twice"),
        ([*NEW, "--columns", "words=a"], "'words' is nothing that classification reads"),
        ([*NEW, "--eval", "GONE"], "GONE"),
        ([*NEW, "--eval", "PLANT"], "has the label 'plant'; the model knows 'animal', 'thing'"),
        ([*NEW[:2], "--train", "GONE", *NEW[4:]], "GONE"),
        ([*NEW[:2], "--train", "BAD", *NEW[4:]], "line 42: has 1 cells"),
        ([*NEW[:2], "--train", "ONE", "--held-out", "0.5", *NEW[4:]], "at least two labels"),
        ([*NEW[:2], "--train", "EMPTY", *NEW[4:]], "EMPTY holds no text"),
        ([*NEW[:2], "--train", "BINARY", *NEW[4:]], "is not UTF-8"),
        ([*NEW[:4], "--model", "GONE", *NEW[6:]], "GONE"),
        ([*NEW[:4], "--model", "DATA", *NEW[6:]], "DATA"),
        ([*NEW[:6], "--output", "CLS"], "already exists"),
        ([*NEW[:6], "--output", "DATA/x"], "DATA"),
        (["--resume", "GONE"], "holds no fine-tuning run"),
        (["--resume", "LM"], "holds no fine-tuning run"),
        (["--resume", "DAMAGED"], "finetuning.json: task is 3"),
        (["--resume", "RUN", "--steps", "9"], "do not give --steps"),
        (["--demo", "--steps", "9"], "--steps: --demo takes"),
        (["--demo", "--model", "GONE"], "albert-np quickstart"),
        (["--spam"], "No such option"),
    ],
    "evaluate": [
        (["--model", "CLS"], "--data"),
        (["--data", "DATA"], "--model"),
        (["--model", "LM", "--data", "DATA"], "fine-tune it first"),
        (["--model", "CLS", "--data", "GONE"], "GONE"),
        (["--model", "CLS", "--data", "PLANT"], "has the label 'plant'"),
        (["--model", "CLS", "--data", "BAD"], "line 42: has 1 cells"),
        (["--model", "CLS", "--data", "DATA", "--task", "squad1"], "is a model for classification"),
        (["--model", "CLS", "--data", "DATA", "--task", "spam"], "task 'spam' is unknown"),
        (["--model", "CLS", "--data", "DATA", "--predictions", "GONE/x"], "there is no folder"),
        (["--model", "CLS", "--data", "DATA", "--predictions", "LM"], "is a folder"),
        (["--model", "CLS", "--data", "DATA", "--predictions", "DATA"], "would replace --data"),
        (["--model", "CLS", "--data", "DATA", "--label-threshold", "0.3"], "--label-threshold: for multilabel alone"),
        (["--model", "MUL", "--data", "DATA", "--label-threshold", "2"], "--label-threshold"),
        (["--model", "CLS", "--data", "DATA", "--no-answer-above", "1"], "--no-answer-above: for answering"),
        (["--model", "QA", "--data", "QUESTIONS.json"], "QUESTIONS.json"),
    ],
    "classify": [
        (["a cat", "--model", "GONE"], "GONE"),
        (["a cat", "--model", "QA"], "needs more than a text"),
        (["a cat", "--model", "CLS", "--question", "who?"], "--question: is for models of multiple choice"),
        (["a cat", "--model", "CLS", "--choice", "x", "--choice", "y"], "--choice: is for models of multiple choice"),
        (["", "--model", "CLS"], "example 1: 'text' must be a text that is not empty, got ''"),
        (["a", "--pair", " ", "--model", "CLS"], "example 1: 'text_pair' must be a text that is not empty"),
        (["", "--choice", "x", "--choice", "y", "--model", "CHO"], "example 1: 'context' must be a text that is not"),
        (["--model", "CLS"], "standard input holds no text"),
        (["a cat", "--model", "CHO"], "at least two --choice"),
        (["a cat", "--model", "CHO", "--choice", "x"], "at least two --choice"),
        (["a", "b", "--model", "CHO", "--choice", "x", "--choice", "y"], "go with one TEXT, got 2"),
        (["a", "--model", "CHO", "--choice", "x", "--choice", "y", "--pair", "z"], "--pair: does not go with --choice"),
        (["a", "b", "--model", "CLS", "--pair", "x"], "go with one TEXT, got 2"),
        (["a", "--model", "TAG", "--pair", "x"], "takes no pair"),
        (["a", "--model", "CLS", "--file", "DATA"], "--file stands in place of TEXT"),
        (["--model", "CLS", "--file", "GONE"], "GONE"),
        (["--model", "CLS", "--file", "DATA", "--pair", "x"], "--file stands in place of"),
        (["a", "--model", "CLS", "--columns", "text=0"], "--columns: goes with --file"),
        (["a", "--model", "CLS", "--skip-bad-rows"], "--skip-bad-rows: goes with --file"),
        (["a", "--model", "CLS", "--submission", "OUT"], "--submission: goes with --file"),
        (["--model", "TAG", "--file", "DATA", "--submission", "OUT"], "no form of submission for tagging"),
        (["--model", "CLS", "--file", "DATA", "--submission", "GONE/x"], "there is no folder"),
        (["--model", "CLS", "--file", "BAD", "--submission", "OUT"], "line 42: has 1 cells"),
        (["--model", "CLS", "--file", "BAD", "--submission", "OUT", "--skip-bad-rows"], "an answer to every row"),
        (["a", "--model", "CLS", "--entities"], "--entities: is for models of tags"),
        (["a", "--model", "CLS", "--always-answer"], "--always-answer: for answering"),
    ],
    "answer": [
        (["--model", "QA", "--context", "a cat"], "QUESTION"),
        (["who?", "--model", "QA"], "give one of --context and --context-file"),
        (["who?", "--model", "QA", "--context", "a", "--context-file", "DATA"], "give one of --context"),
        (["who?", "--model", "QA", "--context", " "], "--context holds no text"),
        (["", "--model", "QA", "--context", "a cat"], "question holds no text"),
        (["who?", "--model", "QA", "--context-file", "GONE"], "GONE: No such file"),
        (["who?", "--model", "QA", "--context-file", "LM"], "LM"),
        (["who?", "--model", "QA", "--context-file", "BINARY"], "is not UTF-8"),
        (["who?", "--model", "CLS", "--context", "a cat"], "this one is for classification"),
        (["who?", "--model", "QA", "--context", "a cat", "--top", "0"], "--top"),
        (["who?", "--model", "QA", "--context", "a cat", "--top", "-1"], "--top"),
        (["who?", "--model", "QA", "--context", "a cat", "--no-answer-above", "nan"], "--no-answer-above"),
        (
            ["who?", "--model", "QA", "--context", "a", "--no-answer-above", "1", "--always-answer"],
            "--no-answer-above: does not go with --always-answer",
        ),
    ],
    "fill-mask": [
        (["a [MASK]", "--model", "CLS"], "holds an AlbertForSequenceClassification, which has no head"),
        (["a cat", "--model", "LM"], "has no [MASK]"),
        (["[MASK] " * 40, "--model", "LM"], "takes at most 32"),
        (["a [MASK]", "--model", "LM", "--top", "0"], "--top"),
        (["a [MASK]", "--model", "LM", "--top", "999"], "--top 999: allowed are 1 to"),
        (["a [MASK]", "--model", "GONE"], "GONE"),
    ],
    "embed": [
        (["a cat", "--model", "GONE"], "GONE"),
        (["a cat", "--model", "LM", "--pooling", "max"], "--pooling"),
        (["a cat", "--model", "LM", "--file", "DATA"], "--file stands in place of TEXT"),
        (["--model", "LM", "--file", "GONE"], "GONE"),
        (["--model", "LM", "--file", "EMPTY"], "holds no text"),
        (["--model", "LM", "--file", "BINARY"], "is not UTF-8"),
        (["--model", "LM"], "standard input holds no text"),
        (["a cat", "--model", "LM", "--output", "OUT.txt"], "does not end in .npy"),
        (["a cat", "--model", "LM", "--output", "GONE/x.npy"], "there is no folder"),
        (["a cat", "--model", "LM", "--threads", "0"], "--threads"),
    ],
}


@pytest.mark.parametrize("command", CALLS)
def test_a_wrong_call_gets_one_clear_line_and_leaves_nothing(command, place, monkeypatch):
    monkeypatch.chdir(place)
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    wrong = []
    for arguments, message in CALLS[command]:
        call = CliRunner().invoke(main, [command, *arguments])
        lines = call.stderr.strip().splitlines()
        usage = lines[0].startswith("Usage:")  # as click words it: usage, a hint, a blank line, the error
        left = {path: path.stat().st_mtime_ns for path in place.rglob("*")} != before
        if (
            call.exit_code != 2
            or message not in lines[-1]
            or (not usage and [line for line in lines if line.startswith("albert-np:")] != lines[-1:])
            or call.stdout
            or left
            or not isinstance(call.exception, SystemExit)
        ):
            wrong.append((arguments, call.exit_code, call.stderr, call.exception, left))
    assert not wrong


def test_the_calls_are_many():
    assert sum(map(len, CALLS.values())) > 100
