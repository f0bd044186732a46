"""Wrong answers to notebook 17: check → (functions, what the report must say)."""

import numpy as np


def counted(parts):
    tokens = sum(int((part["labels"] != -100).sum()) for part in parts)
    pairs = sum(int((part["sentence_order_label"] != -100).sum()) for part in parts)
    return {"mlm_denominator": tokens, "sop_denominator": pairs}


def added_up(model, parts, denominators):
    model.zero_grad()
    loss = 0.0
    for part in parts:
        loss += float(model(**part, **denominators).loss)
        model.backward()
    return loss


def mean_of_means(model, parts):
    model.zero_grad()
    losses = []
    for part in parts:
        losses.append(float(model(**part).loss))
        model.backward(1 / len(parts))
    return np.mean(losses)


def sum_of_means(model, parts):
    return added_up(model, parts, {})


def zeroed_at_every_part(model, parts):
    loss = 0.0
    for part in parts:
        model.zero_grad()
        loss += float(model(**part, **counted(parts)).loss)
        model.backward()
    return loss


def never_zeroed(model, parts):
    loss = 0.0
    for part in parts:
        loss += float(model(**part, **counted(parts)).loss)
        model.backward()
    return loss


def backward_once_after_the_loop(model, parts):
    model.zero_grad()
    loss = sum(float(model(**part, **counted(parts)).loss) for part in parts)
    model.backward()
    return loss


def loss_of_the_last_part(model, parts):
    model.zero_grad()
    for part in parts:
        loss = float(model(**part, **counted(parts)).loss)
        model.backward()
    return loss


def every_position_counted(model, parts):
    denominators = counted(parts) | {"mlm_denominator": sum(part["labels"].size for part in parts)}
    return added_up(model, parts, denominators)


def every_sequence_counted_as_a_pair(model, parts):
    denominators = counted(parts) | {"sop_denominator": sum(len(part["input_ids"]) for part in parts)}
    return added_up(model, parts, denominators)


def order_forgotten(model, parts):
    return added_up(model, parts, {"mlm_denominator": counted(parts)["mlm_denominator"]})


def tokens_for_both(model, parts):
    tokens = counted(parts)["mlm_denominator"]
    return added_up(model, parts, {"mlm_denominator": tokens, "sop_denominator": tokens})


def joined_again(model, parts):
    model.zero_grad()
    loss = float(model(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]}).loss)
    model.backward()
    return loss


def already_updated(model, parts):
    loss = added_up(model, parts, counted(parts))
    model.params.flat -= 0.01 * model.grads.flat
    return loss


def labels_taken_out(model, parts):
    denominators, empty = counted(parts), np.full((1, 1), -100)
    loss = added_up(model, parts, denominators)
    for part in parts:
        part["labels"] = np.broadcast_to(empty, part["labels"].shape)
    return loss


def frequencies_of(counts):
    return (counts + 1) / (counts + 1).sum()


def ignored_ones_wrap_around(counts, labels):
    padded = np.concatenate([frequencies_of(counts), np.ones(200)])  # so that -100 is an index
    asked = labels[labels != -100]
    return np.bincount(asked).max() / len(asked), -np.log(padded[labels]).mean()


def divided_by_all_positions(counts, labels):
    asked = labels[labels != -100]
    return np.bincount(asked).max() / labels.size, -np.log(frequencies_of(counts)[asked]).sum() / labels.size


def never_seen_is_impossible(counts, labels):
    asked = labels[labels != -100]
    with np.errstate(divide="ignore"):
        return np.bincount(asked).max() / len(asked), -np.log(counts[asked] / counts.sum()).mean()


def one_more_but_the_old_sum(counts, labels):
    asked = labels[labels != -100]
    return np.bincount(asked).max() / len(asked), -np.log((counts[asked] + 1) / counts.sum()).mean()


def in_bits(counts, labels):
    asked = labels[labels != -100]
    return np.bincount(asked).max() / len(asked), -np.log2(frequencies_of(counts)[asked]).mean()


def frequent_in_the_training_text(counts, labels):
    asked = labels[labels != -100]
    return (asked == counts.argmax()).mean(), -np.log(frequencies_of(counts)[asked]).mean()


def frequencies_of_the_labels_themselves(counts, labels):
    asked = labels[labels != -100]
    shares = np.bincount(asked, minlength=len(counts)) / len(asked)
    return shares.max(), -np.log(shares[asked]).mean()


def logarithm_of_the_mean(counts, labels):
    asked = labels[labels != -100]
    return np.bincount(asked).max() / len(asked), -np.log(frequencies_of(counts)[asked].mean())


def counts_changed(counts, labels):
    counts += 1
    asked = labels[labels != -100]
    return np.bincount(asked).max() / len(asked), -np.log(counts[asked] / counts.sum()).mean()


MISTAKES = {
    "check_accumulated_gradient": [
        ((mean_of_means,), "parts with 5, 1 and 2 labels: loss"),
        ((sum_of_means,), "two parts with four labels each: loss"),
        ((zeroed_at_every_part,), "two parts with four labels each: gradient of predictions.bias (MLM alone)"),
        ((never_zeroed,), "called twice, the same gradient"),
        ((backward_once_after_the_loop,), "two parts with four labels each: gradient of predictions.bias (MLM alone)"),
        ((loss_of_the_last_part,), "two parts with four labels each: loss"),
        ((every_position_counted,), "one part alone: loss"),
        ((every_sequence_counted_as_a_pair,), "no pair (-100): loss"),
        ((order_forgotten,), "two parts with four labels each: loss"),
        ((tokens_for_both,), "one part alone: loss"),
        ((joined_again,), "ValueError"),
        ((already_updated,), "a gradient is no update"),
        ((labels_taken_out,), "changed its argument parts"),
    ],
    "check_context_free": [
        ((ignored_ones_wrap_around,), "by hand: loss"),
        ((divided_by_all_positions,), "by hand: accuracy"),
        ((never_seen_is_impossible,), "by hand: loss"),
        ((one_more_but_the_old_sum,), "by hand: loss"),
        ((in_bits,), "by hand: loss"),
        ((frequent_in_the_training_text,), "a piece that the text never has: accuracy"),
        ((frequencies_of_the_labels_themselves,), "by hand: loss"),
        ((logarithm_of_the_mean,), "by hand: loss"),
        ((counts_changed,), "changed its argument counts"),
    ],
}
