"""The commands as a user calls them, in processes of their own."""

import json
import math
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from albert_np.cli import main
from albert_np.cli.progress import training_bar
from albert_np.pretraining import PretrainingRun, python_prose_source

COMMANDS = (
    "quickstart pretrain finetune evaluate fill-mask embed classify answer tokenize convert info verify notebooks labs "
    "experiment bench profile"
).split()
WORDS = "the cat dog bird house river sees likes finds old small red green big quick and or with under near".split()


def run(*arguments, stdin="", cwd=None):
    code = "from albert_np.cli import main; main(prog_name='albert-np')"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], input=stdin, capture_output=True, text=True, cwd=cwd
    )


def done(*arguments, **options):
    result = run(*arguments, **options)
    assert result.returncode == 0, result.stderr
    return result.stdout


def documents(count=40):
    rng = np.random.default_rng(0)
    return [[" ".join(rng.choice(WORDS, rng.integers(4, 12))) + "." for _ in range(8)] for _ in range(count)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text("\n\n".join("\n".join(sentences) for sentences in documents()))
    return path


OPTIONS = "--layout lines --vocab-size 40 --steps 6 --batch-size 8 --max-seq-length 64 --evaluate-every 3".split()
OPTIONS += "--checkpoint-every 2 --threads 1 --held-out 0.2".split()


@pytest.fixture(scope="module")
def finished(corpus, tmp_path_factory):
    output = tmp_path_factory.mktemp("run") / "mine"
    done("pretrain", "--corpus", corpus, "--output", output, *OPTIONS)
    return output


def test_help_tells_a_newcomer_where_to_start():
    text = done("--help")
    for word in COMMANDS:
        assert word in text
        assert "Usage: albert-np" in done(word, "--help")


def test_convert_turns_googles_checkpoint_into_a_folder(tmp_path):
    source = Path(__file__).parents[1] / "reference" / "tensorflow_checkpoints" / "pretraining"
    assert "AlbertForPreTraining" in done("convert", source, tmp_path / "folder")
    stored = json.loads(done("info", tmp_path / "folder", "--json"))["stored"]
    assert stored["kind"] == "Hugging Face"
    assert run("convert", source, tmp_path / "folder").returncode == 2


def test_pretrain_leaves_a_model_a_figure_a_log_and_checkpoints(finished):
    assert {"model.safetensors", "config.json", "spiece.model", "loss.png", "metrics.jsonl", "run.json"} <= {
        path.name for path in finished.iterdir()
    }
    assert (finished / "loss.png").read_bytes().startswith(b"\x89PNG")
    records = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if r.get("evaluation")] == [3, 6]
    assert sorted(path.name for path in (finished / "checkpoints").iterdir()) == ["step-00000004", "step-00000006"]


@pytest.fixture
def brief(monkeypatch):
    """A quickstart of few updates, on little text."""
    monkeypatch.setattr("albert_np.study.quickstart.WORLD_STEPS", 2)
    monkeypatch.setattr("albert_np.study.quickstart.python_prose", lambda: documents(150))
    monkeypatch.setattr("albert_np.study.quickstart.VOCAB_SIZE", 40)
    monkeypatch.setattr("albert_np.study.quickstart.BLANKS", ("the [MASK] sees.",))


def test_the_quickstart_shows_the_toy_world_and_draws_its_curves(brief, tmp_path):
    call = CliRunner().invoke(main, ["quickstart", "--output", str(tmp_path / "run"), "--steps", "5"])
    assert call.exit_code == 0, call.stderr
    assert "after 2 updates, on stories that it has never read: loss" in call.stdout
    assert call.stdout.count("the girl near the boys [") == 1
    for name in ("world.png", "loss.png"):
        assert (tmp_path / "run" / name).read_bytes().startswith(b"\x89PNG")


def test_the_quickstart_as_json_has_every_moment_of_the_world(brief, tmp_path):
    call = CliRunner().invoke(main, ["quickstart", "--output", str(tmp_path / "run"), "--steps", "5", "--json"])
    world = json.loads(call.stdout)["world"]
    assert [moment["step"] for moment in world["moments"]] == [0, 2]
    assert world["moments"][0]["loss"] > world["best"]["loss"] > 0
    assert [len(story["answers"]) for story in world["stories"]] == [4, 5, 4]


def test_the_quickstart_learns_nothing_where_its_folder_is_taken(brief, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    call = CliRunner().invoke(main, ["quickstart", "--output", str(tmp_path)])
    assert call.exit_code == 2
    assert "already holds a run: resume it or choose another folder" in call.stderr
    assert "toy world" not in call.stderr


def test_the_quickstart_begins_anew_where_its_preparation_was_killed(brief, tmp_path):
    (tmp_path / "run" / "corpus").mkdir(parents=True)
    call = CliRunner().invoke(main, ["quickstart", "--output", str(tmp_path / "run"), "--steps", "5"])
    assert call.exit_code == 0, call.stderr


def test_an_interrupted_run_draws_its_loss_curves_so_far_and_says_how_to_go_on(corpus, tmp_path, monkeypatch):
    def interrupt(record):
        if record["step"] == 3:
            signal.raise_signal(signal.SIGINT)
        return ""

    monkeypatch.setattr("albert_np.cli.training._figures", interrupt)
    output = tmp_path / "run"
    call = CliRunner().invoke(main, ["pretrain", "--corpus", str(corpus), "--output", str(output), *OPTIONS])
    assert call.exit_code == 1
    assert "SIGINT after step 3" in call.stderr
    assert f"--resume {output}" in call.stderr.replace("\n", "")
    assert (output / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_resuming_a_finished_run_changes_nothing(finished):
    before = (finished / "model.safetensors").read_bytes()
    assert "held-out:" in done("pretrain", "--resume", finished)
    assert (finished / "model.safetensors").read_bytes() == before


def test_recomputing_gives_the_same_losses_and_is_part_of_the_run(finished, corpus, tmp_path):
    output = tmp_path / "run"
    told = json.loads(done("pretrain", "--corpus", corpus, "--output", output, *OPTIONS, "--recompute", "--json"))
    recipes = [json.loads((run / "run.json").read_text())["recipe"] for run in (finished, output)]
    assert [recipe["recompute"] for recipe in recipes] == ["none", "layer"]
    losses = [
        [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (finished, output)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    took = told["preparation"]
    assert took["text"] == sum(len("".join(document)) for document in documents())
    assert took["megabytes_per_second"] == pytest.approx(took["text"] / 1e6 / took["seconds"])
    assert took["peak_memory"] is None or 1e7 < took["peak_memory"] < 1e10
    assert (told["output"], told["last"]["loss"]) == (str(output), losses[1][-1])


def test_a_run_has_its_precision_and_older_ones_have_float32(finished, corpus, tmp_path):
    output = tmp_path / "run"
    done("pretrain", "--corpus", corpus, "--output", output, *OPTIONS, "--precision", "float16")
    (record, *_) = map(json.loads, (output / "metrics.jsonl").read_text().splitlines())
    assert (record["loss_scale"], record["skipped_updates"]) == (2**16, 0)
    contents = json.loads((output / "run.json").read_text())
    assert contents["recipe"].pop("precision") == "float16"
    (output / "run.json").write_text(json.dumps(contents))
    call = CliRunner().invoke(main, ["pretrain", "--resume", str(output)])
    assert call.exit_code == 2
    assert "model.precision was 'float16', is 'absent'" in call.stderr.replace("\n", " ")


def test_an_update_that_is_skipped_is_said(capsys):
    record = {"step": 7, "tokens_per_second": 1.0, "grad_norm": math.inf, "loss_scale": 512.0}
    with training_bar(10, lambda record: "", lambda metrics: "") as show:
        show(record)
        show({**record, "step": 8, "grad_norm": 1.0})
    said = [line for line in capsys.readouterr().err.splitlines() if "skipped" in line]
    assert said == ["update      7  skipped: the gradients overflow in float16; they are now scaled by 512"]


def test_without_a_corpus_the_text_is_pythons_manual(tmp_path, monkeypatch):
    reads = []
    monkeypatch.setattr(
        "albert_np.pretraining.python_prose", lambda libraries: reads.append(libraries) or iter(documents())
    )
    output = tmp_path / "run"
    call = CliRunner().invoke(main, ["pretrain", "--output", str(output), *OPTIONS])
    assert call.exit_code == 0, call.stderr
    assert json.loads((output / "run.json").read_text())["source"] == python_prose_source()
    made = PretrainingRun(output)
    assert made.corpus.num_documents + made.held_out.num_documents == 40
    assert reads == [False]


def test_fill_mask_answers_from_a_run_and_from_a_checkpoint(finished):
    for model in (finished, finished / "checkpoints" / "step-00000004"):
        blanks = json.loads(done("fill-mask", "the [MASK] sees [MASK].", "--model", model, "--top", 3, "--json"))
        assert [len(blank) for blank in blanks] == [3, 3]
        assert blanks[0][0]["probability"] >= blanks[0][1]["probability"]
        assert "[MASK]" in blanks[0][0]["text"]
    assert "%" in done("fill-mask", "the [MASK] sees.", "--model", finished)


def test_tokenize_shows_tokens_and_ids_of_arguments_and_lines(finished):
    encoding = json.loads(done("tokenize", "the cat", "--pair", "a dog", "--model", finished, "--json"))
    assert encoding["tokens"][0] == "[CLS]"
    assert encoding["token_type_ids"][0] == 0
    assert encoding["token_type_ids"][-1] == 1
    lines = done("tokenize", "--model", finished / "spiece.model", stdin="the cat\nthe dog\n").splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("[CLS]:2")


def test_info_shows_sizes_of_presets_and_folders(finished):
    assert "11,683,584" in done("info", "base-v2")
    assert "37,686,528" in done("info", "base-v2", "--sharing", "ffn")
    assert "the paper says 32" in done("info", "xlarge-v1")
    assert json.loads(done("info", finished, "--json"))["config"]["hidden_size"] == 128


def test_verify_reports_every_case_and_fails_when_a_gradient_is_wrong():
    code = (
        "import albert_np.gradcheck as v; cases = list(v.op_cases())[:3]\n"
        "v.op_cases = lambda seed: cases; v.block_cases = v.model_cases = lambda seed: []\n"
        "import sys\n"
        "if sys.argv.pop() == 'planted': v.op_cases = lambda seed: [cases[2]._replace(backward=lambda dy, c:"
        " (2 * (dy @ c.weight), dy.reshape(-1, 3).T @ c.x.reshape(-1, 4), dy.sum((0, 1))))]\n"
        "from albert_np.cli import main; main()"
    )
    for mode, status in (("right", 0), ("planted", 1)):
        command = [sys.executable, "-c", code, "verify", "--json", mode]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == status, result.stderr
        sections = json.loads(result.stdout)
        assert all(section["ok"] for section in sections) == (status == 0)


WRONG = {
    "an unknown size": (["info", "tiny"], 2, "'tiny' is neither a file or folder, nor owner/name, nor one of base-v1"),
    "no model": (["fill-mask", "[MASK]", "--model", "nowhere"], 2, "nowhere is not a folder"),
    "no blank": (["fill-mask", "no blank", "--model", "RUN"], 2, "has no [MASK]"),
    "no output": (["pretrain", "--corpus", "x"], 2, "give --output, or --resume"),
    "a corpus that is not there": (["pretrain", "--corpus", "gone.txt", "--output", "x"], 2, "gone.txt"),
    "a run that is there": (["pretrain", "--corpus", "CORPUS", "--output", "RUN"], 2, "already holds a run"),
    "settings on resuming": (["pretrain", "--resume", "RUN", "--steps", "9"], 2, "do not give --steps"),
    "nothing to resume": (["pretrain", "--resume", "nowhere"], 2, "nowhere holds no run"),
    "a vocabulary too large": (
        ["pretrain", "--corpus", "CORPUS", "--output", "x", "--vocab-size", "5000", "--layout", "lines"],
        2,
        "--vocab-size 5000 is more than the text supports; the largest possible is ",
    ),
    "an unknown command": (["pertrain"], 2, "No such command"),
    "torch for a preset": (
        ["verify", "--preset", "base-v2", "--against", "differences"],
        2,
        "--model and --preset are compared with torch, not with differences",
    ),
    "sequences longer than positions": (
        ["pretrain", "--corpus", "CORPUS", "--output", "x", "--max-seq-length", "999"],
        2,
        "--max-seq-length 999, but max_position_embeddings=512",
    ),
}


@pytest.mark.parametrize("options, size", [([], 2000), (["--corpus", "CORPUS"], 8000), (["--vocab-size", "900"], 900)])
def test_a_vocabulary_is_of_a_size_that_its_text_supports(options, size, corpus, tmp_path, monkeypatch):
    """A manual of Python's holds some 7,000 pieces, fewer than the 8000 of a corpus."""
    asked = {}

    def prepare_run(*arguments, **given):
        asked.update(given)
        raise ValueError("far enough")

    monkeypatch.setattr("albert_np.pretraining.prepare_run", prepare_run)
    arguments = [{"CORPUS": str(corpus)}.get(option, option) for option in options]
    CliRunner().invoke(main, ["pretrain", "--output", str(tmp_path / "run"), *arguments])
    assert asked["vocab_size"] == size


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_gets_one_clear_line_and_status_2(name, finished, corpus, tmp_path):
    arguments, status, message = WRONG[name]
    places = {"RUN": finished, "CORPUS": corpus}
    result = run(*[places.get(a, a) for a in arguments], cwd=tmp_path)
    assert result.returncode == status
    assert message in result.stderr
    assert "Traceback" not in result.stderr
