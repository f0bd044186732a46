"""Right answers to notebook 15, written otherwise: check → functions."""

import numpy as np

from albert_np.training import clip_by_global_norm


def story_by_story(stories, probability, seen):
    hidden = [place for place in range(len(seen)) if seen[place] == -1]
    p = np.zeros((len(hidden), int(stories.max()) + 1))
    for story, share in zip(stories, probability, strict=True):
        if np.all((story == seen) | (seen == -1)):
            p[np.arange(len(hidden)), story[hidden]] += share
    return p / p.sum(axis=1, keepdims=True)


def only_what_agrees(stories, probability, seen):
    known = seen >= 0
    left = (stories[:, known] == seen[known]).all(axis=1)
    words = np.eye(stories.max() + 1)[stories[left]][:, ~known]
    return np.einsum("n,npv->pv", probability[left], words) / probability[left].sum()


def gradients_emptied_by_hand(model, batch, optimizer, learning_rate):
    model.grads.flat[...] = 0
    loss = model(**batch).loss
    model.backward()
    clip_by_global_norm(model.grads, 1.0)
    optimizer.step(learning_rate)
    return loss


RIGHT = {
    "check_posterior": [(story_by_story,), (only_what_agrees,)],
    "check_train_step": [(gradients_emptied_by_hand,)],
}
