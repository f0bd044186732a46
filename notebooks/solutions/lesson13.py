"""Solutions of notebook 13."""

import numpy as np


def span_length(rng, longest):
    weights = 1 / np.arange(1, longest + 1)
    cumulative = np.cumsum(weights / weights.sum())
    return 1 + int((cumulative[:-1] <= rng.random()).sum())


def replace_tokens(ids, chosen, mask_id, ordinary_ids, rng):
    input_ids = ids.copy()
    places = np.flatnonzero(chosen)
    luck = rng.random(len(places))
    input_ids[places[luck < 0.8]] = mask_id
    at_random = places[luck >= 0.9]
    input_ids[at_random] = rng.choice(ordinary_ids, size=len(at_random))
    return input_ids


def order_pair(sentences, rng):
    cut = rng.integers(1, len(sentences))
    front, back = sentences[:cut], sentences[cut:]
    label = int(rng.integers(2))
    return (back, front, label) if label == 1 else (front, back, label)


def which_bug():
    return {"A": 3, "B": 1, "C": 6, "D": 2, "E": 5, "F": 4}


ANSWERS = {
    "check_span_length": (span_length,),
    "check_replace_tokens": (replace_tokens,),
    "check_order_pair": (order_pair,),
    "check_which_bug": (which_bug,),
}
