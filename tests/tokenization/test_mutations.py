"""Damage at random to the files of a tokenizer, the same each time: it is read, or one error names the file."""

import random

import pytest
from toys.mutations import mutated, mutated_json
from toys.runs import learned_vocabulary

from albert_np.protobuf import read_fields, write_fields
from albert_np.tokenization import AlbertTokenizer

MUTATIONS = 60
TEXT = "the [E1] Cat sees [X] 3.14 हिन्दी"


def mutated_fields(data, rng):
    """Damage a piece or another field of a protocol buffer, or the bytes anywhere."""
    fields = list(read_fields(data))
    i = rng.randrange(len(fields))
    number, value = fields[i]
    if rng.random() < 0.3 or not isinstance(value, bytes):
        return mutated(data, rng)
    fields[i] = (number, mutated(value, rng))
    return write_fields(fields)


KINDS = {
    "spiece.model": mutated_fields,
    "tokenizer_config.json": mutated_json,
    "special_tokens_map.json": mutated_json,
    "added_tokens.json": mutated_json,
    "tokenizer.json": mutated_json,
}
UNREAD = {  # what stands beside it, for it is read where that is not
    "special_tokens_map.json": "tokenizer_config.json",
    "added_tokens.json": "tokenizer_config.json",
    "tokenizer.json": "spiece.model",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    tokenizer = AlbertTokenizer(learned_vocabulary(folder))
    tokenizer.add_tokens(["[E1]"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["[X]"]})
    tokenizer.save_pretrained(folder / "whole")
    return {path.name: path.read_bytes() for path in (folder / "whole").iterdir()}


@pytest.mark.parametrize("name", KINDS)
def test_damage_to_a_tokenizer_is_read_or_named(whole, name, tmp_path):
    for other, data in whole.items():
        if other not in UNREAD.get(name, ""):
            (tmp_path / other).write_bytes(data)
    rng, errors = random.Random(name), []
    for _ in range(MUTATIONS):
        (tmp_path / name).write_bytes(KINDS[name](whole[name], rng))
        try:
            tokenizer = AlbertTokenizer.from_pretrained(tmp_path)
            tokenizer.decode(tokenizer(TEXT)["input_ids"])
        except ValueError as error:
            errors.append(error)
    assert len(errors) > MUTATIONS / 4
    for message in map(str, errors):
        assert name in message
        assert message.isprintable()
        assert len(message) < 1000
