"""Wrong answers to notebook 15: check → (functions, what the report must say)."""

import numpy as np

from albert_np.study.world import GETS, PROBES, Probe
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


def hidden_agree_with_nothing(stories, probability, seen):
    share = np.where((stories == seen).all(axis=1), probability, 0)
    with np.errstate(invalid="ignore"):
        return counted(stories, share / share.sum(), seen)


def stories_not_weighed(stories, probability, seen):
    return counted(stories, agreeing(stories, seen) * 1.0, seen)


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


def clipped_after_the_step(model, batch, optimizer, learning_rate):
    loss = not_clipped(model, batch, optimizer, learning_rate)
    clip_by_global_norm(model.grads, 1.0)
    return loss


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


HIDDEN = ("move", "pronoun", "get", "second pronoun", "use")
FORMS = dict.fromkeys(GETS, "singular") | dict.fromkeys(GETS.values(), "plural")


def only_the_asked_word_hidden():
    return Probe(("get",), "get", FORMS, "other number")


def one_pronoun_forgotten():
    return Probe(("move", "pronoun", "get", "use"), "get", FORMS, "other number")


def the_first_verb_forgotten():
    return Probe(("pronoun", "get", "second pronoun", "use"), "get", FORMS, "other number")


def the_probe_of_the_first_verb():
    return PROBES["agreement across a misleading noun"]


def asked_word_readable():
    return Probe(("move", "pronoun", "second pronoun", "use"), "get", FORMS, "other number")


def subject_hidden_too():
    return Probe((*HIDDEN, "subject"), "get", FORMS, "other number")


def everything_hidden():
    return Probe((*HIDDEN, "place", "object", "adjective"), "get", FORMS, "other number")


def a_class_for_each_word():
    return Probe(HIDDEN, "get", {word: word for word in FORMS}, "other number")


def words_of_each_class():
    words = {number: [word for word, form in FORMS.items() if form == number] for number in FORMS.values()}
    return Probe(HIDDEN, "get", words, "other number")


def three_words_only():
    return Probe(HIDDEN, "get", dict.fromkeys(GETS, "singular"), "other number")


def all_stories():
    return Probe(HIDDEN, "get", FORMS)


def no_such_part():
    return Probe((*HIDDEN, "verb"), "get", FORMS, "other number")


def only_a_tuple():
    return HIDDEN, "get", FORMS, "other number"


def readable_answers_for_one_batch():
    return {"A": 3, "B": 1, "C": 3, "D": 4}


def one_batch_for_readable_answers():
    return {"A": 2, "B": 1, "C": 2, "D": 4}


def never_forgotten_for_nothing_moves():
    return {"A": 2, "B": 6, "C": 3, "D": 4}


def no_order_for_nothing_moves():
    return {"A": 2, "B": 4, "C": 3, "D": 1}


def too_fast_for_no_order():
    return {"A": 2, "B": 1, "C": 3, "D": 5}


def a_seventh_bug():
    return {"A": 2, "B": 7, "C": 3, "D": 4}


def a_list():
    return [2, 1, 3, 4]


MISTAKES = {
    "check_posterior": [
        ((stories_counted_alike,), "all count alike"),
        ((not_divided,), "divide by what agrees"),
        ((what_is_seen_ignored,), "the answer where nothing is seen"),
        ((any_word_agrees,), "places (1,) hidden"),
        ((hidden_agree_with_nothing,), "a hidden place agrees with every word"),
        ((stories_not_weighed,), "a story counts by its probability"),
        ((only_the_likeliest,), "by hand, the first word 0 is seen"),
        ((every_place,), "shape (2, 4), expected (1, 4)"),
        ((probability_changed,), "changed"),
        ((softmax_of_the_shares,), "by hand, the first word 0 is seen"),
    ],
    "check_train_step": [
        ((no_zero_grad,), "set them to 0 first"),
        ((zeroed_after_the_step,), "set them to 0 first"),
        ((zeroed_before_the_step,), "before gradients are set to 0 again"),
        ((not_clipped,), "clip it to 1"),
        ((clipped_to_a_tenth,), "clip it to 1"),
        ((clipped_after_the_step,), "clip it to 1, after backward and before the step"),
        ((no_step,), "is `optimizer.step(learning_rate)` called"),
        ((no_backward,), "called, after `backward`"),
        ((loss_after_the_update,), "the loss of the batch, before the update"),
        ((always_divided_by_the_norm,), "is it divided by its norm always"),
        ((backward_twice,), "added up twice"),
        ((nothing_returned,), "is a `return` missing?"),
    ],
    "check_question": [
        ((only_the_asked_word_hidden,), "'move' and 'pronoun' and 'second pronoun' and 'use' can be read"),
        ((one_pronoun_forgotten,), "'second pronoun' can be read"),
        ((the_first_verb_forgotten,), "'move' can be read"),
        ((the_probe_of_the_first_verb,), "it asks for 'move'"),
        ((asked_word_readable,), "it can still be read: hide 'get' too"),
        ((subject_hidden_too,), "then nobody can know"),
        ((everything_hidden,), "['adjective', 'object', 'place'] say nothing of the number"),
        ((a_class_for_each_word,), "yours are buy; buys; find"),
        ((words_of_each_class,), "`classes` is word → class"),
        ((three_words_only,), "none for find, see, buy"),
        ((all_stories,), "where the noun in between has the other number"),
        ((no_such_part,), "there is no part ['verb']"),
        ((only_a_tuple,), "return Probe(…)"),
    ],
    "check_which_bug": [
        ((readable_answers_for_one_batch,), "A: not bug 3: one batch is learned by heart"),
        ((one_batch_for_readable_answers,), "C: not bug 2: the answers can be read"),
        ((never_forgotten_for_nothing_moves,), "B: not bug 6: old gradients act like a long momentum"),
        ((no_order_for_nothing_moves,), "B: not bug 4: without order"),
        ((too_fast_for_no_order,), "D: not bug 5: the weights jump"),
        ((a_seventh_bug,), "7 is no number of the list, 1 to 6"),
        ((a_list,), 'got a list, expected {"A": …'),
    ],
}
