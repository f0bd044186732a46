"""What commands print survives every encoding of a stream, is never read as markup, and cannot steer a terminal."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner
from toys.tasks import examples, model_folder

from albert_np.cli import main
from albert_np.cli.main import console, print_json, printable, results, say
from albert_np.model import AlbertForMaskedLM, AlbertForQuestionAnswering, AlbertForSequenceClassification
from albert_np.tokenization import AlbertTokenizer

LABELS = {0: "[/joy] \x1b[31m→", 1: "[red]schön :cat:"}
OPTIONS = "--steps 2 --batch-size 4 --max-seq-length 16 --threads 1".split()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("z[red]q →")
    source = model_folder(folder / "model")
    config = AlbertForMaskedLM.from_pretrained(source).config
    tokenizer = AlbertTokenizer.from_pretrained(source)
    for name, cls, changes in (
        ("labels", AlbertForSequenceClassification, {"id2label": LABELS}),
        ("answers", AlbertForQuestionAnswering, {}),
        ("words", AlbertForMaskedLM, {}),
    ):
        cls(replace(config, **changes)).save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    rows = "".join(f"{LABELS[i % 2]}\t{e.text}\n" for i, e in enumerate(examples("classification", 12)))
    (folder / "data.tsv").write_text("label\ttext\n" + rows)
    (folder / "text.txt").write_text("\n\n".join("the old cat sees a dog\nnear the house →" for _ in range(30)))
    return folder


QUICK = {
    "help": ["--help"],
    "help of a command": ["pretrain", "--help"],
    "tokenize": ["tokenize", "the cat → 你 \x1b[31m", "--model", "words"],
    "tokenize --json": ["tokenize", "the cat → 😀 \x1b[31m\x9b", "--model", "words", "--json"],
    "fill-mask": ["fill-mask", "the [MASK] → 你 \x1b[31m", "--model", "words"],
    "fill-mask --json": ["fill-mask", "the [MASK] → 😀", "--model", "words", "--json"],
    "classify": ["classify", "the cat", "--model", "labels"],
    "classify --json": ["classify", "the cat", "--model", "labels", "--json"],
    "evaluate": ["evaluate", "--model", "labels", "--data", "data.tsv"],
    "evaluate --json": ["evaluate", "--model", "labels", "--data", "data.tsv", "--json"],
    "answer": ["answer", "a cat", "--context", "the cat → 你 \x1b[31m", "--model", "answers"],
    "answer --json": ["answer", "a cat", "--context", "the cat → 😀", "--model", "answers", "--json"],
    "info": ["info", "labels"],
    "info --json": ["info", "labels", "--json"],
    "convert": ["convert", "labels", "OUT"],
    "experiment": ["experiment"],
    "experiment --kept": ["experiment", "sharing", "--kept"],
    "experiment --json": ["experiment", "sharing", "--kept", "--json"],
    "a wrong call": ["info", "gone/z[red]q →\x1b[31m/[/joy]"],
}
SLOW = {
    "notebooks": ["notebooks", "OUT", "--no-open"],
    "verify": ["verify"],
    "verify --json": ["verify", "--json"],
    "pretrain": ["pretrain", "--corpus", "text.txt", "--output", "OUT", "--vocab-size", "30", *OPTIONS],
    "finetune": [
        *"finetune --task classification --train data.tsv --held-out 0.5 --model model --output OUT".split(),
        *OPTIONS,
    ],
    "bench": "bench --model model --work forward --shapes 1x8 --against= --repeats 1 --threads 1".split(),
    "profile": "profile --model model --work forward --shape 1x8 --repeats 1 --threads 1".split(),
    "profile --json": "profile --model model --work forward --shape 1x8 --repeats 1 --threads 1 --json".split(),
}
CALLS = [(name, encoding) for name in QUICK for encoding in ("cp1252", "latin-1", "ascii")]
CALLS += [(name, "ascii") for name in SLOW]


@pytest.mark.filterwarnings("default")  # commands print them
@pytest.mark.parametrize("name, encoding", CALLS)
def test_every_command_prints_on_every_stream(name, encoding, place, tmp_path, monkeypatch):
    from albert_np import gradcheck

    few = list(gradcheck.op_cases(0))[:2]
    monkeypatch.setattr(gradcheck, "op_cases", lambda seed: few)
    for others in ("block_cases", "model_cases"):
        monkeypatch.setattr(gradcheck, others, lambda seed: [])
    monkeypatch.chdir(place)
    arguments = [str(tmp_path / "→ out") if word == "OUT" else word for word in {**QUICK, **SLOW}[name]]
    call = CliRunner(charset=encoding).invoke(main, arguments)
    assert call.exit_code == (2 if name == "a wrong call" else 0), call.stderr
    printed = call.stdout_bytes + call.stderr_bytes
    assert printed.decode(encoding).strip()
    assert b"\x1b" not in printed
    if "--json" in name:
        json.loads(call.stdout_bytes.decode("ascii"))


@pytest.mark.parametrize("text", ["[/joy]", "[red]x", "\\[x]", ":cat:", "[link=file:///etc]x[/]", "a [MASK] b"])
def test_no_text_is_read_as_markup(text, capsys):
    results().print(text)
    console.print(text)
    say(text)
    assert capsys.readouterr() == (f"{text}\n{text}\n", f"{text}\n")


def test_control_characters_are_written_out(capsys):
    assert (
        printable("a\x1b[31m\x00\x9b\r\x7fb\tc\nd é→\U0001f600")
        == r"a\x1b[31m\x00\x9b\x0d\x7fb" + "\tc\nd é→\U0001f600"
    )
    results().print("a\x1b[31mb")
    say("a\x1b[31mb")
    assert capsys.readouterr().out == "a\\x1b[31mb\na\\x1b[31mb\n"
    print_json({"\x9b": "\x1b"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"\x9b": "\x1b"}


def test_json_is_utf_8_where_the_stream_is(monkeypatch):
    for encoding, expected in (("utf-8", '"é→😀"'), ("latin-1", r'"\u00e9\u2192\ud83d\ude00"')):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        print_json("é→😀", indent=None)
        assert stream.buffer.getvalue().decode(encoding) == expected + "\n"


def run(*arguments, stdin=b"", **environment):
    return subprocess.run(
        [sys.executable, "-m", "albert_np", *map(os.fsencode, arguments)],
        input=stdin,
        capture_output=True,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"PYTHONIOENCODING": "cp1252"},
    ],
    ids=str,
)
def test_a_process_of_another_locale_prints_tokens(environment, place):
    done = run("tokenize", "--model", place / "words", stdin=b"the cat\n", **environment)
    assert done.returncode == 0, done.stderr
    assert b"\\u2581the:" in done.stdout


UNICODE = os.name == "posix" and sys.getfilesystemencoding() == "utf-8"


@pytest.mark.skipif(not UNICODE, reason="arguments are bytes on POSIX alone")
def test_text_that_is_no_unicode_is_named(place):
    done = run("fill-mask", b"caf\xe9 [MASK]", "--model", place / "words")
    assert done.returncode == 2
    assert rb"Invalid value for 'TEXT': 'caf\udce9 [MASK]' is not Unicode" in done.stderr
    for command in (["tokenize", "--model", place / "words"], ["classify", "--model", place / "labels"]):
        done = run(*command, stdin=b"the cat\ncaf\xe9\n", PYTHONUTF8="1")
        assert done.returncode == 2
        assert done.stderr == b"albert-np: standard input, line 2: byte 4 is not utf-8\n"


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    "command, option", [("pretrain", "--learning-rate"), ("pretrain", "--held-out"), ("finetune", "--epochs")]
)
def test_a_number_that_is_none_is_refused_by_the_name_of_its_option(command, option, value, tmp_path):
    call = CliRunner().invoke(main, [command, "--output", str(tmp_path / "run"), f"{option}={value}"])
    assert call.exit_code == 2
    assert f"Invalid value for '{option}': " in call.stderr
    assert not (tmp_path / "run").exists()


PATHS = {
    "below a file": (["convert", "words", "data.tsv/x"], "data.tsv: this is a file, and no folder"),
    "a file": (["convert", "words", "data.tsv"], "data.tsv"),
    "a name too long": (["convert", "words", "x" * 300], "File name too long"),
    "no folder for a figure": (["info", "base-v2", "--figure", "gone\x1b/x.png"], r"there is no folder gone\x1b"),
}


@pytest.mark.skipif(os.name != "posix", reason="words of POSIX")
@pytest.mark.parametrize("name", PATHS)
def test_a_bad_path_is_a_wrong_call_in_one_line(name, place, monkeypatch):
    arguments, message = PATHS[name]
    monkeypatch.chdir(place)
    before = sorted(place.rglob("*"))
    call = CliRunner().invoke(main, arguments)
    assert call.exit_code == 2
    assert message in call.stderr
    assert "Errno" not in call.stderr
    assert "figure" in name or call.stderr.count("\n") == 1
    assert sorted(place.rglob("*")) == before


def test_a_reader_that_has_seen_enough_ends_a_command_in_peace(place):
    command = [sys.executable, "-m", "albert_np", "tokenize", "--model", place / "words"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        process.stdout.close()
        process.stdin.write(b"the cat sees the dog\n" * 5_000)
        process.stdin.close()
        assert process.stderr.read() == b""


def test_an_interruption_ends_a_command_in_one_line(place, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(AlbertTokenizer, "from_pretrained", interrupt)
    call = CliRunner().invoke(main, ["tokenize", "x", "--model", str(place / "words")])
    assert (call.exit_code, call.stderr) == (130, "albert-np: interrupted\n")


@pytest.mark.parametrize("module", ["click", "rich", "numpy", "sentencepiece"])
def test_an_interruption_of_an_import_ends_a_command_in_one_line(module, place, tmp_path):
    (tmp_path / f"{module}.py").write_text("raise KeyboardInterrupt")
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "albert_np", "tokenize", "x", "--model", place / "words"]
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "albert-np: interrupted\n")
