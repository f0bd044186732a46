"""Right answers to lab 3 that are written otherwise than its solution."""

import math
from collections import defaultdict

import numpy as np

PERSONAL = globals().get("PERSONAL", {})


def sum_piece_by_piece(text, log_probs):
    log_z = np.full(len(text) + 1, -np.inf)
    log_z[0] = 0
    for j in range(1, len(text) + 1):
        for piece, value in log_probs.items():
            if text.endswith(piece, 0, j):
                log_z[j] = np.logaddexp(log_z[j], log_z[j - len(piece)] + value)
    return log_z[-1]


def sum_forwards(text, log_probs):
    ways = defaultdict(list, {0: [0.0]})
    longest = max(len(piece) for piece in log_probs)
    for i in range(len(text)):
        if not ways[i]:
            continue
        here = np.logaddexp.reduce(ways.pop(i))
        for n in range(1, longest + 1):
            if (piece := text[i : i + n]) in log_probs and i + n <= len(text):
                ways[i + n].append(here + log_probs[piece])
    return float(np.logaddexp.reduce(ways[len(text)])) if ways[len(text)] else float("-inf")


def sum_with_a_scale(text, log_probs):
    probs = {piece: math.exp(value) for piece, value in log_probs.items()}
    longest, z, scale = max(map(len, probs)), [(1.0, 0)], 0
    for j in range(1, len(text) + 1):
        parts = [(z[i], probs.get(text[i:j], 0.0)) for i in range(max(0, j - longest), j)]
        parts = [(value * p, power) for (value, power), p in parts if value * p > 0]
        if not parts:
            z.append((0.0, 0))
            continue
        top = max(power for _, power in parts)
        total, scale = sum(math.ldexp(value, power - top) for value, power in parts), top
        mantissa, exponent = math.frexp(total)
        z.append((mantissa, scale + exponent))
    return np.array(math.log(z[-1][0]) + z[-1][1] * math.log(2) if z[-1][0] else -math.inf)


def counts_by_a_backward_pass(text, log_probs):
    size, longest = len(text), max(map(len, log_probs))
    log_z = [0.0] + [-math.inf] * size
    for j in range(1, size + 1):
        for i in range(max(0, j - longest), j):
            if text[i:j] in log_probs and log_z[i] > -math.inf:
                log_z[j] = float(np.logaddexp(log_z[j], log_z[i] + log_probs[text[i:j]]))
    slope, counts = [0.0] * size + [1.0], dict.fromkeys(log_probs, 0)
    if log_z[-1] == -math.inf:
        return counts
    for j in range(size, 0, -1):
        for i in range(max(0, j - longest), j):
            piece = text[i:j]
            if piece in log_probs and log_z[i] > -math.inf and slope[j]:
                share = math.exp(log_z[i] + log_probs[piece] - log_z[j]) * slope[j]
                slope[i] += share
                counts[piece] += share
    return counts


def counts_of_used_pieces_only(text, log_probs):
    reverse = {piece[::-1]: value for piece, value in log_probs.items()}
    longest = max(map(len, log_probs))
    size = len(text)

    def sums(text, log_probs):
        table = [0.0] + [-np.inf] * size
        for j in range(1, size + 1):
            parts = [table[i] + log_probs[text[i:j]] for i in range(max(0, j - longest), j) if text[i:j] in log_probs]
            table[j] = np.logaddexp.reduce(parts) if parts else -np.inf
        return table

    before, after = sums(text, log_probs), sums(text[::-1], reverse)[::-1]
    counts = defaultdict(float)
    if np.isneginf(before[-1]):
        return {}
    for i in range(size):
        for j in range(i + 1, min(size, i + longest) + 1):
            if text[i:j] in log_probs:
                counts[text[i:j]] += np.exp(before[i] + log_probs[text[i:j]] + after[j] - before[-1])
    return dict(counts)


def counts_piece_by_piece(text, log_probs):
    size = len(text)
    places = [(i, i + len(p), p) for p in log_probs for i in range(size) if text.startswith(p, i)]
    before, after = np.full(size + 1, -np.inf), np.full(size + 1, -np.inf)
    before[0] = after[size] = 0.0
    for i, j, p in sorted(places, key=lambda place: place[1]):
        before[j] = np.logaddexp(before[j], before[i] + log_probs[p])
    for i, j, p in sorted(places, reverse=True):
        after[i] = np.logaddexp(after[i], after[j] + log_probs[p])
    counts = {p: np.float64(0) for p in log_probs}
    for i, j, p in places:
        if before[size] != -np.inf:
            counts[p] = counts[p] + np.exp(before[i] + after[j] + log_probs[p] - before[size])
    return counts


def masks_with_choice(word_sizes, budget, rng, n):
    lengths = np.arange(1, PERSONAL["longest"] + 1)
    chances = PERSONAL["q"] ** (lengths - 1.0)
    chances /= chances.sum()
    rows = []
    for _ in range(n):
        words = np.zeros(len(word_sizes), bool)
        while True:
            length = rng.choice(lengths, p=chances)
            places = [s for s in range(len(words) - length + 1) if not words[s : s + length].any()]
            if len(places) == 0:
                break
            start = rng.choice(places)
            if np.dot(words, word_sizes) + sum(word_sizes[start : start + length]) > budget:
                break
            words[start : start + length] = True
        rows.append(np.concatenate([[False], np.repeat(words, word_sizes), [False]]))
    return np.array(rows)


def masks_by_throwing_away(word_sizes, budget, rng, n):
    chances = [PERSONAL["q"] ** k for k in range(PERSONAL["longest"])]
    owner = np.concatenate([[-1], np.repeat(np.arange(len(word_sizes)), word_sizes), [-1]])
    masks = np.zeros((n, len(owner)), dtype=bool)
    for k in range(n):
        taken, left = set(), budget
        while True:
            at, length = rng.uniform(0, sum(chances)), 1
            while at >= chances[length - 1]:
                at, length = at - chances[length - 1], length + 1
            room = len(word_sizes) - length + 1
            if not any(taken.isdisjoint(range(s, s + length)) for s in range(room)):
                break
            while True:  # a place that is not free is thrown away, and another is drawn
                start = int(rng.integers(room))
                span = set(range(start, start + length))
                if not span & taken:
                    break
            cost = sum(word_sizes[w] for w in span)
            if cost > left:
                break
            taken, left = taken | span, left - cost
        masks[k] = np.isin(owner, list(taken))
    return masks


def masks_with_a_shuffle(word_sizes, budget, rng, n):
    longest, q = PERSONAL["longest"], PERSONAL["q"]
    masks = np.zeros((n, sum(word_sizes) + 2), bool)
    start_of = np.cumsum([1, *word_sizes])
    for row in range(n):
        left = budget
        done = False
        while not done:
            length = longest + 1
            while length > longest:  # a length that is too long is drawn again
                length = int(rng.geometric(1 - q))
            order = rng.permutation(max(0, len(word_sizes) - length + 1))
            done = True
            for s in order:
                if not masks[row, start_of[s] : start_of[s + length]].any():
                    if start_of[s + length] - start_of[s] <= left:
                        masks[row, start_of[s] : start_of[s + length]] = True
                        left -= int(start_of[s + length] - start_of[s])
                        done = False
                    break
    return (masks,)


def bits_by_entropies(len_a, len_b, label):
    def entropy(values):
        shares = np.unique(values, return_counts=True)[1] / len(values)
        return -np.sum(shares * np.log2(shares))

    longer = np.sign(len_a - len_b)
    return entropy(label) + entropy(longer) - entropy(3 * label + longer)


def bits_cell_by_cell(len_a, len_b, label):
    total = 0.0
    for relation in (len_a > len_b, len_a < len_b, len_a == len_b):
        for y in (0, 1):
            both = np.mean(relation & (label == y))
            if both:
                total += both * math.log(both / (relation.mean() * (label == y).mean()), 2)
    return total


def bits_with_a_dictionary(len_a, len_b, label):
    n, cells, rows, columns = len(label), {}, {}, {}
    for a, b, y in zip(len_a.tolist(), len_b.tolist(), label.tolist(), strict=True):
        c = (a > b) - (a < b)
        cells[c, y] = cells.get((c, y), 0) + 1
        rows[c], columns[y] = rows.get(c, 0) + 1, columns.get(y, 0) + 1
    return np.array([k / n * math.log2(k * n / (rows[c] * columns[y])) for (c, y), k in cells.items()]).sum()


RIGHT = {
    "log_partition": [sum_piece_by_piece, sum_forwards, sum_with_a_scale],
    "expected_counts": [counts_by_a_backward_pass, counts_of_used_pieces_only, counts_piece_by_piece],
    "span_masks": [masks_with_choice, masks_by_throwing_away, masks_with_a_shuffle],
    "leak": [bits_by_entropies, bits_cell_by_cell, bits_with_a_dictionary],
}
