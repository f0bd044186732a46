"""Wrong calls of the commands that make, show and measure models: one clear line, exit status 2, nothing written."""

import os
import shlex

import pytest
from click.testing import CliRunner
from toys.tasks import model_folder

from albert_np.cli import main

WRONG = {
    "info": "Missing argument 'WHAT'",
    "info nothing": "'nothing' is neither a file or folder, nor owner/name, nor one of base-v1",
    "info a/b/c": "a/b/c is not a folder, and no name on the model hub",
    "info ''": "the path is empty; the working folder is '.'",
    "info .": ". holds no config.json",
    "info /dev/zero": "/dev/zero is not a folder",
    "info fifo": "fifo is not a folder",
    "info pointer": "`git lfs pull` fetches the file",
    "info page": "page/config.json is not valid JSON: Expecting value: line 1 column 1 (char 0) (it is a web page",
    "info m/config.json": "m/config.json is one file of a model; give the folder that it is in",
    "info m --positions 0": "--positions 0: allowed are 1 to 32",
    "info m --positions 99999999999999999999": "allowed are 1 to 32",
    "info base-v2 --sharing most": "'most' is not one of",
    "info base-v2 --figure gone/x.png": "there is no folder gone",
    "info base-v2 --figure m": "m is a folder",
    "info base-v2 --figure x.pdf": "x.pdf does not end in .png or .svg",
    "info base-v2 --figure ''": "the path is empty",
    "convert m": "Missing argument 'TO'",
    "convert nothing out": "nothing is not a folder, and no name on the model hub",
    "convert m m": "m already exists and is not an empty folder",
    "convert m file": "file already exists and is not an empty folder",
    "convert m ''": "the path is empty",
    "convert '' out": "the path is empty",
    "convert fifo out": "fifo is not a folder",
    "convert pointer out": "`git lfs pull` fetches the file",
    "convert m out --dtype int8": "'int8' is not one of",
    "convert m out --class AlbertForAll": "--class 'AlbertForAll': allowed are",
    "convert m out --config m/config.json": "goes with a TensorFlow checkpoint, and m is none",
    "convert m out --max-shard-mb 0": "0 is not in the range",
    "convert m out.onnx --dtype float16": "it takes no --dtype",
    "convert m out.onnx --max-shard-mb 5": "no --max-shard-mb",
    "verify --seed -1": "Invalid value for '--seed'",
    "verify --preset base-v2 --against differences": "--model and --preset are compared with torch, not with diff",
    "verify --model m --against differences": "--model and --preset are compared with torch, not with differences",
    "verify --model m --preset base-v2": "--model has a size of its own: give no --preset with it",
    "verify --model m --text ''": "must be a text that is not empty, got ''",
    "verify --model m --text a --text ' '": "must be a text that is not empty, got ' '",
    "verify --text x": "--text is what --model reads: give both",
    "verify --model ''": "the path is empty",
    "verify --model nothing": "nothing is not a folder, and no name on the model hub",
    "verify --preset huge": "preset 'huge' is unknown",
    "verify --against tensorflow": "'tensorflow' is not one of",
    "bench --work fly": "'fly': allowed are forward",
    "bench --work ''": "--work names nothing to measure",
    "bench --shapes 0x8": "'0x8': write sequences x tokens",
    "bench --threads 0": "0 is not in the range",
    "bench --model nothing": "nothing is not a folder",
    "bench --preset huge": "preset 'huge' is unknown",
    "bench --work memory --figure x.png": "--work needs forward, step or tokenize",
    "profile --shape 1x8,2x8": "--shape takes one shape",
    "profile --model m --shape 1x99": "allowed are 1 to 32, the model's positions",
    "profile --model fifo": "fifo is not a folder",
    "notebooks m --no-open": "m exists and is left as it is",
    "notebooks file/x --no-open": "file: this is a file, and no folder",
    "notebooks '' --no-open": "the path is empty",
    "tokenize x": "Missing option '--model'",
    "tokenize x --model nothing": "nothing is not a folder",
    "tokenize x --model file": "vocab_file='file'",
    "tokenize x --model fifo": "'fifo' is no folder",
    "tokenize x --model pointer/model.safetensors": "a pointer of Git's large-file storage",
    "finetune --demo --model pointer": "a pointer of Git's large-file storage",
    "pretrain --output file --corpus file": "file: this is a file, and no folder",
    "pretrain --output r --corpus file --offload moments": "on --backend 'numpy' all is the host's already",
    "pretrain --output r --corpus file --offload both --backend cupy": "'both' is of what --recompute keeps: give both",
    "pretrain --output r --corpus fifo": "fifo is a pipe or a device",
    "evaluate --model m --data fifo": "no head for a task",
    "answer q --model m --context-file fifo": "fifo is a pipe or a device, not a file",
    "fill-mask '[MASK]' --model ''": "the path is empty",
    "tokenize --model m": "standard input holds no text",
    "labs check 02 page.ipynb": "page.ipynb is not a notebook: it has no list of cells",
    "labs check 02 none.ipynb": "none.ipynb: there is no code in it",
    "tokenize x y --model m": "unexpected extra argument",
    "explore 'the {cat}' '' --model m --no-open": "the second sentence holds no text",
    "bench --shapes 999999999x999999999": "at most 16,777,216 tokens at a time",
    "profile --shape 99999999x1": "at most 16,777,216 tokens at a time",
    "quickstart --output file": "file: this is a file, and no folder",
    "experiment nothing": "there is no experiment 'nothing'",
    "experiment sharing --steps 0": "0 is not in the range",
    "experiment sharing --kept --steps 3": "--kept trains nothing",
    "experiment sharing --kept --output file": "file exists; choose another name",
    "nothing": "No such command 'nothing'",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    if os.name != "posix":
        pytest.skip("pipes and devices of POSIX")
    folder = tmp_path_factory.mktemp("wrong")
    model_folder(folder / "m")
    config = (folder / "m" / "config.json").read_bytes()
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 47\n"
    for name, settings in (("pointer", config), ("page", b"<!DOCTYPE html>")):
        (folder / name).mkdir()
        (folder / name / "config.json").write_bytes(settings)
        (folder / name / "model.safetensors").write_bytes(pointer)
    (folder / "file").write_text("x")
    (folder / "page.ipynb").write_text("{}")
    (folder / "none.ipynb").write_text('{"cells": [], "nbformat": 4}')
    os.mkfifo(folder / "fifo")
    return folder


@pytest.mark.parametrize("call", WRONG)
def test_a_wrong_call_ends_in_one_line_and_leaves_nothing(call, place, monkeypatch):
    monkeypatch.chdir(place)
    before = sorted(place.rglob("*"))
    done = CliRunner().invoke(main, shlex.split(call), input="")
    assert done.exit_code == 2, (done.output, done.exception)
    lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith(("Usage:", "Try "))]
    assert len(lines) == 1, lines
    assert WRONG[call] in lines[0]
    assert "Traceback" not in lines[0]
    assert "[Errno" not in lines[0]
    assert sorted(place.rglob("*")) == before
