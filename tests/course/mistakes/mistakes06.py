"""Wrong answers to notebook 06: check → (functions, what the report must say)."""

import math
from collections import Counter
from itertools import combinations, pairwise


def longest_first(text, scores):
    pieces, start = [], 0
    while start < len(text):
        ends = [end for end in range(len(text), start, -1) if text[start:end] in scores]
        end = ends[0] if ends else start + 1
        pieces.append(text[start:end])
        start = end
    return pieces


def search(text, scores, unknown, better=lambda new, old: new > old, worst=float("-inf")):
    best, start_of = [0.0] + [worst] * len(text), [0] * (len(text) + 1)
    for end in range(1, len(text) + 1):
        for start in range(end):
            piece = text[start:end]
            if piece in scores or len(piece) == 1:
                score = best[start] + scores.get(piece, unknown)
                if better(score, best[end]):
                    best[end], start_of[end] = score, start
    pieces, end = [], len(text)
    while end > 0:
        pieces.append(text[start_of[end] : end])
        end = start_of[end]
    return pieces


def lowest_sum(text, scores):
    unknown = min(scores.values()) - 10
    return search(text, scores, unknown, lambda new, old: new < old, float("inf"))[::-1]


def backwards(text, scores):
    return search(text, scores, min(scores.values()) - 10)


def unknown_characters_dropped(text, scores):
    return search("".join(c for c in text if c in scores), scores, 0.0)[::-1]


def fewest_pieces(text, scores):
    known = dict.fromkeys(scores, -1.0)
    return search(text, known, -1.0)[::-1]


def types_one_from_the_first_sep(a, b, cls, sep):
    special = [1] + [0] * len(a) + [1] + [0] * len(b) + [1]
    return [cls, *a, sep, *b, sep], [0] * (len(a) + 1) + [1] * (len(b) + 2), special


def last_sep_of_type_zero(a, b, cls, sep):
    special = [1] + [0] * len(a) + [1] + [0] * len(b) + [1]
    return [cls, *a, sep, *b, sep], [0] * (len(a) + 2) + [1] * len(b) + [0], special


def without_the_last_sep(a, b, cls, sep):
    return [cls, *a, sep, *b], [0] * (len(a) + 2) + [1] * len(b), [1] + [0] * len(a) + [1] + [0] * len(b)


def special_by_number(a, b, cls, sep):
    ids = [cls, *a, sep, *b, sep]
    return ids, [0] * (len(a) + 2) + [1] * (len(b) + 1), [int(i in (cls, sep)) for i in ids]


def texts_extended_in_place(a, b, cls, sep):
    a.append(sep)
    b.append(sep)
    special = [1] + [0] * (len(a) - 1) + [1] + [0] * (len(b) - 1) + [1]
    return [cls, *a, *b], [0] * (len(a) + 1) + [1] * len(b), special


def brute_force(text, scores):
    unknown = min(scores.values()) - 10

    def ways(text):
        if not text:
            yield []
        for end in range(1, len(text) + 1):
            for rest in ways(text[end:]):
                yield [text[:end], *rest]

    def score(pieces):
        return sum(scores.get(p, unknown if len(p) == 1 else float("-inf")) for p in pieces)

    return max(ways(text), key=score)


def unknown_of_any_length(text, scores):
    unknown = min(scores.values()) - 10
    return search(
        text, {**{text[i:j]: unknown for i in range(len(text)) for j in range(i + 1, len(text) + 1)}, **scores}, unknown
    )[::-1]


def unknown_is_nearly_free(text, scores):
    return search(text, scores, -5.5)[::-1]


def unknown_at_all_costs(text, scores):
    return search(text, scores, -1e9)[::-1]


def unknown_at_the_minimum(text, scores):
    return search(text, scores, min(scores.values()))[::-1]


def penalty_of_one(text, scores):
    return search(text, scores, min(scores.values()) - 1)[::-1]


def penalty_of_a_hundred(text, scores):
    return search(text, scores, min(scores.values()) - 100)[::-1]


def unknown_below_the_best(text, scores):
    return search(text, scores, max(scores.values()) - 10)[::-1]


def a_string(text, scores):
    return " ".join(search(text, scores, min(scores.values()) - 10)[::-1])


def score_beside_the_pieces(text, scores):
    return search(text, scores, min(scores.values()) - 10)[::-1], 0.0


def begins_at_zero(text, scores):
    return search(text, scores, min(scores.values()) - 10, worst=-20.0)[::-1]


def letters_alone(text, scores):
    return list(text)


def vocabulary_only(text, scores):
    best = {0: (0.0, [])}
    for end in range(1, len(text) + 1):
        ways = [
            (best[s][0] + scores[text[s:end]], [*best[s][1], text[s:end]]) for s in range(end) if text[s:end] in scores
        ]
        best[end] = max(ways)
    return best[len(text)][1]


def learns_as_it_goes(text, scores):
    for character in text:
        scores.setdefault(character, min(scores.values()) - 10)
    return search(text, scores, 0.0)[::-1]


def two_lists(a, b, cls, sep):
    return [cls, *a, sep, *b, sep], [0] * (len(a) + 2) + [1] * (len(b) + 1)


def cls_again_before_b(a, b, cls, sep):
    ids = [cls, *a, sep, cls, *b, sep]
    return ids, [0] * (len(a) + 2) + [1] * (len(b) + 2), [1] + [0] * len(a) + [1, 1] + [0] * len(b) + [1]


def sep_and_cls_swapped(a, b, cls, sep):
    special = [1] + [0] * len(a) + [1] + [0] * len(b) + [1]
    return [sep, *a, cls, *b, cls], [0] * (len(a) + 2) + [1] * (len(b) + 1), special


def mask_turned_round(a, b, cls, sep):
    special = [0] + [1] * len(a) + [0] + [1] * len(b) + [0]
    return [cls, *a, sep, *b, sep], [0] * (len(a) + 2) + [1] * (len(b) + 1), special


def only_one_text(a, b, cls, sep):
    n = len(a) + len(b)
    return [cls, *a, *b, sep], [0] * (n + 2), [1] + [0] * n + [1]


def an_empty_b_is_left_out(a, b, cls, sep):
    ids = [cls, *a, sep] + ([*b, sep] if b else [])
    types = [0] * (len(a) + 2) + ([1] * (len(b) + 1) if b else [])
    return ids, types, [1] + [0] * len(a) + [1] + ([0] * len(b) + [1] if b else [])


def types_from_one(a, b, cls, sep):
    special = [1] + [0] * len(a) + [1] + [0] * len(b) + [1]
    return [cls, *a, sep, *b, sep], [1] * (len(a) + 2) + [2] * (len(b) + 1), special


def the_word_of_the_notebook():
    return "lampshade"


def one_letter_too_few():
    return "d" * 19


def long_and_cheap():
    return "lamp" * 33


def six_unknown():
    return "?" * 6


def no_text():
    return ""


def a_list_of_letters():
    return list("?" * 7)


def a_text_and_its_cut():
    return "?" * 7, ["?"] * 7


def not_given_back():
    _ = "?" * 7


def merges(words, count, weigh=lambda n: n, choose=max, join=None, again=True):
    cut, found = {word: list(word) for word in words}, []
    while len(found) < count:
        pairs = Counter()
        for word, pieces in cut.items() if again or not found else ():
            for pair in pairwise(pieces):
                pairs[pair] += weigh(words[word])
        if not again and found:
            break
        if not pairs:
            break
        pair = choose(pairs, key=pairs.get)
        found.append(pair)
        cut = {word: (join or joined)(pieces, pair) for word, pieces in cut.items()}
    return found


def joined(pieces, pair):
    made, place = [], 0
    while place < len(pieces):
        size = 2 if tuple(pieces[place : place + 2]) == pair else 1
        made.append("".join(pieces[place : place + size]))
        place += size
    return made


def rarest_pair(words, count):
    return merges(words, count, choose=min)


def every_word_once(words, count):
    return merges(words, count, weigh=lambda n: 1)


def last_of_the_ties(words, count):
    return merges(words, count, choose=lambda pairs, key: max(reversed(list(pairs)), key=key))


def counted_once_for_all(words, count):
    pairs = Counter()
    for word, times in words.items():
        for pair in pairwise(word):
            pairs[pair] += times
    return [pair for pair, _ in pairs.most_common(count)]


def merged_as_text(words, count):
    def join(pieces, pair):
        return " ".join(pieces).replace(" ".join(pair), "".join(pair)).split()

    return merges(words, count, join=join)


def first_occurrence_alone(words, count):
    def join(pieces, pair):
        for place in range(len(pieces) - 1):
            if (pieces[place], pieces[place + 1]) == pair:
                return [*pieces[:place], "".join(pair), *pieces[place + 2 :]]
        return pieces

    return merges(words, count, join=join)


def merged_from_the_right(words, count):
    def join(pieces, pair):
        return [piece[::-1] for piece in joined([p[::-1] for p in pieces[::-1]], (pair[1][::-1], pair[0][::-1]))][::-1]

    return merges(words, count, join=join)


def the_new_pieces(words, count):
    return ["".join(pair) for pair in merges(words, count)]


def pairs_with_their_counts(words, count):
    return [(pair, 1) for pair in merges(words, count)]


def no_end(words, count):
    found = merges(words, count)
    return found + [("", "")] * (count - len(found))


def shares(words, scores, weight=lambda score: math.exp(score), divide=True, weigh=lambda n: n, best_alone=False):
    used = Counter()
    for word, times in words.items():
        cuts = []
        for count in range(len(word)):
            for inner in combinations(range(1, len(word)), count):
                pieces = [word[i:j] for i, j in pairwise((0, *inner, len(word)))]
                if all(piece in scores for piece in pieces):
                    cuts.append((weight(sum(scores[piece] for piece in pieces)), pieces))
        z = sum(w for w, _ in cuts) if divide else 1
        if best_alone:
            cuts, z = [(1, max(cuts)[1])], 1
        for w, pieces in cuts:
            for piece in pieces:
                used[piece] += weigh(times) * w / z
    return used


def logarithms(used):
    total = sum(used.values())
    return {piece: math.log(count / total) for piece, count in used.items()}


def best_cut_alone(words, scores):
    return logarithms(shares(words, scores, best_alone=True))


def best_cut_alone_and_all_pieces(words, scores):
    used = shares(words, scores, best_alone=True)
    return {piece: math.log(used[piece] / sum(used.values())) if used[piece] else -math.inf for piece in scores}


def all_cuts_alike(words, scores):
    return logarithms(shares(words, scores, weight=lambda score: 1.0))


def each_word_once(words, scores):
    return logarithms(shares(words, scores, weigh=lambda n: 1))


def without_the_sum_over_cuts(words, scores):
    return logarithms(shares(words, scores, divide=False))


def counts_not_divided(words, scores):
    return {piece: math.log(count) for piece, count in shares(words, scores).items()}


def probabilities(words, scores):
    used = shares(words, scores)
    return {piece: count / sum(used.values()) for piece, count in used.items()}


def by_minus_score(words, scores):
    return logarithms(shares(words, scores, weight=lambda score: -score))


def a_list_of_scores(words, scores):
    return list(logarithms(shares(words, scores)).values())


def scores_changed(words, scores):
    scores.update(logarithms(shares(words, scores)))
    return scores


def counted_in_the_text(words, scores):
    used = Counter()
    for word, times in words.items():
        for i, j in combinations(range(len(word) + 1), 2):
            if word[i:j] in scores:
                used[word[i:j]] += times
    return logarithms(used)


def every_string_a_piece(words, scores):
    return dict.fromkeys(words, -5.0) | logarithms(shares(words, scores))


MISTAKES = {
    "check_viterbi": [
        ((longest_first,), "the longest piece first is not the best: 'lampshade'"),
        ((lowest_sum,), "['lamp', 'shade'] -7"),
        ((backwards,), "spell 'shadelamp'"),
        ((unknown_characters_dropped,), "an unknown character: the pieces"),
        ((fewest_pieces,), "scores of zero"),
        ((brute_force,), "is every way to cut tried"),
        ((unknown_of_any_length,), "a longer string that is no piece is none"),
        ((unknown_is_nearly_free,), "an unknown character"),
        ((unknown_at_all_costs,), "costs no more than min − 10"),
        ((unknown_at_the_minimum,), "costs no less than min − 10"),
        ((penalty_of_one,), "costs no less than min − 10"),
        ((penalty_of_a_hundred,), "costs no more than min − 10"),
        ((unknown_below_the_best,), "min(scores.values()) − 10"),
        ((a_string,), "expected a list of pieces"),
        ((score_beside_the_pieces,), "expected a list of pieces"),
        ((begins_at_zero,), "is no piece"),
        ((letters_alone,), "-7"),
        ((vocabulary_only,), "in your line"),
        ((learns_as_it_goes,), "changed its argument scores"),
    ],
    "check_build_pair": [
        ((types_one_from_the_first_sep,), "two texts: token_type_ids: got [0, 0, 0, 0, 1"),
        ((last_sep_of_type_zero,), "two texts: token_type_ids: got [0, 0, 0, 0, 0, 1, 1, 0]"),
        ((without_the_last_sep,), "two texts: input_ids"),
        ((special_by_number,), "by its place and not by its number"),
        ((texts_extended_in_place,), "changed its argument a"),
        ((two_lists,), "returned 2 values, expected 3"),
        ((cls_again_before_b,), "[CLS], the ids of A, [SEP]"),
        ((sep_and_cls_swapped,), "[CLS], the ids of A, [SEP]"),
        ((mask_turned_round,), "1 where [CLS] or [SEP]"),
        ((only_one_text,), "[CLS], the ids of A, [SEP]"),
        ((an_empty_b_is_left_out,), "an empty B: input_ids"),
        ((types_from_one,), "belongs to A, type 0"),
    ],
    "check_counterexample": [
        ((the_word_of_the_notebook,), "comes out with the best score there is, -7"),
        ((one_letter_too_few,), "best score there is, -95"),
        ((long_and_cheap,), "best score there is, -99"),
        ((six_unknown,), "best score there is, -90"),
        ((no_text,), "expected a text of one character or more"),
        ((a_list_of_letters,), "expected a text of one character or more"),
        ((a_text_and_its_cut,), "returned 2 values, expected one value (text)"),
        ((not_given_back,), "is a `return` missing"),
    ],
    "check_bpe_merges": [
        ((rarest_pair,), "the pair that occurs most often"),
        ((every_word_once,), "a word that occurs n times counts n times"),
        ((last_of_the_ties,), "occurs most often"),
        ((counted_once_for_all,), "count again after every merge"),
        ((merged_as_text,), "pieces are merged, not characters"),
        ((first_occurrence_alone,), "no character twice"),
        ((merged_from_the_right,), "from the left"),
        ((the_new_pieces,), "expected a list of pairs of pieces"),
        ((pairs_with_their_counts,), "expected a list of pairs of pieces"),
        ((no_end,), "stop there"),
    ],
    "check_em_step": [
        ((best_cut_alone,), "the piece 'a' is missing"),
        ((best_cut_alone_and_all_pieces,), "the best cut alone"),
        ((all_cuts_alike,), "every cut counts alike"),
        ((each_word_once,), "a word that occurs n times counts n times"),
        ((without_the_sum_over_cuts,), "divided by their sum, or a long word"),
        ((counts_not_divided,), "divide them by their sum"),
        ((probabilities,), "scores are logarithms of probabilities"),
        ((by_minus_score,), "ab, once"),
        ((a_list_of_scores,), "expected a dictionary"),
        ((scores_changed,), "changed its argument scores"),
        ((counted_in_the_text,), "every cut counts alike"),
        ((every_string_a_piece,), "is no piece of the vocabulary"),
    ],
}
