"""Wrong answers to notebook 06: check → (functions, what the report must say)."""


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
}
