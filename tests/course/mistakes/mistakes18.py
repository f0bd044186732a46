"""Wrong answers to notebook 18: check → (functions, what the report must say)."""

from itertools import pairwise

import numpy as np


def angle(x, y):
    cosine = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
    return np.degrees(np.arccos(cosine.clip(-1, 1)))


def distances(hidden_states, l2, degrees):
    pairs = list(pairwise(hidden_states))
    return {"l2": np.array([l2(*p) for p in pairs]), "degrees": np.array([degrees(*p) for p in pairs])}


def padding_counted(hidden_states, attention_mask):
    return distances(
        hidden_states, lambda x, y: np.linalg.norm(y - x, axis=-1).mean(), lambda x, y: np.nanmean(angle(x, y))
    )


def of_the_whole_array(hidden_states, attention_mask):
    real = attention_mask == 1
    right = padding_counted([h[real] for h in hidden_states], None)
    return {**right, "l2": np.array([np.linalg.norm((y - x)[real]) / real.sum() for x, y in pairwise(hidden_states)])}


def mean_of_the_means(hidden_states, attention_mask):
    each = [
        padding_counted([h[b][attention_mask[b] == 1] for h in hidden_states], None) for b in range(len(attention_mask))
    ]
    return {name: np.mean([one[name] for one in each], axis=0) for name in ("l2", "degrees")}


def radians(hidden_states, attention_mask):
    right = padding_counted([h[attention_mask == 1] for h in hidden_states], None)
    return {**right, "degrees": np.radians(right["degrees"])}


def without_clipping(hidden_states, attention_mask):
    real = attention_mask == 1

    def degrees(x, y):
        return np.degrees(np.arccos((x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1))).mean()

    return distances([h[real] for h in hidden_states], lambda x, y: np.linalg.norm(y - x, axis=-1).mean(), degrees)


def from_the_embeddings(hidden_states, attention_mask):
    kept = [h[attention_mask == 1] for h in hidden_states]
    both = [padding_counted([kept[0], y], None) for y in kept[1:]]
    return {name: np.concatenate([one[name] for one in both]) for name in ("l2", "degrees")}


def one_step_lost(hidden_states, attention_mask):
    return padding_counted([h[attention_mask == 1] for h in hidden_states[1:]], None)


def mask_as_an_index(hidden_states, attention_mask):
    return padding_counted([h[np.asarray(attention_mask, dtype=int) - 1] for h in hidden_states], None)


def mean_of_squares(hidden_states, attention_mask):
    kept = [h[attention_mask == 1] for h in hidden_states]
    return distances(kept, lambda x, y: ((y - x) ** 2).sum(-1).mean() ** 0.5, lambda x, y: angle(x, y).mean())


def angle_of_the_mean_cosine(hidden_states, attention_mask):
    kept = [h[attention_mask == 1] for h in hidden_states]

    def degrees(x, y):
        return np.degrees(np.arccos(np.cos(np.radians(angle(x, y))).mean().clip(-1, 1)))

    return distances(kept, lambda x, y: np.linalg.norm(y - x, axis=-1).mean(), degrees)


def per_token(probs, log=np.log):
    T = probs.shape[-1]
    offset = np.arange(T) - np.arange(T)[:, None]
    sums = {
        "distance": abs(offset),
        "self": offset == 0,
        "previous": offset == -1,
        "next": offset == 1,
        "first": np.arange(T) + 0 * offset == 0,
    }
    values = {name: (probs * weight).sum(-1) for name, weight in sums.items()}
    return {"entropy": -(probs * log(np.where(probs > 0, probs, 1))).sum(-1), **values}


def averaged(values, attention_mask):
    real = attention_mask[:, None] == 1
    return {name: (value * real).sum((0, 2)) / real.sum() for name, value in values.items()}


def padded_queries_counted(probs, attention_mask):
    return {name: value.mean((0, 2)) for name, value in per_token(probs).items()}


def sequences_weighted_alike(probs, attention_mask):
    real = attention_mask[:, None] == 1
    return {n: ((v * real).sum(2) / real.sum(2)).mean(0) for n, v in per_token(probs).items()}


def query_and_key_swapped(probs, attention_mask):
    return averaged(per_token(probs.swapaxes(-1, -2)), attention_mask)


def rolled_round_the_end(probs, attention_mask):
    T = probs.shape[-1]
    values = per_token(probs)
    values["previous"] = np.diagonal(np.roll(probs, 1, axis=-1), axis1=-2, axis2=-1)
    values["next"] = np.diagonal(np.roll(probs, T - 1, axis=-1), axis1=-2, axis2=-1)
    return averaged(values, attention_mask)


def entropy_in_bits(probs, attention_mask):
    return averaged(per_token(probs, np.log2), attention_mask)


def entropy_without_the_zeros_case(probs, attention_mask):
    return {
        **averaged(per_token(probs), attention_mask),
        "entropy": averaged({"e": -(probs * np.log(probs)).sum(-1)}, attention_mask)["e"],
    }


def signed_distance(probs, attention_mask):
    places = np.arange(probs.shape[-1])
    values = per_token(probs)
    return averaged({**values, "distance": (probs * (places - places[:, None])).sum(-1)}, attention_mask)


def distance_of_the_largest_weight(probs, attention_mask):
    values = per_token(probs)
    return averaged({**values, "distance": abs(probs.argmax(-1) - np.arange(probs.shape[-1]))}, attention_mask)


def heads_averaged(probs, attention_mask):
    return {name: value.mean(keepdims=True) for name, value in averaged(per_token(probs), attention_mask).items()}


def previous_and_next_swapped(probs, attention_mask):
    right = averaged(per_token(probs), attention_mask)
    return {**right, "previous": right["next"], "next": right["previous"]}


def only_queries_that_have_one(probs, attention_mask):
    right = averaged(per_token(probs), attention_mask)
    having = (attention_mask.sum() - len(attention_mask)) / attention_mask.sum()
    return {**right, "previous": right["previous"] / having}


def list_of_numbers(probs, attention_mask):
    return list(averaged(per_token(probs), attention_mask).values())


def gradient_at_the_start(gradient, start, end, steps):
    return gradient(start) * (end - start)


def gradient_at_the_end(gradient, start, end, steps):
    return gradient(end) * (end - start)


def beginnings_of_pieces(gradient, start, end, steps):
    return (end - start) * np.mean([gradient(start + k / steps * (end - start)) for k in range(steps)], axis=0)


def ends_of_pieces(gradient, start, end, steps):
    return (end - start) * np.mean([gradient(start + (k + 1) / steps * (end - start)) for k in range(steps)], axis=0)


def both_ends_whole(gradient, start, end, steps):
    return (end - start) * np.mean([gradient(e) for e in np.linspace(start, end, steps + 1)], axis=0)


def middles(gradient, start, end, steps):
    return [gradient(start + (k + 0.5) / steps * (end - start)) for k in range(steps)]


def not_divided(gradient, start, end, steps):
    return (end - start) * sum(middles(gradient, start, end, steps))


def without_the_way(gradient, start, end, steps):
    return np.mean(middles(gradient, start, end, steps), axis=0)


def times_the_end(gradient, start, end, steps):
    return end * np.mean(middles(gradient, start, end, steps), axis=0)


def backwards(gradient, start, end, steps):
    return (start - end) * np.mean(middles(gradient, start, end, steps), axis=0)


def from_zero(gradient, start, end, steps):
    return (end - start) * np.mean(middles(gradient, 0 * start, end, steps), axis=0)


def one_number(gradient, start, end, steps):
    return ((end - start) * np.mean(middles(gradient, start, end, steps), axis=0)).sum()


def points_moved_in_place(gradient, start, end, steps):
    total, way = 0.0, (end - start) / steps
    start += way / 2
    for _ in range(steps):
        total = total + way * gradient(start)
        start += way
    return total


CAST = {"A": 5, "B": 3, "C": 6, "D": 1, "E": 4, "F": 2}


def padding_for_sequences():
    return CAST | {"D": 3}


def sequences_for_padding():
    return CAST | {"B": 1}


def exchanged_for_round():
    return CAST | {"A": 4}


def bits_for_signed():
    return CAST | {"C": 2}


def letters_for_numbers():
    return {number: letter for letter, number in CAST.items()}


def one_is_missing():
    return {"A": 5, "B": 3, "C": 6, "D": 1, "E": 4}


def a_list_of_numbers():
    return [5, 3, 6, 1, 4, 2]


MISTAKES = {
    "check_along_the_way": [
        ((gradient_at_the_start,), "that is (18.14), a way of one step"),
        ((gradient_at_the_end,), "the way between counts too"),
        ((beginnings_of_pieces,), "at the beginnings of their pieces"),
        ((ends_of_pieces,), "at the ends of their pieces"),
        ((both_ends_whole,), "both ends are among the points"),
        ((not_divided,), "has their mean"),
        ((without_the_way,), "a loss with one gradient everywhere"),
        ((times_the_end,), "a loss with one gradient everywhere"),
        ((backwards,), "a loss with one gradient everywhere"),
        ((from_zero,), "the points lie between 0 and the end"),
        ((one_number,), "got shape (), expected (2,)"),
        ((points_moved_in_place,), "changed its argument start"),
    ],
    "check_which_bug": [
        ((padding_for_sequences,), "D: not “padded queries are counted”"),
        ((sequences_for_padding,), "B: not “the mean of the sequences' means is taken”"),
        ((exchanged_for_round,), "A: not “query and key are exchanged”: with that bug, the column “previous”"),
        ((bits_for_signed,), "C: not “the logarithm has the base 2”: with that bug, the column “entropy”"),
        ((letters_for_numbers,), "A: no answer"),
        ((one_is_missing,), "F: no answer"),
        ((a_list_of_numbers,), "got a list, expected"),
    ],
    "check_layer_distances": [
        ((padding_counted,), "the padding counts here"),
        ((of_the_whole_array,), "l2, the mean over the real tokens"),
        ((mean_of_the_means,), "each token counts the same"),
        ((radians,), "these are radians"),
        ((without_clipping,), "clip the cosine"),
        ((from_the_embeddings,), "from the first state"),
        ((one_step_lost,), "got shape (1,), expected (2,)"),
        ((mask_as_an_index,), "sequences of 6, 2 and 4"),
        ((mean_of_squares,), "l2, the mean over the real tokens"),
        ((angle_of_the_mean_cosine,), "degrees, the mean over the real tokens"),
    ],
    "check_head_statistics": [
        ((padded_queries_counted,), "the mean over the real queries"),
        ((sequences_weighted_alike,), "two heads, sequences of 6, 2 and 4"),
        ((query_and_key_swapped,), "each at the one before, the first at itself, T = 3: previous"),
        ((rolled_round_the_end,), "the first query has none"),
        ((entropy_in_bits,), "in bits"),
        ((entropy_without_the_zeros_case,), "each at itself, T = 3: entropy"),
        ((signed_distance,), "all alike, T = 3: distance"),
        ((distance_of_the_largest_weight,), "all alike, T = 3: distance"),
        ((heads_averaged,), "got shape (1,), expected (2,)"),
        ((previous_and_next_swapped,), "the first at itself, T = 3: previous"),
        ((only_queries_that_have_one,), "all alike, T = 3: previous"),
        ((list_of_numbers,), "got list without"),
    ],
}
