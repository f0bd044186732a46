"""Right answers to notebook 06, written otherwise: check → functions."""

import math
from functools import cache
from itertools import combinations, pairwise

import numpy as np


def memoised(text, scores):
    unknown = min(scores.values()) - 10

    @cache
    def best(start):
        if start == len(text):
            return 0.0, ()
        found = []
        for end in range(start + 1, len(text) + 1):
            piece = text[start:end]
            if piece in scores or end == start + 1:
                rest, pieces = best(end)
                found.append((scores.get(piece, unknown) + rest, (piece, *pieces)))
        return max(found, key=lambda one: one[0])

    return list(best(0)[1])


def forward_edges(text, scores):
    longest = max(map(len, scores))
    best, path = {0: 0.0}, {0: []}
    for start in range(len(text)):
        for length in range(1, min(longest, len(text) - start) + 1):
            piece, end = text[start : start + length], start + length
            score = scores.get(piece, min(scores.values()) - 10 if length == 1 else None)
            if score is not None and best[start] + score > best.get(end, float("-inf")):
                best[end], path[end] = best[start] + score, [*path[start], piece]
    return path[len(text)]


def later_ties_as_a_tuple(text, scores):
    table = [(0.0, ())]
    for end in range(1, len(text) + 1):
        ways = [(start, text[start:end]) for start in range(end)]
        known = [(start, piece) for start, piece in ways if piece in scores]
        if text[end - 1] not in scores:
            known.append((end - 1, text[end - 1]))
        floor = min(scores.values()) - 10
        table.append(max((table[s][0] + scores.get(p, floor), (*table[s][1], p)) for s, p in known))
    return table[-1][1]


def piece_by_piece(a, b, cls, sep):
    ids, types, special = [], [], []
    for part, kind, is_special in (([cls], 0, 1), (a, 0, 0), ([sep], 0, 1), (b, 1, 0), ([sep], 1, 1)):
        ids += part
        types += [kind] * len(part)
        special += [is_special] * len(part)
    return ids, types, special


def tuples(a, b, cls, sep):
    n, m = len(a), len(b)
    return (cls, *a, sep, *b, sep), (0,) * (n + 2) + (1,) * (m + 1), (1, *(0,) * n, 1, *(0,) * m, 1)


def twenty_letters():
    return "d" * 20


def a_whole_sentence():
    return "lampshade" * 15


def merges_by_position(words, count):
    cut, merges = [(tuple(word), times) for word, times in words.items()], []
    while len(merges) < count:
        met, pairs = [], {}
        for pieces, times in cut:
            for pair in pairwise(pieces):
                if pair not in pairs:
                    met.append(pair)
                pairs[pair] = pairs.get(pair, 0) + times
        if not met:
            return merges
        best = min(met, key=lambda pair: (-pairs[pair], met.index(pair)))
        merges.append(list(best))
        cut = [(merge(pieces, best), times) for pieces, times in cut]
    return merges


def merge(pieces, pair):
    if len(pieces) < 2:
        return pieces
    if pieces[:2] == pair:
        return (pieces[0] + pieces[1], *merge(pieces[2:], pair))
    return (pieces[0], *merge(pieces[1:], pair))


def every_cut(words, scores):
    used = dict.fromkeys(scores, 0.0)
    for word, times in words.items():
        cuts = []
        for count in range(len(word)):
            for inner in combinations(range(1, len(word)), count):
                places = (0, *inner, len(word))
                pieces = [word[i:j] for i, j in pairwise(places)]
                if all(piece in scores for piece in pieces):
                    cuts.append((math.exp(sum(scores[piece] for piece in pieces)), pieces))
        z = sum(weight for weight, _ in cuts)
        for weight, pieces in cuts:
            for piece in pieces:
                used[piece] += times * weight / z
    total = sum(used.values())
    return {piece: math.log(count / total) if count else -math.inf for piece, count in used.items()}


def in_logarithms(words, scores):
    used = {}
    for word, times in words.items():
        n = len(word)
        ahead, behind = np.full(n + 1, -np.inf), np.full(n + 1, -np.inf)
        ahead[0] = behind[n] = 0
        for j in range(1, n + 1):
            ahead[j] = np.logaddexp.reduce([ahead[i] + scores.get(word[i:j], -np.inf) for i in range(j)])
        for i in reversed(range(n)):
            behind[i] = np.logaddexp.reduce([behind[j] + scores.get(word[i:j], -np.inf) for j in range(i + 1, n + 1)])
        for i, j in combinations(range(n + 1), 2):
            if word[i:j] in scores:
                share = np.exp(ahead[i] + scores[word[i:j]] + behind[j] - ahead[n])
                used[word[i:j]] = used.get(word[i:j], 0) + times * share
    total = np.log(sum(used.values()))
    return {piece: np.log(count) - total for piece, count in used.items()}


RIGHT = {
    "check_viterbi": [(memoised,), (forward_edges,), (later_ties_as_a_tuple,)],
    "check_counterexample": [(twenty_letters,), (a_whole_sentence,)],
    "check_build_pair": [(piece_by_piece,), (tuples,)],
    "check_bpe_merges": [(merges_by_position,)],
    "check_em_step": [(every_cut,), (in_logarithms,)],
}
