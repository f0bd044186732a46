"""Wrong answers to notebook 16: check → (functions, what the report must say)."""

import copy

from albert_np.execution import dense_pattern
from albert_np.layers import layer_forward

LAYER = "albert.encoder.albert_layer_groups.0.albert_layers.0."
DENSE = LAYER + "attention.dense.weight"


def copied(model):
    return copy.deepcopy(model)


def columns_of(model, head):
    D = model.config.head_size
    return slice(head * D, (head + 1) * D)


def in_place(model, heads):
    for n in heads:
        model.params[DENSE][:, columns_of(model, n)] = 0
    return model


def rows_for_columns(model, heads):
    other = copied(model)
    for n in heads:
        other.params[DENSE][columns_of(model, n)] = 0
    return other


def counted_from_one(model, heads):
    other = copied(model)
    for n in heads:
        other.params[DENSE][:, columns_of(model, n - 1)] = 0
    return other


def one_column(model, heads):
    other = copied(model)
    other.params[DENSE][:, list(heads)] = 0
    return other


def every_third_column(model, heads):
    other = copied(model)
    for n in heads:
        other.params[DENSE][:, n :: model.config.num_attention_heads] = 0
    return other


def bias_too(model, heads):
    other = in_place(copied(model), heads)
    other.params[LAYER + "attention.dense.bias"][...] = 0
    return other


def only_the_last_one(model, heads):
    return in_place(copied(model), list(heads)[-1:])


def queries_for_outputs(model, heads):
    other = copied(model)
    for n in heads:
        other.params[LAYER + "attention.query.weight"][columns_of(model, n)] = 0
    return other


def values_without_their_bias(model, heads):
    other = copied(model)
    for n in heads:
        other.params[LAYER + "attention.value.weight"][columns_of(model, n)] = 0
    return other


def nothing_copied(model, heads):
    other = type(model)(model.config, dtype=model.dtype).eval()
    for n in heads:
        other.params[DENSE][:, columns_of(model, n)] = 0
    return other


def states(model, ids):
    return [x.copy() for x in model(ids, output_hidden_states=True).hidden_states]


def went_on(model, x, steps):
    for _ in range(steps):
        x, _ = layer_forward(x, dense_pattern(*x.shape[:2]), model.params.scope(LAYER), model.config)
    return x


def the_last_state(model, ids, donors, place):
    x = states(model, ids)[-1]
    x[:, place] = states(model, donors)[-1][:, place]
    return x


def after_no_step(model, ids, donors, place):
    x = states(model, ids)[0]
    x[:, place] = states(model, donors)[0][:, place]
    return went_on(model, x, 3)


def one_step_too_many(model, ids, donors, place):
    x = states(model, ids)[1]
    x[:, place] = states(model, donors)[1][:, place]
    return went_on(model, x, 3)


def one_step_too_few(model, ids, donors, place):
    x = states(model, ids)[1]
    x[:, place] = states(model, donors)[1][:, place]
    return went_on(model, x, 1)


def of_the_first_sequence(model, ids, donors, place):
    x = states(model, ids)[1]
    x[:, place] = states(model, donors)[1][0, place]
    return went_on(model, x, 2)


def the_sequence_for_the_place(model, ids, donors, place):
    x = states(model, ids)[1]
    x[place % len(x)] = states(model, donors)[1][place % len(x)]
    return went_on(model, x, 2)


def all_places(model, ids, donors, place):
    return went_on(model, states(model, donors)[1], 2)


def words_for_states(model, ids, donors, place):
    ids = ids.copy()
    ids[:, place] = donors[:, place]
    return states(model, ids)[-1]


def a_step_late(model, ids, donors, place):
    x = states(model, ids)[2]
    x[:, place] = states(model, donors)[2][:, place]
    return layer_forward(x, dense_pattern(*ids.shape), model.params.scope(LAYER), model.config)[0]


def the_other_way_round(model, ids, donors, place):
    x = states(model, donors)[1]
    x[:, place] = states(model, ids)[1][:, place]
    for _ in range(2):
        x = layer_forward(x, dense_pattern(*ids.shape), model.params.scope(LAYER), model.config)[0]
    return x


BIAS = LAYER + "attention.dense.bias"


def mean_of(contexts):
    return contexts.reshape(-1, contexts.shape[-1]).mean(axis=0)


def with_bias(model, heads, bias):
    other = in_place(copied(model), heads)
    other.params[BIAS][...] = bias
    return other


def parts_of(model, heads, contexts):
    """The dense weight's columns of some heads, and their part of the mean."""
    columns = [n * model.config.head_size + i for n in heads for i in range(model.config.head_size)]
    return model.params[DENSE][:, columns], mean_of(contexts)[columns]


def without_the_bias(model, heads, contexts):
    return in_place(copied(model), heads)


def bias_overwritten(model, heads, contexts):
    weight, mean = parts_of(model, heads, contexts)
    return with_bias(model, heads, weight @ mean)


def means_of_all_heads(model, heads, contexts):
    return with_bias(model, heads, model.params[BIAS] + model.params[DENSE] @ mean_of(contexts))


def bias_from_the_zeros(model, heads, contexts):
    other = in_place(copied(model), heads)
    weight, mean = parts_of(other, heads, contexts)
    other.params[BIAS][...] += weight @ mean
    return other


def sum_for_mean(model, heads, contexts):
    weight, mean = parts_of(model, heads, contexts)
    return with_bias(model, heads, model.params[BIAS] + weight @ mean * contexts[..., 0].size)


def mean_taken_off(model, heads, contexts):
    weight, mean = parts_of(model, heads, contexts)
    return with_bias(model, heads, model.params[BIAS] - weight @ mean)


def one_number_a_head(model, heads, contexts):
    bias = model.params[BIAS].copy()
    for n in heads:
        weight, mean = parts_of(model, [n], contexts)
        bias += (weight * mean.mean()).sum(axis=1)
    return with_bias(model, heads, bias)


def transposed(model, heads, contexts):
    bias = model.params[BIAS].copy()
    for n in heads:
        bias += model.params[DENSE][columns_of(model, n)].T @ mean_of(contexts)[columns_of(model, n)]
    return with_bias(model, heads, bias)


def columns_left(model, heads, contexts):
    weight, mean = parts_of(model, heads, contexts)
    other = copied(model)
    other.params[BIAS][...] += weight @ mean
    return other


def mean_in_place(model, heads, contexts):
    weight, mean = parts_of(model, heads, contexts)
    model.params[BIAS][...] += weight @ mean
    return in_place(model, heads)


def only_the_first_head(model, heads, contexts):
    weight, mean = parts_of(model, list(heads)[:1], contexts)
    return with_bias(model, list(heads)[:1], model.params[BIAS] + weight @ mean)


def last_for_none():
    return {"A": 1, "B": 4, "C": 2, "D": 3}


def too_many_for_none():
    return {"A": 5, "B": 4, "C": 1, "D": 3}


def all_for_first_donor():
    return {"A": 2, "B": 3, "C": 1, "D": 4}


def all_for_last():
    return {"A": 2, "B": 4, "C": 3, "D": 1}


def donor_for_all():
    return {"A": 2, "B": 4, "C": 1, "D": 4}


def one_left_out():
    return {"A": 2, "B": 4, "C": 1}


def named_in_words():
    return {"A": "no step is run", "B": 4, "C": 1, "D": 3}


MISTAKES = {
    "check_without_heads": [
        ((in_place,), "copy them first"),
        ((rows_for_columns,), "rows of W^O are 0"),
        ((counted_from_one,), "columns [0, 1, 2, 3] are 0, expected [4, 5, 6, 7]"),
        ((one_column,), "columns [1] are 0"),
        ((every_third_column,), "columns [1, 4, 7, 10] are 0"),
        ((bias_too,), "the bias stays"),
        ((only_the_last_one,), "two heads"),
        ((queries_for_outputs,), "all other weights are the model's"),
        ((values_without_their_bias,), "columns [] are 0"),
        ((nothing_copied,), "copy them into the new model"),
    ],
    "check_patched": [
        ((the_last_state,), "what comes after step 1 must run again"),
        ((after_no_step,), "the token in place 2, after step 1"),
        ((one_step_too_many,), "donors that are the same: nothing changes"),
        ((one_step_too_few,), "donors that are the same: nothing changes"),
        ((of_the_first_sequence,), "donors that are the same: nothing changes"),
        ((the_sequence_for_the_place,), "the token in place 2, after step 1"),
        ((all_places,), "all states are the donors'"),
        ((words_for_states,), "replaced before step 1"),
        ((a_step_late,), "replaced after step 2"),
        ((the_other_way_round,), "have changed places"),
    ],
    "check_at_their_mean": [
        ((without_the_bias,), "what the mean brings is missing"),
        ((bias_overwritten,), "the bias is lost"),
        ((means_of_all_heads,), "only those of `heads` belong there"),
        ((bias_from_the_zeros,), "what the mean brings is missing"),
        ((sum_for_mean,), "a sum over tokens"),
        ((mean_taken_off,), "taken off, not added"),
        ((one_number_a_head,), "keep its D numbers apart"),
        ((transposed,), "inputs are its columns"),
        ((columns_left,), "columns [] are 0, expected [4, 5, 6, 7]"),
        ((mean_in_place,), "copy them first"),
        ((only_the_first_head,), "two heads"),
    ],
    "check_which_bug": [
        ((last_for_none,), "A: not bug 1: a state replaced after the last step"),
        ((too_many_for_none,), "A: not bug 5: after three steps of two"),
        ((all_for_first_donor,), "B: not bug 3: with all states replaced"),
        ((all_for_last,), "C: not bug 3: with all states replaced"),
        ((donor_for_all,), "D: not bug 4: one donor for all"),
        ((one_left_out,), "D: no answer"),
        ((named_in_words,), "'no step is run' is no number of the list, 1 to 5"),
    ],
}
