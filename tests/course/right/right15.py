"""Right answers to notebook 15, written otherwise than the solutions: check → lists of functions."""

import math

from albert_np.study.world import GETS, Probe
from albert_np.training import clip_by_global_norm


def posterior_in_loops(stories, probability, seen):
    hidden = [i for i, word in enumerate(seen) if word == -1]
    rows = [[0.0] * int(stories.max() + 1) for _ in hidden]
    for story, share in zip(stories.tolist(), probability.tolist(), strict=True):
        if all(word in (-1, told) for word, told in zip(seen.tolist(), story, strict=True)):
            for row, place in zip(rows, hidden, strict=True):
                row[story[place]] += share
    return [[value / math.fsum(row) for value in row] for row in rows]


def posterior_of_what_is_left(stories, probability, seen):
    known = seen >= 0
    left = (stories[:, known] == seen[known]).all(axis=1)
    stories_left, size = stories[left], stories.max() + 1
    chances = probability[left] / probability[left].sum()
    one_hot = stories_left[:, ~known, None] == range(size)
    return (chances[:, None, None] * one_hot).sum(axis=0)


def zeroed_by_hand(model, batch, optimizer, learning_rate):
    model.grads.flat[...] = 0
    loss = model(**batch).loss
    model.backward()
    clip_by_global_norm(model.grads, 1.0)
    optimizer.step(learning_rate)
    return loss


def zeroed_between(model, batch, optimizer, learning_rate):
    out = model(**batch, skip_padding=True)
    model.zero_grad()
    model.backward()
    clip_by_global_norm(model.grads, 1.0)
    optimizer.step(learning_rate)
    return float(out.loss)


def question_with_numbers():
    classes = {form: int(form in GETS) for pair in GETS.items() for form in pair}
    return Probe(
        hidden={"use", "get", "move", "pronoun", "second pronoun"},
        asked="get",
        classes=classes,
        neighbour="other number",
    )


def bugs_in_another_order():
    return dict(zip("DCBA", (4, 3, 1, 2), strict=True))


def zeroed_first_and_last(model, batch, optimizer, learning_rate):
    model.zero_grad()
    loss = model(**batch).loss
    model.backward()
    clip_by_global_norm(model.grads, 1.0)
    optimizer.step(learning_rate)
    model.zero_grad()
    return float(loss)


RIGHT = {
    "check_posterior": [(posterior_in_loops,), (posterior_of_what_is_left,)],
    "check_train_step": [(zeroed_by_hand,), (zeroed_between,), (zeroed_first_and_last,)],
    "check_question": [(question_with_numbers,)],
    "check_which_bug": [(bugs_in_another_order,)],
}
