"""Wrong answers to notebook 15: check → (functions, what the report must say)."""

import numpy as np

from albert_np.training import clip_by_global_norm


def agreeing(stories, seen):
    return ((stories == seen) | (seen < 0)).all(axis=1)


def counted(stories, share, seen):
    size = stories.max() + 1
    return np.array([np.bincount(stories[:, i], share, size) for i in np.flatnonzero(seen < 0)]).reshape(-1, size)


def stories_counted_alike(stories, probability, seen):
    share = agreeing(stories, seen) * 1.0
    return counted(stories, share / share.sum(), seen)


def not_divided(stories, probability, seen):
    return counted(stories, np.where(agreeing(stories, seen), probability, 0), seen)


def what_is_seen_ignored(stories, probability, seen):
    return counted(stories, probability, seen)


def any_word_agrees(stories, probability, seen):
    share = np.where((stories == seen).any(axis=1) | (seen < 0).all(), probability, 0)
    return counted(stories, share / share.sum(), seen)


def only_the_likeliest(stories, probability, seen):
    share = np.where(agreeing(stories, seen), probability, 0)
    p = counted(stories, share / share.sum(), seen)
    return (p == p.max(axis=1, keepdims=True)) * 1.0 if len(p) else p


def every_place(stories, probability, seen):
    share = np.where(agreeing(stories, seen), probability, 0)
    return counted(stories, share / share.sum(), np.full_like(seen, -1))


def probability_changed(stories, probability, seen):
    probability *= agreeing(stories, seen)
    return counted(stories, probability / probability.sum(), seen)


def softmax_of_the_shares(stories, probability, seen):
    p = np.exp(counted(stories, np.where(agreeing(stories, seen), probability, 0), seen))
    return p / p.sum(axis=1, keepdims=True)


def no_zero_grad(model, batch, optimizer, learning_rate):
    out = model(**batch)
    model.backward()
    clip_by_global_norm(model.grads, 1.0)
    optimizer.step(learning_rate)
    return float(out.loss)


def zeroed_after_the_step(model, batch, optimizer, learning_rate):
    loss = no_zero_grad(model, batch, optimizer, learning_rate)
    model.zero_grad()
    return loss


def zeroed_before_the_step(model, batch, optimizer, learning_rate):
    out = model(**batch)
    model.backward()
    model.zero_grad()
    optimizer.step(learning_rate)
    return float(out.loss)


def not_clipped(model, batch, optimizer, learning_rate):
    model.zero_grad()
    out = model(**batch)
    model.backward()
    optimizer.step(learning_rate)
    return float(out.loss)


def clipped_to_a_tenth(model, batch, optimizer, learning_rate):
    model.zero_grad()
    out = model(**batch)
    model.backward()
    clip_by_global_norm(model.grads, 0.1)
    optimizer.step(0.5 * learning_rate)
    return float(out.loss)


def no_step(model, batch, optimizer, learning_rate):
    model.zero_grad()
    out = model(**batch)
    model.backward()
    clip_by_global_norm(model.grads, 1.0)
    return float(out.loss)


def no_backward(model, batch, optimizer, learning_rate):
    model.zero_grad()
    out = model(**batch)
    optimizer.step(learning_rate)
    return float(out.loss)


def loss_after_the_update(model, batch, optimizer, learning_rate):
    model.zero_grad()
    model(**batch)
    model.backward()
    clip_by_global_norm(model.grads, 1.0)
    optimizer.step(learning_rate)
    return float(model(**batch).loss)


def always_divided_by_the_norm(model, batch, optimizer, learning_rate):
    model.zero_grad()
    out = model(**batch)
    model.backward()
    model.grads.flat /= (model.grads.flat**2).sum() ** 0.5
    optimizer.step(learning_rate)
    return float(out.loss)


def backward_twice(model, batch, optimizer, learning_rate):
    model.zero_grad()
    out = model(**batch)
    model.backward()
    model.backward()
    clip_by_global_norm(model.grads, 1.0)
    optimizer.step(learning_rate)
    return float(out.loss)


def nothing_returned(model, batch, optimizer, learning_rate):
    no_zero_grad(model, batch, optimizer, learning_rate)


MISTAKES = {
    "check_posterior": [
        ((stories_counted_alike,), "all count alike"),
        ((not_divided,), "divide by what agrees"),
        ((what_is_seen_ignored,), "by hand, the first word 0 is seen"),
        ((any_word_agrees,), "places (1,) hidden"),
        ((only_the_likeliest,), "by hand, the first word 0 is seen"),
        ((every_place,), "shape (2, 4), expected (1, 4)"),
        ((probability_changed,), "changed"),
        ((softmax_of_the_shares,), "by hand, the first word 0 is seen"),
    ],
    "check_train_step": [
        ((no_zero_grad,), "set them to 0 first"),
        ((zeroed_after_the_step,), "set them to 0 first"),
        ((zeroed_before_the_step,), "weights after one update"),
        ((not_clipped,), "clip it to 1"),
        ((clipped_to_a_tenth,), "weights after one update"),
        ((no_step,), "was `optimizer.step(learning_rate)` called?"),
        ((no_backward,), "weights after one update"),
        ((loss_after_the_update,), "the loss of the batch, before the update"),
        ((always_divided_by_the_norm,), "is it divided by its norm always"),
        ((backward_twice,), "added up twice"),
        ((nothing_returned,), "is a `return` missing?"),
    ],
}
