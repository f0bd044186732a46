"""Wrong answers to notebook 13: check → (functions, what the report must say)."""

import random

import numpy as np


def drawn(rng, weights):
    return 1 + int((np.cumsum(weights)[:-1] / sum(weights) <= rng.random()).sum())


def uniform(rng, longest):
    return int(rng.integers(1, longest + 1))


def inverted(rng, longest):
    return drawn(rng, np.arange(1, longest + 1))


def weights_from_two_on(rng, longest):
    return drawn(rng, 1 / np.arange(2, longest + 2))


def counted_from_zero(rng, longest):
    return drawn(rng, 1 / np.arange(1, longest + 1)) - 1


def without_the_longest(rng, longest):
    return drawn(rng, 1 / np.arange(1, max(2, longest)))


def halved_each_time(rng, longest):
    n = 1
    while n < longest and rng.random() < 0.5:
        n += 1
    return n


def squared(rng, longest):
    return drawn(rng, 1 / np.arange(1, longest + 1) ** 2)


def from_a_global_generator(rng, longest):
    return random.choices(range(1, longest + 1), [1 / n for n in range(1, longest + 1)])[0]


def replaced(ids, chosen, mask_id, rng, pieces, masked=0.8, at_random=0.1, luck=None):
    input_ids = ids.copy()
    places = np.flatnonzero(chosen)
    luck = rng.random(len(places)) if luck is None else luck
    input_ids[places[luck < masked]] = mask_id
    others = places[luck >= 1 - at_random]
    input_ids[others] = pieces(len(others))
    return input_ids


def all_masked(ids, chosen, mask_id, ordinary_ids, rng):
    return np.where(chosen, mask_id, ids)


def all_eighty_percent(ids, chosen, mask_id, ordinary_ids, rng):
    return replaced(ids, chosen, mask_id, rng, lambda n: rng.choice(ordinary_ids, n), at_random=0)


def a_second_draw(ids, chosen, mask_id, ordinary_ids, rng):
    input_ids = ids.copy()
    for i in np.flatnonzero(chosen):
        if rng.random() < 0.8:
            input_ids[i] = mask_id
        elif rng.random() < 0.1:  # 10 % of what is left
            input_ids[i] = rng.choice(ordinary_ids)
    return input_ids


def one_luck_for_all(ids, chosen, mask_id, ordinary_ids, rng):
    luck = np.full(chosen.sum(), rng.random())
    return replaced(ids, chosen, mask_id, rng, lambda n: rng.choice(ordinary_ids, n), luck=luck)


def exactly_eight_of_ten(ids, chosen, mask_id, ordinary_ids, rng):
    luck = (rng.permutation(chosen.sum()) + 0.5) / chosen.sum()
    return replaced(ids, chosen, mask_id, rng, lambda n: rng.choice(ordinary_ids, n), luck=luck)


def from_the_whole_vocabulary(ids, chosen, mask_id, ordinary_ids, rng):
    return replaced(ids, chosen, mask_id, rng, lambda n: rng.integers(ordinary_ids.max() + 1, size=n))


def indices_for_ids(ids, chosen, mask_id, ordinary_ids, rng):
    return replaced(ids, chosen, mask_id, rng, lambda n: rng.integers(len(ordinary_ids), size=n))


def one_piece_for_all(ids, chosen, mask_id, ordinary_ids, rng):
    return replaced(ids, chosen, mask_id, rng, lambda n: rng.choice(ordinary_ids))


def in_place(ids, chosen, mask_id, ordinary_ids, rng):
    ids[...] = replaced(ids, chosen, mask_id, rng, lambda n: rng.choice(ordinary_ids, n))
    return ids


def not_the_chosen(ids, chosen, mask_id, ordinary_ids, rng):
    return replaced(ids, ~chosen, mask_id, rng, lambda n: rng.choice(ordinary_ids, n))


def a_float(rng, longest):
    return float(drawn(rng, 1 / np.arange(1, longest + 1)))


def an_array(rng, longest):
    return np.array([drawn(rng, 1 / np.arange(1, longest + 1))])


def many_at_once(rng, longest):
    return rng.integers(1, longest + 1, size=10)


def always_one(rng, longest):
    rng.random()
    return 1


def of_the_time(rng, longest):
    return drawn(np.random.default_rng(), 1 / np.arange(1, longest + 1))


def a_fixed_seed(rng, longest):
    return drawn(np.random.default_rng(0), 1 / np.arange(1, longest + 1))


def one_too_many(rng, longest):
    return drawn(rng, 1 / np.arange(1, longest + 2))


def exponential(rng, longest):
    return drawn(rng, np.exp(-np.arange(1.0, longest + 1)))


def nothing_drawn_back(rng, longest):
    drawn(rng, 1 / np.arange(1, longest + 1))


def shares_not_summed(rng, longest):
    weights = 1 / np.arange(1, longest + 1)
    return 1 + int((weights[1:] <= rng.random()).sum())


def float_ids(ids, chosen, mask_id, ordinary_ids, rng):
    return replaced(ids, chosen, mask_id, rng, lambda n: rng.choice(ordinary_ids, n)).astype(float)


def only_the_chosen_back(ids, chosen, mask_id, ordinary_ids, rng):
    return replaced(ids, chosen, mask_id, rng, lambda n: rng.choice(ordinary_ids, n))[chosen]


def nothing_returned(ids, chosen, mask_id, ordinary_ids, rng):
    replaced(ids, chosen, mask_id, rng, lambda n: rng.choice(ordinary_ids, n))


def swapped_shares(ids, chosen, mask_id, ordinary_ids, rng):
    return replaced(ids, chosen, mask_id, rng, lambda n: rng.choice(ordinary_ids, n), masked=0.1, at_random=0.8)


def global_luck(ids, chosen, mask_id, ordinary_ids, rng):
    luck = np.array([random.random() for _ in range(chosen.sum())])
    return replaced(ids, chosen, mask_id, rng, lambda n: rng.choice(ordinary_ids, n), luck=luck)


def two_numbers_a_place(ids, chosen, mask_id, ordinary_ids, rng):
    input_ids, places = ids.copy(), np.flatnonzero(chosen)
    input_ids[places[rng.random(len(places)) < 0.8]] = mask_id
    at_random = places[rng.random(len(places)) < 0.1]
    input_ids[at_random] = rng.choice(ordinary_ids, len(at_random))
    return input_ids


def never_kept(ids, chosen, mask_id, ordinary_ids, rng):
    return replaced(ids, chosen, mask_id, rng, lambda n: rng.choice(ordinary_ids, n), at_random=0.2)


def everything_is_chosen(ids, chosen, mask_id, ordinary_ids, rng):
    return replaced(ids, np.ones_like(chosen), mask_id, rng, lambda n: rng.choice(ordinary_ids, n))


def cut_of(sentences, rng, low=1, high=None):
    a = int(rng.integers(low, high or len(sentences)))
    return sentences[:a], sentences[a:]


def never_swapped(sentences, rng):
    return *cut_of(sentences, rng), 0


def label_without_swap(sentences, rng):
    return *cut_of(sentences, rng), int(rng.integers(2))


def label_turned_round(sentences, rng):
    front, back = cut_of(sentences, rng)
    return (back, front, 0) if rng.integers(2) else (front, back, 1)


def an_empty_front(sentences, rng):
    front, back = cut_of(sentences, rng, low=0)
    return (back, front, 1) if rng.integers(2) else (front, back, 0)


def always_the_middle(sentences, rng):
    half = len(sentences) // 2
    front, back = sentences[:half], sentences[half:]
    return (back, front, 1) if rng.integers(2) else (front, back, 0)


def last_cut_missing(sentences, rng):
    front, back = cut_of(sentences, rng, high=max(2, len(sentences) - 1))
    return (back, front, 1) if rng.integers(2) else (front, back, 0)


def short_back_if_swapped(sentences, rng):
    front, back = cut_of(sentences, rng)
    longer = len(front) - len(back) or rng.integers(2) - 0.5
    return (back, front, 1) if longer > 0 else (front, back, 0)


def one_in_five(sentences, rng):
    front, back = cut_of(sentences, rng)
    return (back, front, 1) if rng.random() < 0.2 else (front, back, 0)


def sentences_turned_round(sentences, rng):
    front, back = cut_of(sentences, rng)
    return (back[::-1], front[::-1], 1) if rng.integers(2) else (front, back, 0)


def shuffled(sentences, rng):
    front, back = cut_of([sentences[i] for i in rng.permutation(len(sentences))], rng)
    return front, back, int(rng.integers(2))


def sentence_lost(sentences, rng):
    front, back = cut_of(sentences, rng)
    return (back[1:] or back, front, 1) if rng.integers(2) else (front, back[1:] or back, 0)


def boolean_as_text(sentences, rng):
    return *cut_of(sentences, rng), "in order"


def own_generator(sentences, rng):
    return label_right(sentences, np.random.default_rng())


def label_right(sentences, rng):
    front, back = cut_of(sentences, rng)
    return (back, front, 1) if rng.integers(2) else (front, back, 0)


def label_forgotten(sentences, rng):
    return label_right(sentences, rng)[:2]


def sentences_popped(sentences, rng):
    a = int(rng.integers(1, len(sentences)))
    front = [sentences.pop(0) for _ in range(a)]
    return (sentences, front, 1) if rng.integers(2) else (front, sentences, 0)


PAIRED = {"A": 3, "B": 1, "C": 6, "D": 2, "E": 5, "F": 4}


def bias_for_length():
    return {**PAIRED, "A": 6, "C": 3}


def middle_for_last_cut():
    return {**PAIRED, "D": 4, "F": 2}


def label_for_order_inside():
    return {**PAIRED, "B": 5, "E": 1}


def two_left_out():
    return {"A": 3, "B": 1, "C": 6, "D": 2}


def a_number():
    return 3


def from_a_to_f():
    return {letter: number for number, letter in enumerate(PAIRED, start=1)}


MISTAKES = {
    "check_span_length": [
        ((uniform,), "“all lengths alike”"),
        ((inverted,), "the wrong way round"),
        ((weights_from_two_on,), "begin at n = 2"),
        ((counted_from_zero,), "the first is 1"),
        ((without_the_longest,), "got [1, 2]"),
        ((halved_each_time,), "“halved at each step”"),
        ((squared,), "“1/n²”"),
        ((from_a_global_generator,), "draw from `rng` alone"),
        ((a_float,), "got a float: int(…) makes it one"),
        ((an_array,), "got a ndarray (1,)"),
        ((many_at_once,), "got a ndarray (10,)"),
        ((always_one,), "got [1]"),
        ((of_the_time,), "draw from `rng` alone"),
        ((a_fixed_seed,), "nothing was drawn from it"),
        ((one_too_many,), "got [1, 2, 3, 4]"),
        ((exponential,), "e^(-n)"),
        ((nothing_drawn_back,), "is a `return` missing"),
        ((shares_not_summed,), "longest 3, share of n = 1"),
    ],
    "check_replace_tokens": [
        ((all_masked,), "share masked: 1.0"),
        ((all_eighty_percent,), "share replaced at random: 0.0"),
        ((a_second_draw,), "share replaced at random: 0.0"),
        ((one_luck_for_all,), "each token by itself"),
        ((exactly_eight_of_ten,), "each token by itself"),
        ((from_the_whole_vocabulary,), "are not among `ordinary_ids`"),
        ((indices_for_ids,), "are not among `ordinary_ids`"),
        ((one_piece_for_all,), "never came"),
        ((in_place,), "changed its argument ids"),
        ((not_the_chosen,), "turned round"),
        ((float_ids,), "got float64 of shape (30,), expected whole numbers"),
        ((only_the_chosen_back,), "of shape (10,), expected whole numbers of shape (30,)"),
        ((nothing_returned,), "is a `return` missing"),
        ((swapped_shares,), "share masked: 0.1"),
        ((global_luck,), "draw from `rng` alone"),
        ((two_numbers_a_place,), "one number u for each place"),
        ((never_kept,), "share replaced at random: 0.1990"),
        ((everything_is_chosen,), "some were replaced"),
    ],
    "check_order_pair": [
        ((never_swapped,), "share swapped: 0.0"),
        ((label_without_swap,), "1 means swapped"),
        ((label_turned_round,), "1 means swapped"),
        ((an_empty_front,), "a segment is empty"),
        ((always_the_middle,), "cut after sentence 1 of 6: 0.0"),
        ((last_cut_missing,), "uniform over the five boundaries"),
        ((short_back_if_swapped,), "the lengths tell the label"),
        ((one_in_five,), "share swapped: 0.1"),
        ((sentences_turned_round,), "only the segments are swapped"),
        ((shuffled,), "stay in order"),
        ((sentence_lost,), "into one of the two segments, once"),
        ((boolean_as_text,), "the label is 'in order', expected 0 or 1"),
        ((own_generator,), "draw from `rng` alone"),
        ((label_forgotten,), "returned 2 values, expected 3 values"),
        ((sentences_popped,), "changed its argument sentences"),
    ],
    "check_which_bug": [
        ((bias_for_length,), "A: not “the coin is a die"),
        ((middle_for_last_cut,), "D: not “the last cut is missing”"),
        ((label_for_order_inside,), "B: not “in swapped pairs"),
        ((two_left_out,), "E: no answer"),
        ((a_number,), "got a int"),
        ((from_a_to_f,), "A: not “the label is turned round”"),
    ],
}
