"""Solutions of notebook 06."""

import math
from collections import Counter
from itertools import pairwise


def viterbi(text, scores):
    unknown = min(scores.values()) - 10
    best = [0.0] + [float("-inf")] * len(text)
    start_of = [0] * (len(text) + 1)
    for end in range(1, len(text) + 1):
        for start in range(end):
            piece = text[start:end]
            if piece not in scores and len(piece) > 1:
                continue
            score = best[start] + scores.get(piece, unknown)
            if score > best[end]:
                best[end], start_of[end] = score, start
    pieces, end = [], len(text)
    while end > 0:
        pieces.append(text[start_of[end] : end])
        end = start_of[end]
    return pieces[::-1]


def build_pair(a, b, cls, sep):
    input_ids = [cls, *a, sep, *b, sep]
    token_type_ids = [0] * (len(a) + 2) + [1] * (len(b) + 1)
    special_tokens_mask = [1] + [0] * len(a) + [1] + [0] * len(b) + [1]
    return input_ids, token_type_ids, special_tokens_mask


def breaks_it():
    return "?" * 7  # each costs −15, and −105 is below the −100 that every place starts with


def bpe_merges(words, count):
    cut = {word: list(word) for word in words}
    merges = []
    for _ in range(count):
        pairs = Counter()
        for word, times in words.items():
            for pair in pairwise(cut[word]):
                pairs[pair] += times
        if not pairs:
            break
        pair = max(pairs, key=pairs.get)
        merges.append(pair)
        for pieces in cut.values():
            place = 0
            while place < len(pieces) - 1:
                if (pieces[place], pieces[place + 1]) == pair:
                    pieces[place : place + 2] = ["".join(pair)]
                place += 1
    return merges


def em_step(words, scores):
    p = {piece: math.exp(score) for piece, score in scores.items()}
    used = Counter()
    for word, times in words.items():
        n = len(word)
        edges = [(i, j, word[i:j]) for i in range(n) for j in range(i + 1, n + 1) if word[i:j] in p]
        ahead, behind = [1.0] + [0.0] * n, [0.0] * n + [1.0]
        for i, j, piece in edges:  # by start, so that ahead[i] is complete
            ahead[j] += ahead[i] * p[piece]
        for i, j, piece in reversed(edges):
            behind[i] += p[piece] * behind[j]
        for i, j, piece in edges:
            used[piece] += times * ahead[i] * p[piece] * behind[j] / ahead[n]
    total = sum(used.values())
    return {piece: math.log(count / total) for piece, count in used.items() if count > 0}


ANSWERS = {
    "check_viterbi": (viterbi,),
    "check_counterexample": (breaks_it,),
    "check_build_pair": (build_pair,),
    "check_bpe_merges": (bpe_merges,),
    "check_em_step": (em_step,),
}
