"""Solutions of notebook 01."""


def predictions():
    return {
        "a": (2, 5, 8),
        "b": (5, 8),
        "c": (8, 5),
        "d": None,
        "e": (2, 5, 8),
        "f": None,
        "g": (2, 5, 1),
        "h": (2, 5, 3),
        "i": (2, 4, 5, 5),
        "j": (1, 5, 8),
    }


def unbroadcast(dy, shape):
    new = dy.ndim - len(shape)
    dy = dy.sum(axis=tuple(range(new)))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return dy.sum(axis=stretched, keepdims=True)


def centre_backward(dy):
    return dy - dy.mean(axis=-1, keepdims=True)


def which_bug():
    return {"A": 4, "B": 2, "C": 6, "D": 1, "E": 3, "F": 5}


ANSWERS = {
    "check_shape_predictions": (predictions,),
    "check_unbroadcast": (unbroadcast,),
    "check_centre_backward": (centre_backward,),
    "check_which_bug": (which_bug,),
}
