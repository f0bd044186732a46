"""Right answers to notebook 20, written otherwise: check → functions."""


def in_other_words(dy, cache):
    x, length, r, direction = cache
    dlength = (dy * direction).sum(axis=-1)
    ddirection = dy * length[:, None]
    along = (ddirection * x).sum(axis=-1, keepdims=True)
    dx = r * ddirection - x * along * r * r * r
    return dx, dlength


def without_a_name_for_the_middle(dy, cache):
    _, length, r, direction = cache
    inner = (dy * direction).sum(axis=-1, keepdims=True)
    return r * length[:, None] * (dy - direction * inner), inner[:, 0]


def going_down(steps, output, dy):
    gradients = {output: 1.0 * dy}

    def visit(rest):
        if not rest:
            return
        *rest, (inputs, made, back) = rest
        if made in gradients:
            for name, gradient in zip(inputs, back(gradients[made]), strict=True):
                gradients[name] = gradients.get(name, 0.0) + gradient
        visit(rest)

    visit(steps)
    return gradients


def zeros_where_nothing_came(steps, output, dy):
    gradients = {name: 0 * dy for step in steps for name in (*step.inputs, step.output)}
    gradients[output] = dy
    for i in range(len(steps) - 1, -1, -1):
        back = steps[i].back(gradients[steps[i].output])
        for place, name in enumerate(steps[i].inputs):
            gradients[name] = gradients[name] + back[place]
    return gradients


def from_the_table():
    return {letter: number for number, letter in enumerate("DFBEAC", start=1)}


RIGHT = {
    "check_unit_rows_backward": [(in_other_words,), (without_a_name_for_the_middle,)],
    "check_go_back": [(going_down,), (zeros_where_nothing_came,)],
    "check_which_bug": [(from_the_table,)],
}
