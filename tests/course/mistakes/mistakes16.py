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


MISTAKES = {
    "check_without_heads": [
        ((in_place,), "copy them first"),
        ((rows_for_columns,), "rows of W^O are 0"),
        ((counted_from_one,), "columns [0, 1, 2, 3] are 0, expected [4, 5, 6, 7]"),
        ((one_column,), "columns [1] are 0"),
        ((every_third_column,), "columns [1, 4, 7, 10] are 0"),
        ((bias_too,), "the bias stays"),
        ((only_the_last_one,), "two heads"),
        ((queries_for_outputs,), "columns [] are 0"),
    ],
    "check_patched": [
        ((the_last_state,), "what comes after step 1 must run again"),
        ((after_no_step,), "the token in place 2, after step 1"),
        ((one_step_too_many,), "donors that are the same: nothing changes"),
        ((one_step_too_few,), "donors that are the same: nothing changes"),
        ((of_the_first_sequence,), "donors that are the same: nothing changes"),
        ((the_sequence_for_the_place,), "the token in place 2, after step 1"),
        ((all_places,), "all states are the donors'"),
        ((words_for_states,), "the token in place 2, after step 1"),
    ],
}
