"""Solutions of notebook 20."""


def unit_rows_backward(dy, cache):
    _, length, r, direction = cache
    ddirection = dy * length[:, None]
    dlength = (dy * direction).sum(axis=-1)
    dx = r * (ddirection - direction * (ddirection * direction).sum(axis=-1, keepdims=True))
    return dx, dlength


def go_back(steps, output, dy):
    gradients = {output: dy}
    for step in reversed(steps):
        if step.output in gradients:
            for name, gradient in zip(step.inputs, step.back(gradients[step.output]), strict=True):
                gradients[name] = gradients[name] + gradient if name in gradients else gradient
    return gradients


def which_bug():
    return {"A": 5, "B": 3, "C": 6, "D": 1, "E": 4, "F": 2}


ANSWERS = {
    "check_unit_rows_backward": (unit_rows_backward,),
    "check_go_back": (go_back,),
    "check_which_bug": (which_bug,),
}
