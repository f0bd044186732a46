"""Damage at random: bytes that were hit, JSON whose values are others."""

import json
import struct

NUMBERS = [0, -1, 1.5, float("nan"), 10**8, 2**31, 2**64, 10**400]
VALUES = [None, True, *NUMBERS, "", "x", "\ud800", [], {}, [[1]], "../x", "\n", "a" * 5000]


def mutated(data, rng):
    """Return bytes with one to five places changed, cut out, put in or doubled, more often near the ends."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        size = len(data)
        near = rng.randrange(min(size, 400) + 1)
        i = rng.choice([near, size - near, rng.randrange(size + 1)])
        change = rng.randrange(6)
        if change == 0 and i < size:
            data[i] ^= 1 << rng.randrange(8)
        elif change == 1:
            del data[i : i + rng.choice([1, 8, 100])]
        elif change == 2:
            data[i:i] = rng.randbytes(rng.choice([1, 8, 100]))
        elif change == 3:
            data[i : i + 8] = struct.pack("<Q", rng.choice([0, 1, 2**31, 2**63, 2**64 - 1]))
        elif change == 4:
            data = data[:i]
        else:
            data[i:i] = data[near : near + 64]
    return bytes(data)


def mutated_json(data, rng):
    """Return an object in which one or two values are others, gone, or new; sometimes damaged as bytes are."""
    if rng.random() < 0.2:
        return mutated(data, rng)
    content = json.loads(data)
    for _ in range(rng.randint(1, 2)):
        inside = content
        while isinstance(inside[key := rng.choice(list(inside))], dict) and inside[key] and rng.random() < 0.7:
            inside = inside[key]
        if rng.random() < 0.2 and len(inside) > 1:
            del inside[key]
        elif rng.random() < 0.1:
            inside[str(rng.choice(VALUES))] = rng.choice(VALUES)
        else:
            inside[key] = rng.choice(VALUES)
    return json.dumps(content).encode()
