"""Right answers to notebook 13, written otherwise: check → functions."""

import numpy as np


def by_choice(rng, longest):
    weights = 1 / np.arange(1, longest + 1)
    return int(rng.choice(longest, p=weights / weights.sum())) + 1


def by_search(rng, longest):
    fences = np.cumsum(1 / np.arange(1, longest + 1))
    return 1 + np.searchsorted(fences[:-1], rng.random() * fences[-1], side="right")


def by_subtraction(rng, longest):
    left = rng.random() * sum(1 / n for n in range(1, longest + 1))
    for n in range(1, longest):
        left -= 1 / n
        if left < 0:
            return n
    return longest


def place_by_place(ids, chosen, mask_id, ordinary_ids, rng):
    input_ids = ids.copy()
    for i in np.flatnonzero(chosen):
        u = rng.random()
        if u < 0.8:
            input_ids[i] = mask_id
        elif u < 0.9:
            input_ids[i] = ordinary_ids[rng.integers(len(ordinary_ids))]
    return input_ids


def by_where(ids, chosen, mask_id, ordinary_ids, rng):
    u, pieces = rng.random(ids.shape), rng.choice(ordinary_ids, ids.shape)
    changed = np.where(u < 0.8, mask_id, np.where(u < 0.9, pieces, ids))
    return np.where(chosen, changed, ids)


def by_outcomes(ids, chosen, mask_id, ordinary_ids, rng):
    outcome = rng.choice(3, size=chosen.sum(), p=[0.8, 0.1, 0.1])
    rows = np.stack([np.full(len(outcome), mask_id), rng.choice(ordinary_ids, len(outcome)), ids[chosen]])
    input_ids = np.array(ids)
    input_ids[chosen] = rows[outcome, np.arange(len(outcome))]
    return input_ids


def by_uniform_numbers(sentences, rng):
    a = 1 + int(rng.random() * (len(sentences) - 1))
    parts = [sentences[:a], sentences[a:]]
    label = int(rng.random() < 0.5)
    return parts[label], parts[1 - label], label


def as_tuples(sentences, rng):
    swap = rng.choice([0, 1])
    a = rng.choice(np.arange(1, len(sentences)))
    front, back = tuple(sentences[:a]), tuple(sentences[a:])
    return (back, front, swap) if swap else (front, back, swap)


def named_in_another_order():
    return {"F": 4, "E": 5, "D": 2, "C": 6, "B": 1, "A": 3}


RIGHT = {
    "check_span_length": [(by_choice,), (by_search,), (by_subtraction,)],
    "check_replace_tokens": [(place_by_place,), (by_where,), (by_outcomes,)],
    "check_order_pair": [(by_uniform_numbers,), (as_tuples,)],
    "check_which_bug": [(named_in_another_order,)],
}
