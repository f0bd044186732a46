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


MISTAKES = {
    "check_viterbi": [
        ((longest_first,), "the longest piece first is not the best: 'lampshade'"),
        ((lowest_sum,), "['lamp', 'shade'] -7"),
        ((backwards,), "spell 'shadelamp'"),
        ((unknown_characters_dropped,), "an unknown character: the pieces"),
        ((fewest_pieces,), "scores of zero"),
    ],
    "check_build_pair": [
        ((types_one_from_the_first_sep,), "two texts: token_type_ids: got [0, 0, 0, 0, 1"),
        ((last_sep_of_type_zero,), "two texts: token_type_ids: got [0, 0, 0, 0, 0, 1, 1, 0]"),
        ((without_the_last_sep,), "two texts: input_ids"),
        ((special_by_number,), "by its place and not by its number"),
        ((texts_extended_in_place,), "changed its argument a"),
    ],
}
