"""Wrong answers to notebook 11: check → (functions, what the report must say)."""

import numpy as np


def zeros(dy, shapes):
    return {name: np.zeros(shape, dtype=dy.dtype) for name, shape in shapes.items()}


def overwritten(dy, caches, backward, shapes):
    total = zeros(dy, shapes)
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
        for name, gradient in gradients.items():
            total[name] = gradient
    return dy, total


def updated(dy, caches, backward, shapes):
    total = zeros(dy, shapes)
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
        total.update(gradients)
    return dy, total


def in_forward_order(dy, caches, backward, shapes):
    total = zeros(dy, shapes)
    for cache in caches:
        dy, gradients = backward(dy, cache)
        for name, gradient in gradients.items():
            total[name] += gradient
    return dy, total


def first_layer_forgotten(dy, caches, backward, shapes):
    total = zeros(dy, shapes)
    for i in range(len(caches) - 1, 0, -1):
        dy, gradients = backward(dy, caches[i])
        for name, gradient in gradients.items():
            total[name] += gradient
    return dy, total


def last_cache_for_all(dy, caches, backward, shapes):
    total = zeros(dy, shapes)
    for _ in caches:
        dy, gradients = backward(dy, caches[-1])
        for name, gradient in gradients.items():
            total[name] += gradient
    return dy, total


def same_upstream_for_all(dy, caches, backward, shapes):
    total = zeros(dy, shapes)
    for cache in reversed(caches):
        dx, gradients = backward(dy, cache)
        for name, gradient in gradients.items():
            total[name] += gradient
    return dx, total


def mean_over_the_layers(dy, caches, backward, shapes):
    total = zeros(dy, shapes)
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
        for name, gradient in gradients.items():
            total[name] += gradient / len(caches)
    return dy, total


def sum_kept_in_the_first_gradient(dy, caches, backward, shapes):
    total = {}
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
        for name, gradient in gradients.items():
            if name in total:
                total[name] += gradient
            else:
                total[name] = gradient
    return dy, {name: total.get(name, np.zeros(shape)) for name, shape in shapes.items()}


def only_what_was_used(dy, caches, backward, shapes):
    total = {}
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
        for name, gradient in gradients.items():
            total[name] = total.get(name, 0) + gradient
    return dy, total


def always_float64(dy, caches, backward, shapes):
    total = {name: np.zeros(shape) for name, shape in shapes.items()}
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
        for name, gradient in gradients.items():
            total[name] += gradient
    return dy, total


def first_cache_for_all(dy, caches, backward, shapes):
    total = zeros(dy, shapes)
    for _ in caches:
        dy, gradients = backward(dy, caches[0])
        for name, gradient in gradients.items():
            total[name] += gradient
    return dy, total


def last_layer_forgotten(dy, caches, backward, shapes):
    return right(dy, caches[:-1], backward, shapes)


def right(dy, caches, backward, shapes):
    total = zeros(dy, shapes)
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
        for name, gradient in gradients.items():
            total[name] += gradient
    return dy, total


def first_one_kept(dy, caches, backward, shapes):
    total = {}
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
        for name, gradient in gradients.items():
            total.setdefault(name, gradient)
    return dy, {**zeros(dy, shapes), **total}


def dy_returned(dy, caches, backward, shapes):
    return dy, right(dy, caches, backward, shapes)[1]


def gradients_alone(dy, caches, backward, shapes):
    return right(dy, caches, backward, shapes)[1]


def order_of_the_two(dy, caches, backward, shapes):
    dx, total = right(dy, caches, backward, shapes)
    return total, dx


def list_of_gradients(dy, caches, backward, shapes):
    dx, total = right(dy, caches, backward, shapes)
    return dx, list(total.values())


def caches_reversed_in_place(dy, caches, backward, shapes):
    caches.reverse()
    return right(dy, caches[::-1], backward, shapes)


def caches_popped(dy, caches, backward, shapes):
    total = zeros(dy, shapes)
    while caches:
        dy, gradients = backward(dy, caches.pop())
        for name, gradient in gradients.items():
            total[name] += gradient
    return dy, total


def dx_added_up(dy, caches, backward, shapes):
    total, dx = zeros(dy, shapes), 0
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
        dx = dx + dy
        for name, gradient in gradients.items():
            total[name] += gradient
    return dx, total


def one_shape_for_all(dy, caches, backward, shapes):
    total = {name: np.zeros(1, dtype=dy.dtype) for name in shapes}
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
        for name, gradient in gradients.items():
            total[name] += gradient
    return dy, total


def groups_scaled_by_their_size(dy, caches, backward, shapes):
    dx, total = right(dy, caches, backward, shapes)
    return dx, {name: gradient / np.sqrt(len(caches)) for name, gradient in total.items()}


NAMED = {"A": 4, "B": 6, "C": 1, "D": 3, "E": 2, "F": 5}


def set_for_the_last_cache():
    return {**NAMED, "A": 1, "C": 4}


def last_cache_for_forward_order():
    return {**NAMED, "A": 3, "D": 4}


def mean_for_same_upstream():
    return {**NAMED, "E": 5, "F": 2}


def one_left_out():
    return {letter: number for letter, number in NAMED.items() if letter != "D"}


def counted_from_zero():
    return {letter: number - 1 for letter, number in NAMED.items()}


def a_list():
    return list(NAMED.values())


def all_the_same():
    return dict.fromkeys(NAMED, 1)


def walked_again(dy, inputs, forward, backward, shapes):
    total = {name: np.zeros(shape) for name, shape in shapes.items()}
    for x in inputs:
        dy, gradients = backward(dy, forward(x)[1])
        for name, gradient in gradients.items():
            total[name] += gradient
    return dy, total


def inputs_of(x, steps, forward):
    inputs = [x]
    for _ in range(steps):
        inputs.append(forward(inputs[-1])[0])
    return inputs


def all_caches_kept(dy, x, steps, forward, backward, shapes):
    caches = []
    for _ in range(steps):
        x, cache = forward(x)
        caches.append(cache)
    total = {name: np.zeros(shape) for name, shape in shapes.items()}
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
        total = {name: total[name] + gradients[name] for name in total}
    return dy, total


def from_the_beginning_each_time(dy, x, steps, forward, backward, shapes):
    total = {name: np.zeros(shape) for name, shape in shapes.items()}
    for i in reversed(range(steps)):
        y = x
        for _ in range(i):
            y = forward(y)[0]
        dy, gradients = backward(dy, forward(y)[1])
        total = {name: total[name] + gradients[name] for name in total}
    return dy, total


def from_its_output(dy, x, steps, forward, backward, shapes):
    return walked_again(dy, inputs_of(x, steps, forward)[:0:-1], forward, backward, shapes)


def from_the_first_input(dy, x, steps, forward, backward, shapes):
    return walked_again(dy, [x] * steps, forward, backward, shapes)


def from_the_last_input(dy, x, steps, forward, backward, shapes):
    return walked_again(dy, [inputs_of(x, steps, forward)[-2]] * steps, forward, backward, shapes)


def not_reversed(dy, x, steps, forward, backward, shapes):
    return walked_again(dy, inputs_of(x, steps, forward)[:-1], forward, backward, shapes)


def one_step_too_many(dy, x, steps, forward, backward, shapes):
    return walked_again(dy, inputs_of(x, steps, forward)[::-1], forward, backward, shapes)


def last_gradient_alone(dy, x, steps, forward, backward, shapes):
    for y in inputs_of(x, steps, forward)[-2::-1]:
        dy, gradients = backward(dy, forward(y)[1])
    return dy, gradients


def dx_forgotten(dy, x, steps, forward, backward, shapes):
    return walked_again(dy, inputs_of(x, steps, forward)[-2::-1], forward, backward, shapes)[1]


MISTAKES = {
    "check_shared_backward": [
        ((overwritten,), "`=` stands where"),
        ((updated,), "`=` stands where"),
        ((in_forward_order,), "in forward order"),
        ((first_layer_forgotten,), "the first layer is forgotten"),
        ((last_cache_for_all,), "the last layer's cache"),
        ((same_upstream_for_all,), "dy is the same for all"),
        ((mean_over_the_layers,), "the mean over the layers"),
        ((sum_kept_in_the_first_gradient,), "changed its argument dy"),
        ((only_what_was_used,), "unused has no gradient"),
        ((always_float64,), "got float64"),
        ((first_cache_for_all,), "the first layer's cache"),
        ((last_layer_forgotten,), "the last layer is forgotten"),
        ((first_one_kept,), "went back first alone"),
        ((dy_returned,), "what the last call returned"),
        ((gradients_alone,), "expected 2 values (dx, gradients)"),
        ((order_of_the_two,), "expected a dictionary"),
        ((list_of_gradients,), "got a list, expected a dictionary"),
        ((caches_reversed_in_place,), "changed its argument caches"),
        ((caches_popped,), "changed its argument caches"),
        ((dx_added_up,), "by hand: dx"),
        ((one_shape_for_all,), "in your line"),
        ((groups_scaled_by_their_size,), "got 23.6714, expected 41"),
    ],
    "check_which_bug": [
        ((set_for_the_last_cache,), "not “the gradient is set"),
        ((last_cache_for_forward_order,), "3 steps dw” would say 52, here it says 65"),
        ((mean_for_same_upstream,), "E: not “every step gets the dy of the stack's end”"),
        ((one_left_out,), "D: no answer"),
        ((counted_from_zero,), "A: not “backward visits"),
        ((a_list,), "got a list, expected {"),
        ((all_the_same,), "A: not “the gradient is set"),
    ],
    "check_recomputed_backward": [
        ((all_caches_kept,), "12 were: keep each step's input"),
        ((from_the_beginning_each_time,), "78 times: keep the inputs"),
        ((from_its_output,), "run again from its output"),
        ((from_the_first_input,), "from the stack's input"),
        ((from_the_last_input,), "from the last step's input"),
        ((not_reversed,), "in forward order"),
        ((one_step_too_many,), "1 step: dweight"),
        ((last_gradient_alone,), "2 steps: dweight"),
        ((dx_forgotten,), "expected 2 values (dx, gradients)"),
    ],
}
