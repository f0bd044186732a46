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


def log_softmax(logits):
    z = logits - logits.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def divergence(p, q):
    return (p * np.log(p / q)).sum(axis=-1)


def softmax(logits):
    return np.exp(log_softmax(logits))


def the_other_way_round(logits):
    p = softmax(logits)
    return divergence(p.mean(axis=0), p).mean()


def zero_times_minus_infinity(logits):
    p = softmax(logits)
    return divergence(p, p.mean(axis=0)).mean()


def overflows(logits):
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return divergence(p, p.mean(axis=0)).mean()


def sum_over_places(logits):
    p = softmax(logits)
    return divergence(p, p.mean(axis=0)).sum()


def mean_of_logits(logits):
    return divergence(softmax(logits), softmax(logits.mean(axis=0, keepdims=True))).mean()


def mean_over_pieces(logits):
    p = softmax(logits)
    return divergence(p, p.mean(axis=1, keepdims=True)).mean()


def use_in_bits(logits):
    p = softmax(logits)
    return divergence(p, p.mean(axis=0)).mean() / np.log(2)


def entropy_of_the_mean(logits):
    mean = softmax(logits).mean(axis=0)
    return -(mean * np.log(mean)).sum()


def entropy_of_the_answers(logits):
    return -(softmax(logits) * log_softmax(logits)).sum(axis=1).mean()


def one_number_a_place(logits):
    p = softmax(logits)
    return divergence(p, p.mean(axis=0))


def logits_for_probabilities(logits):
    return divergence(logits, logits.mean(axis=0)).mean()


def softmax_over_places(logits):
    p = softmax(logits.T).T
    return divergence(p, p.mean(axis=0)).mean()


def text_of(pieces):
    return "".join(pieces).replace("▁", " ").removeprefix(" ")


def characters(nats, pieces):
    return nats.sum() / np.log(2) / len(text_of(pieces))


def marks_as_they_are(nats, pieces):
    return nats.sum() / np.log(2) / len("".join(pieces).encode())


def first_space_counted(nats, pieces):
    return nats.sum() / np.log(2) / len("".join(pieces).replace("▁", " ").encode())


def first_letter_dropped(nats, pieces):
    return nats.sum() / np.log(2) / len("".join(pieces).replace("▁", " ")[1:].encode())


def spaces_forgotten(nats, pieces):
    return nats.sum() / np.log(2) / len("".join(pieces).replace("▁", "").encode())


def nats_per_byte(nats, pieces):
    return nats.sum() / len(text_of(pieces).encode())


def times_ln_2(nats, pieces):
    return nats.sum() * np.log(2) / len(text_of(pieces).encode())


def bits_per_piece(nats, pieces):
    return nats.mean() / np.log(2)


def mean_of_ratios(nats, pieces):
    return np.mean([n / len(piece.replace("▁", " ").encode()) for n, piece in zip(nats, pieces, strict=True)]) / np.log(
        2
    )


def pieces_joined_by_spaces(nats, pieces):
    return nats.sum() / np.log(2) / len(" ".join(pieces).replace("▁", "").encode())


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
    "check_bits_per_byte": [
        ((characters,), "characters for bytes"),
        ((marks_as_they_are,), "▁ stands for a space, which is one byte"),
        ((first_space_counted,), "the line does not begin with a space"),
        ((first_letter_dropped,), "a line that begins within a word"),
        ((spaces_forgotten,), "spaces are bytes too"),
        ((nats_per_byte,), "a bit is ln 2"),
        ((times_ln_2,), "yours is multiplied by it"),
        ((bits_per_piece,), "bits a piece: divide by the bytes"),
        ((mean_of_ratios,), "by hand: the cat"),
        ((pieces_joined_by_spaces,), "the same line in scraps"),
    ],
    "check_context_use": [
        ((the_other_way_round,), "(17.12) has the answer first"),
        ((zero_times_minus_infinity,), "0 ln 0 = 0"),
        ((overflows,), "each sure of a piece of its own"),
        ((sum_over_places,), "a sum over the places"),
        ((mean_of_logits,), "p̄ is the mean of the *probabilities*"),
        ((mean_over_pieces,), "yours is over the pieces"),
        ((use_in_bits,), "in bits"),
        ((entropy_of_the_mean,), "this is H(p̄) alone"),
        ((entropy_of_the_answers,), "it is to be taken off that of their mean"),
        ((one_number_a_place,), "got shape (2,), expected ()"),
        ((logits_for_probabilities,), "by hand: the answers"),
        ((softmax_over_places,), "by hand: the answers"),
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
