"""Wrong answers to notebook 20: check → (functions, what the report must say)."""


def without_projection(dy, cache):
    _, length, r, direction = cache
    ddirection = dy * length[:, None]
    dlength = (dy * direction).sum(axis=-1)
    dx = r * ddirection
    return dx, dlength


def mean_for_sum(dy, cache):
    _, length, r, direction = cache
    ddirection = dy * length[:, None]
    dlength = (dy * direction).sum(axis=-1)
    dx = r * (ddirection - direction * (ddirection * direction).mean(axis=-1, keepdims=True))
    return dx, dlength


def length_forgotten(dy, cache):
    _, _length, r, direction = cache
    ddirection = dy * 1.0
    dlength = (dy * direction).sum(axis=-1)
    dx = r * (ddirection - direction * (ddirection * direction).sum(axis=-1, keepdims=True))
    return dx, dlength


def length_not_summed(dy, cache):
    _, length, r, direction = cache
    ddirection = dy * length[:, None]
    dx = r * (ddirection - direction * (ddirection * direction).sum(axis=-1, keepdims=True))
    return dx, dy * direction


def nothing_returned(dy, cache):
    _, _length, _r, direction = cache
    dlength = (dy * direction).sum(axis=-1)
    dlength * 1.0


def order_of_gradients(dy, cache):
    _, length, r, direction = cache
    ddirection = dy * length[:, None]
    dx = r * (ddirection - direction * (ddirection * direction).sum(axis=-1, keepdims=True))
    return (dy * direction).sum(axis=-1), dx


def walked(steps, output, dy, add, reverse=True, skip=True):
    gradients = {output: dy}
    for step in steps[::-1] if reverse else steps:
        if skip and step.output not in gradients:
            continue
        for name, gradient in zip(step.inputs, step.back(gradients[step.output]), strict=True):
            gradients[name] = add(gradients[name], gradient) if name in gradients else gradient
    return gradients


def forward_order(steps, output, dy):
    return walked(steps, output, dy, lambda old, new: old + new, reverse=False)


def last_one_wins(steps, output, dy):
    return walked(steps, output, dy, lambda old, new: new)


def first_one_stays(steps, output, dy):
    return walked(steps, output, dy, lambda old, new: old)


def added_in_place(steps, output, dy):
    def add(old, new):
        old += new
        return old

    return walked(steps, output, dy, add)


def steps_that_lead_nowhere(steps, output, dy):
    return walked(steps, output, dy, lambda old, new: old + new, skip=False)


def one_gradient_a_step(steps, output, dy):
    gradients = {output: dy}
    for step in reversed(steps):
        if step.output in gradients:
            for name, gradient in dict(zip(step.inputs, step.back(gradients[step.output]), strict=True)).items():
                gradients[name] = gradients.get(name, 0) + gradient
    return gradients


def dy_for_all(steps, output, dy):
    gradients = {output: dy}
    for step in reversed(steps):
        for name, gradient in zip(step.inputs, step.back(dy), strict=True):
            gradients[name] = gradients.get(name, 0) + gradient
    return gradients


def without_the_output(steps, output, dy):
    return walked(steps[:-1], steps[-1].inputs[0], dy, lambda old, new: old + new)


def only_the_last(steps, output, dy):
    return steps[0].back(dy)


def no_return(steps, output, dy):
    walked(steps, output, dy, lambda old, new: old + new)


CAST = {"A": 5, "B": 3, "C": 6, "D": 1, "E": 4, "F": 2}


def dropped_for_replaced():
    return {**CAST, "C": 2}


def replaced_for_dropped():
    return {**CAST, "F": 6}


def mean_for_replaced():
    return {**CAST, "C": 4}


def one_of_two_for_in_place():
    return {**CAST, "A": 1}


def forward_for_one_of_two():
    return {**CAST, "D": 3}


def a_letter_forgotten():
    return {letter: number for letter, number in CAST.items() if letter != "E"}


MISTAKES = {
    "check_unit_rows_backward": [
        ((without_projection,), "dx is the gradient of x: got"),
        ((mean_for_sum,), "dx is the gradient of x: got"),
        ((length_forgotten,), "ddirection is the gradient of direction: got"),
        ((length_not_summed,), "gradient 1 that backward returned has shape (3, 4)"),
        ((nothing_returned,), "is a `return` missing?"),
        ((order_of_gradients,), "gradient 0 that backward returned has shape (3,)"),
    ],
    "check_go_back": [
        ((forward_order,), "in the reverse order"),
        ((last_one_wins,), "x read twice: x: at [1] got 20, expected 50"),
        ((first_one_stays,), "x read twice: x: at [1] got 30, expected 50"),
        ((added_in_place,), "add with a + b"),
        ((steps_that_lead_nowhere,), "KeyError: 'n'"),
        ((one_gradient_a_step,), "both inputs are x"),
        ((dy_for_all,), "a chain: x"),
        ((without_the_output,), "a chain: x"),
        ((only_the_last,), "got a tuple"),
        ((no_return,), "is a `return` missing?"),
    ],
    "check_which_bug": [
        ((dropped_for_replaced,), "C: not “where a gradient is there, the new one is dropped”"),
        ((replaced_for_dropped,), "F: not “where a gradient is there, the new one takes its place”"),
        ((mean_for_replaced,), "the column “x read twice” would say × 0.5, here it says × 0.4"),
        ((one_of_two_for_in_place,), "the column “x · x” would say × 0.5, here it says × 1"),
        ((forward_for_one_of_two,), "the column “a chain” would say none"),
        ((a_letter_forgotten,), "E: no answer"),
    ],
}
