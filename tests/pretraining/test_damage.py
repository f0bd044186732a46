"""Damage at random to the files of a run, the same each time: it is read, or one error names the file."""

import hashlib
import json
import random
import shutil
import warnings

import pytest
from toys.mutations import mutated, mutated_json
from toys.runs import documents, learned_vocabulary, prepare

from albert_np.pretraining import PretrainingRun

MUTATIONS = 30


def mutated_lines(data, rng):
    """Damage one line, or the bytes anywhere."""
    if rng.random() < 0.3:
        return mutated(data, rng)
    lines = data.splitlines(keepends=True)
    i = rng.randrange(len(lines))
    return b"".join([*lines[:i], mutated_json(lines[i], rng) + b"\n", *lines[i + 1 :]])


KINDS = {
    "run.json": mutated_json,
    "corpus/train/corpus.json": mutated_json,
    "corpus/train/ids.npy": mutated,
    "corpus/train/sentence_starts.npy": mutated,
    "corpus/held_out/document_starts.npy": mutated,
    "metrics.jsonl": mutated_lines,
    "checkpoints/step-00000002/trainer.json": mutated_json,
    "checkpoints/step-00000002/optimizer.safetensors": mutated,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damage")
    run = prepare(folder / "run", documents(30), learned_vocabulary(folder))
    run.train()
    return run.output


def seal(path):
    """Let the manifest of a checkpoint say of a file what is in it: whoever damaged it knew of the manifest."""
    manifest = path.parent / "manifest.json"
    if manifest.exists():
        content = json.loads(manifest.read_text())
        data = path.read_bytes()
        content["files"][path.name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        manifest.write_text(json.dumps(content))


def problem(output):
    """Return the error of a run that cannot be resumed; any other kind of exception comes through."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other versions
            run = PretrainingRun(output)
            run.metrics()
            run.trainer().resume()
    except (ValueError, FileNotFoundError) as error:
        return error
    return None


@pytest.mark.parametrize("name", KINDS)
def test_damage_to_a_run_is_named(trained, tmp_path, name):
    output = tmp_path / "run"
    shutil.copytree(trained, output)
    assert problem(output) is None
    path = output / name
    whole, log, rng = path.read_bytes(), (output / "metrics.jsonl").read_bytes(), random.Random(0)
    for number in range(MUTATIONS):
        (output / "metrics.jsonl").write_bytes(log)  # which resuming cuts back
        path.write_bytes(KINDS[name](whole, rng))
        seal(path)
        if error := problem(output):
            message = str(error)
            assert not isinstance(error, UnicodeError), (number, message)
            assert str(output) in message, (number, message)
            assert message.isprintable(), (number, message)
            assert len(message) < 3000, (number, message)
