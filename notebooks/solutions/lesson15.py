"""Solutions of notebook 15."""

import numpy as np

from albert_np.study.world import Probe
from albert_np.training import clip_by_global_norm


def posterior(stories, probability, seen):
    agrees = ((stories == seen) | (seen < 0)).all(axis=1)
    share = np.where(agrees, probability, 0)
    share = share / share.sum()
    size = stories.max() + 1
    rows = [np.bincount(stories[:, place], share, size) for place in np.flatnonzero(seen < 0)]
    return np.array(rows).reshape(-1, size)


def train_step(model, batch, optimizer, learning_rate):
    model.zero_grad()
    out = model(**batch)
    model.backward()
    clip_by_global_norm(model.grads, 1.0)
    optimizer.step(learning_rate)
    return float(out.loss)


def question():
    forms = dict.fromkeys(("finds", "sees", "buys"), "singular") | dict.fromkeys(("find", "see", "buy"), "plural")
    return Probe(("move", "pronoun", "get", "second pronoun", "use"), "get", forms, "other number")


def which_bug():
    return {"A": 2, "B": 1, "C": 3, "D": 4}


ANSWERS = {
    "check_posterior": (posterior,),
    "check_train_step": (train_step,),
    "check_question": (question,),
    "check_which_bug": (which_bug,),
}
