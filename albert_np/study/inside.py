"""What the heads of a model do, in numbers rather than in pictures."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["head_statistics"]

Floats = npt.NDArray[np.float64]


def head_statistics(probs: Any, attention_mask: Any) -> dict[str, Floats]:
    """Describe where each head looks: means over the real queries of a batch.

    probs: (B, N, T, T), one step's attention probabilities, query before key, zero at padded keys, as a model returns
    them in `attentions`; attention_mask (B, T). Returns name → (N,):

        "entropy": of a query's weights, in nats; 0 looks at one place, ln of the number of places at all alike.
        "distance": how many positions away it looks, by weight.
        "self", "previous", "next", "first": the weight on the token itself, on its neighbour to the left and to the
            right, and on position 0, which is [CLS]. Where there is no such neighbour it is 0.

    Derivation: notebook 18, eq. 18.7, 18.8 and 18.9.
    """
    probs = np.asarray(probs, dtype=np.float64)
    real = np.asarray(attention_mask, dtype=bool)  # (B, T)
    places = np.arange(probs.shape[-1])
    offset = places - places[:, None]  # (T, T): key minus query
    logs = np.log(np.where(probs > 0, probs, 1.0))
    of_queries = {"entropy": -(probs * logs).sum(axis=-1), "distance": (probs * abs(offset)).sum(axis=-1)}  # (B, N, T)
    kinds = {"self": offset == 0, "previous": offset == -1, "next": offset == 1, "first": (places == 0) & (offset <= 0)}
    of_queries |= {name: (probs * keys).sum(axis=-1) for name, keys in kinds.items()}
    return {name: (values * real[:, None]).sum(axis=(0, 2)) / real.sum() for name, values in of_queries.items()}
