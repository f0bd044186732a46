"""Solutions of notebook 06."""


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


ANSWERS = {"check_viterbi": (viterbi,), "check_build_pair": (build_pair,)}
