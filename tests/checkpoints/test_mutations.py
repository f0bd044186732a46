"""Damage at random, the same in each run: what is not read ends in one error that names the file, whatever was hit."""

import random
import shutil
import struct
import warnings
from pathlib import Path

import pytest
from toys.mutations import mutated, mutated_json
from toys.torch import plain_dict, storage, tensor, write_before_1_6, write_zip

from albert_np.checkpoints import MANIFEST, open_checkpoint, save_checkpoint, verify_checkpoint
from albert_np.gradcheck import randomize, small_config
from albert_np.model import AlbertForPreTraining, class_of

MUTATIONS = 60
TENSORFLOW = Path(__file__).parents[1] / "reference" / "tensorflow_checkpoints" / "pretraining"


def save(folder, **options):
    randomize(AlbertForPreTraining(small_config())).save_pretrained(folder, **options)


def with_torch_file(folder, is_old):
    """Make a folder with all weights in PyTorch's format, each in a storage of its own."""
    model = randomize(AlbertForPreTraining(small_config()))
    model.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    tensors, blocks = {}, {}
    for i, (name, array) in enumerate(model.params.items()):
        strides = tuple(stride // array.itemsize for stride in array.strides)
        tensors[name] = tensor(storage("Float", str(i), array.size), array.shape, strides)
        blocks[str(i)] = (array.size, array.tobytes()) if is_old else array.tobytes()
    (write_before_1_6 if is_old else write_zip)(folder / "pytorch_model.bin", plain_dict(tensors), blocks)


def with_manifest(folder):
    save_checkpoint(folder, 1, lambda hidden: (hidden / "a").write_text("text"), 0)


def mutated_header(data, rng):
    end = 8 + int.from_bytes(data[:8], "little")
    header = mutated_json(data[8:end], rng)
    return struct.pack("<Q", len(header)) + header + data[end:]


KINDS = {
    "safetensors": (save, "model.safetensors", mutated),
    "a header": (save, "model.safetensors", mutated_header),
    "an index": (lambda folder: save(folder, max_shard_bytes=2000), "model.safetensors.index.json", mutated_json),
    "a config": (save, "config.json", mutated_json),
    "PyTorch's": (lambda folder: with_torch_file(folder, False), "pytorch_model.bin", mutated),
    "PyTorch's of old": (lambda folder: with_torch_file(folder, True), "pytorch_model.bin", mutated),
    "TensorFlow's index": (lambda folder: shutil.copytree(TENSORFLOW, folder), "*.index", mutated),
    "TensorFlow's data": (lambda folder: shutil.copytree(TENSORFLOW, folder), "*.data-*", mutated),
    "Google's config": (lambda folder: shutil.copytree(TENSORFLOW, folder), "albert_config.json", mutated_json),
    "a manifest": (with_manifest, "checkpoints/*/manifest.json", mutated_json),
}


def read(folder, path):
    if path.name == MANIFEST:
        verify_checkpoint(path.parent)
        return
    checkpoint = open_checkpoint(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of heads that the damaged file lacks
        class_of(checkpoint).from_checkpoint(checkpoint)


def problem(folder, path):
    """Return the error of a file that is not read; any other kind of exception comes through."""
    try:
        read(folder, path)
    except (ValueError, FileNotFoundError) as error:
        return error
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_read_or_named(kind, tmp_path):
    make, pattern, mutate = KINDS[kind]
    folder = tmp_path / "model"
    make(folder)
    (path,) = folder.glob(pattern)
    read(folder, path)
    whole, rng, refused = path.read_bytes(), random.Random(0), 0
    for number in range(MUTATIONS):
        path.write_bytes(mutate(whole, rng))
        if error := problem(folder, path):
            message = str(error)
            assert not isinstance(error, UnicodeError), (number, message)
            assert str(folder) in message, (number, message)
            assert message.isprintable(), (number, message)
            assert len(message) < 3000, (number, message)
            refused += 1
    assert refused > MUTATIONS / 4
