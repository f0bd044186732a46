"""The course's self-checks: one module a notebook. A check takes the reader's own function and says what is wrong.

    >>> from albert_np.course import lesson05
    >>> lesson05.check_layer_norm_backward(my_layer_norm_backward)

Nothing here knows the answers by heart: expected values come from the package or from finite differences.
"""
