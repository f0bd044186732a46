"""finetune, evaluate, classify, answer: as a user calls them."""

import json
import subprocess
import sys

import pytest
from toys.tasks import examples, model_folder

from albert_np.model import AlbertForQuestionAnswering
from albert_np.tokenization import AlbertTokenizer

pytestmark = pytest.mark.filterwarnings("ignore:not in .* newly initialised")

OPTIONS = "--steps 300 --batch-size 16 --learning-rate 8e-3 --threads 1".split()


def run(*arguments, stdin=""):
    code = "from albert_np.cli import main; main(prog_name='albert-np')"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True)


def done(*arguments, **options):
    result = run(*arguments, **options)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    model_folder(folder / "model")
    lines = [f"{example.label}\t{example.text}" for example in examples("classification", 200)]
    (folder / "data.tsv").write_text("\n".join(["label\ttext", *lines]) + "\n")
    tagged = ["\n".join("\t".join(pair) for pair in zip(e.words, e.tags, strict=True)) for e in examples("tagging")]
    (folder / "data.conll").write_text("\n\n".join(tagged) + "\n")
    questions = [
        {
            "id": e.id,
            "question": e.question,
            "context": e.context,
            "answers": [{"text": a.text, "answer_start": a.start} for a in e.answers],
        }
        for e in examples("answering")
    ]
    (folder / "data.jsonl").write_text("\n".join(map(json.dumps, questions)) + "\n")
    return folder


def test_a_classifier_from_a_file_to_an_answer(place):
    out = place / "sequence"
    start = ("--model", place / "model", "--output", out)
    best = json.loads(
        done("finetune", "--task", "classification", "--train", place / "data.tsv", *start, *OPTIONS, "--json")
    )
    assert best["accuracy"] > 0.7, best
    shown = json.loads(done("evaluate", "--model", out, "--data", place / "data.tsv", "--json"))
    assert shown["examples"] == 200
    assert shown["accuracy"] > 0.7
    answers = json.loads(done("classify", "--model", out, "--json", stdin="the old dog\nthe new table\n"))
    assert {answer["answer"] for answer in answers} <= {"animal", "thing"}
    assert sum(answers[0]["probabilities"].values()) == pytest.approx(1)
    assert "%" in done("classify", "the old dog", "--model", out)
    predictions = place / "predictions.jsonl"
    done("evaluate", "--model", out, "--data", place / "data.tsv", "--predictions", predictions)
    assert len(predictions.read_text().splitlines()) == 200
    (place / "unlabelled.tsv").write_text("text\nthe old dog\nthe new table\n")
    lines = done("classify", "--model", out, "--file", place / "unlabelled.tsv").splitlines()
    assert [json.loads(line)["answer"] for line in lines] == [answer["answer"] for answer in answers]
    before = (out / "model.safetensors").read_bytes()
    assert "best after update" in done("finetune", "--resume", out)
    assert (out / "model.safetensors").read_bytes() == before
    assert not (out / "manifest.json").exists()


def test_a_folder_of_glue_needs_no_further_file(place):
    folder = place / "glue" / "SST-2"
    folder.mkdir(parents=True)
    for name, seed in (("train.tsv", 0), ("dev.tsv", 1)):
        rows = [f"{e.text}\t{int(e.label == 'animal')}\n" for e in examples("classification", 40, seed)]
        (folder / name).write_text("sentence\tlabel\n" + "".join(rows))
    out = place / "sst"
    options = ("--steps", "2", "--max-seq-length", "16", "--patience", "1", "--json")
    start = ("--task", "sst-2", "--train", place / "glue", "--model", place / "model", "--output", out)
    assert 0 <= json.loads(done("finetune", *start, *options))["accuracy"] <= 1
    settings = json.loads((out / "task.json").read_text())["task"]
    assert (settings["learning_rate"], settings["batch_size"], settings["steps"]) == (1e-5, 32, 2)
    assert len((out / "data" / "eval.jsonl").read_text().splitlines()) == 40


def test_a_tagger_and_an_answerer(place):
    for kind, file in (("tagging", "data.conll"), ("answering", "data.jsonl"), ("squad2", "data.jsonl")):
        start = ("--model", place / "model", "--output", place / kind)
        done("finetune", "--task", kind, "--train", place / file, *start, *OPTIONS, "--held-out", "0.3")
    words = done("classify", "the old dog!", "--model", place / "tagging").split()
    assert [word.split("/")[0] for word in words] == ["the", "old", "dog", "!"]
    for kind in ("answering", "squad2"):
        asked = ("answer", "the animal", "--context", "a red dog near", "--model", place / kind)
        found = json.loads(done(*asked, "--json"))
        assert "a red dog near"[found[0]["start"] : found[0]["end"]] == found[0]["text"]
    measured = json.loads(done("evaluate", "--model", place / "squad2", "--data", place / "data.jsonl", "--json"))
    assert measured["best_f1"] > 0.7
    task = json.loads((place / "squad2" / "task.json").read_text())["task"]
    assert task["no_answer_above"] != 0  # that of the best evaluation
    assert task["max_answer_length"] == 30
    refused = done("answer", "the animal", "--context", "a red car near", "--model", place / "squad2", "--top", "1")
    assert "(no answer)" in refused


def test_rows_that_cannot_be_read_are_skipped_counted_and_listed(place):
    good = (place / "data.tsv").read_text()
    (place / "bad.tsv").write_text(good + "one cell\nthing\tthe red car\tand more\n")
    start = ("--task", "classification", "--model", place / "model", "--output", place / "skipping", "--steps", "3")
    refused = run("finetune", "--train", place / "bad.tsv", *start)
    assert refused.returncode == 2
    assert "line 202: has 1 cells" in refused.stderr
    made = run("finetune", "--train", place / "bad.tsv", *start, "--skip-bad-rows")
    assert made.returncode == 0, made.stderr
    assert "skipped:" in made.stderr
    assert "line 202: has 1 cells" in made.stderr
    assert "2 rows were skipped" in made.stderr
    assert "20 of 200 examples are held out" in made.stderr
    measured = ("evaluate", "--model", place / "skipping", "--data", place / "bad.tsv", "--skip-bad-rows", "--json")
    shown = json.loads(done(*measured))
    assert (shown["examples"], shown["skipped"]) == (200, 2)
    lines = done("classify", "--model", place / "skipping", "--file", place / "bad.tsv", "--skip-bad-rows")
    assert [json.loads(line)["id"] for line in lines.splitlines()] == list(range(200))
    written = done(
        "classify", "--model", place / "skipping", "--file", place / "data.tsv", "--submission", place / "sub"
    )
    assert "200 answers" in written
    assert (place / "sub").read_text().splitlines()[:1] == ["index\tprediction"]
    assert len((place / "sub").read_text().splitlines()) == 201


def test_labels_that_are_not_held_out_are_said(place):
    rare = (place / "data.tsv").read_text() + "rare\tthe old red lamp\n"
    (place / "rare.tsv").write_text(rare)
    start = ("--task", "classification", "--model", place / "model", "--output", place / "rare", "--steps", "2")
    made = run("finetune", "--train", place / "rare.tsv", *start, "--freeze-trunk", "--learning-rate", "0")
    assert made.returncode == 0, made.stderr
    assert "none of them has the label 'rare'" in made.stderr
    run_file = json.loads((place / "rare" / "finetuning.json").read_text())
    assert run_file["recipe"]["freeze_trunk"] is True
    records = [json.loads(line) for line in (place / "rare" / "metrics.jsonl").read_text().splitlines()]
    assert all(record["learning_rate"] == 0 for record in records)


def test_the_threshold_for_no_answer_is_said_and_can_be_given(place):
    AlbertForQuestionAnswering.from_pretrained(place / "model", seed=3).save_pretrained(place / "plain")
    AlbertTokenizer.from_pretrained(place / "model").save_pretrained(place / "plain")
    asked = ("answer", "the animal", "--context", "a dog", "--model", place / "plain")
    assert "(no answer)" not in done(*asked)
    assert "(no answer)" in done(*asked, "--no-answer-above", "-99").splitlines()[0]
    said = run(*asked, "--no-answer-above", "99")
    assert "no answer" not in said.stdout.splitlines()[0]
    assert "and is given above 99.000 (--no-answer-above)" in said.stderr
    assert "(no answer)" not in done(*asked, "--always-answer")
    (place / "squad.jsonl").write_text(json.dumps({"id": "q7", "question": "what?", "context": "the old dog"}) + "\n")
    done("classify", "--model", place / "plain", "--file", place / "squad.jsonl", "--submission", place / "squad.json")
    assert json.loads((place / "squad.json").read_text()).keys() == {"q7"}


WRONG = {
    "nothing": (["finetune"], "give --task, --train, --model, --output"),
    "an unknown task": (
        ["finetune", "--task", "spam", "--train", "DATA", "--model", "MODEL", "--output", "x"],
        "task 'spam' is unknown",
    ),
    "no file": (["finetune", "--task", "cola", "--train", "gone", "--model", "MODEL", "--output", "x"], "gone"),
    "bad columns": (
        ["finetune", "--task", "cola", "--train", "DATA", "--model", "MODEL", "--output", "x", "--columns", "text"],
        "write role=column",
    ),
    "settings on resuming": (["finetune", "--resume", "MODEL", "--steps", "3"], "do not give --steps"),
    "a run that is none": (["finetune", "--resume", "MODEL"], "holds no fine-tuning run"),
    "no demo without the quickstart": (["finetune", "--demo", "--model", "nowhere"], "albert-np quickstart"),
    "a model without a head": (["classify", "text", "--model", "MODEL"], "fine-tune it first"),
    "no context": (["answer", "who?", "--model", "MODEL"], "give one of --context and --context-file"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_gets_one_clear_line_and_status_2(name, place):
    arguments, message = WRONG[name]
    places = {"DATA": place / "data.tsv", "MODEL": place / "model", "x": place / "x"}
    result = run(*[places.get(a, a) for a in arguments])
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (place / "x").exists()


def test_weights_of_labels_and_names_of_numbered_ones(place, tmp_path):
    rows = "".join(f"{e.text}\t{int(e.label == 'thing')}\n" for e in examples("classification", 48))
    data, output = tmp_path / "a.tsv", tmp_path / "run"
    data.write_text("text\tlabel\n" + rows)
    call = ["finetune", "--task", "classification", "--train", data, "--model", place / "model", "--steps", 2]
    call += ["--threads", 1, "--label-names", "animal,thing"]
    weighed = ["--class-weights", "thing=2,animal=0.5", "--label-smoothing", 0.1, "--positive-label", "thing"]
    done(*call, "--output", output, *weighed)
    contents = json.loads((output / "finetuning.json").read_text())
    assert contents["recipe"]["class_weights"] == {"thing": 2, "animal": 0.5}
    assert contents["recipe"]["label_smoothing"] == 0.1
    assert contents["task"]["positive_label"] == "thing"
    assert contents["config"]["id2label"] == {"0": "animal", "1": "thing"}
    for wrong, message in (
        (["--class-weights", "thing"], "write balanced, or label=weight"),
        (["--class-weights", "plant=2"], "'plant' is none of the labels animal, thing"),
        (["--positive-label", "plant"], "--positive-label 'plant'"),
    ):
        result = run(*call, "--output", tmp_path / "other", *wrong)
        assert result.returncode == 2
        assert message in " ".join(result.stderr.split())
        assert not (tmp_path / "other").exists()
    made = done("evaluate", "--model", output, "--data", data, "--json", "--label-names", "animal,thing")
    assert json.loads(made)["examples"] == 48
