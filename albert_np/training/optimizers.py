"""AdamW and LAMB, written out on the flat arenas: how a gradient becomes a step.

For weights w with gradients g and moments m, v, all of one layout, in the t-th update (t = 1, 2, …) with
learning rate η and weight decay λ:

    (1)  m ← β₁ m + (1 - β₁) g                      running mean of the gradients
    (2)  v ← β₂ v + (1 - β₂) g²                     running mean of their squares
    (3)  m̂ = m / (1 - β₁ᵗ),  v̂ = v / (1 - β₂ᵗ)      undo the pull towards the 0 that both started from
    (4)  r = m̂ / (√v̂ + ε)
    (5)  u = r + λ w                                decay that bypasses the moments
    (6)  φ = ‖w‖ / ‖u‖ for each tensor              LAMB; φ = 1 in AdamW, and where either norm is 0
    (7)  w ← w - η φ u

Biases and LayerNorm's parameters are excluded: for them λ = 0 and φ = 1.

Sources: Loshchilov & Hutter (arXiv 1711.05101), Algorithm 2, for AdamW; You et al. (arXiv 1904.00962),
Algorithm 2, for LAMB, with the identity for its function of ‖w‖; google-research/albert `lamb_optimizer.py`
and `optimization.py` for ε = 1e-6 outside the root, for the excluded names, and for the form without equation
3 (`bias_correction=False`: m̂ = m, v̂ = v).
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from albert_np.backend import Array, array_module, backend_of
from albert_np.execution import all_arrived, host_copy, kernel_for, on_device, passed_through
from albert_np.params import ParamStore
from albert_np.schema import listed

__all__ = ["LAMB", "AdamW", "clip_by_global_norm", "global_norm", "is_excluded"]

EXCLUDED = ("LayerNorm", "layer_norm", "bias")
MOST_FETCHED = 1 << 22  # numbers of each moment that are fetched at a time, unless a single tensor has more


def is_excluded(name: str) -> bool:
    """Tell whether the parameter of that name is spared weight decay and LAMB's adaptation."""
    return any(part in name for part in EXCLUDED)


class Span(NamedTuple):
    """Where a tensor starts and ends in an arena, and whether it is adapted: decayed, and given a trust ratio."""

    start: int
    end: int
    adapted: bool


class Stretch(NamedTuple):
    """A stretch of the arena, arrays (n,), and the tensors in it that are to be updated."""

    spans: tuple[Span, ...]  # of the tensors, within the arrays
    w: Array
    g: Array
    m: Array
    v: Array


class AdamW:
    """Adam with decoupled weight decay: equations 1 to 7 of this module with φ = 1.

    params, grads: stores of one layout, read at every step; the moments take their dtype. Agrees with
    `torch.optim.AdamW` up to rounding: there, too, ε is added after the bias correction, and decaying first,
    w ← (1 - ηλ) w, is the same as decaying within u. Without bias correction it is google-research/albert's
    `AdamWeightDecayOptimizer`, and torch has no counterpart.

    frozen: names of parameters that stay as they are, weight decay included. offload: keep the moments in the memory of
    the host, from which a step has them copied to the device and back, some tensors at a time, the next ones while it
    updates the present ones; the numbers are the same. On NumPy nothing changes.

    A deep copy has params, grads and moments of its own, and belongs to no model; copied together,
    `copy.deepcopy((model, optimizer))`, the two belong together as before. Pickling is alike.

    Raises ValueError for a constant out of its range, an unknown name or stores of different layouts.
    """

    has_trust_ratios = False

    def __init__(
        self,
        params: ParamStore,
        grads: ParamStore,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        weight_decay: float = 0.01,
        bias_correction: bool = True,
        frozen: Collection[str] = (),
        offload: bool = False,
    ):
        for name, beta in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= beta < 1:
                raise ValueError(f"{name}={beta} must lie in [0, 1)")
        if not 0 < epsilon < math.inf:
            raise ValueError(f"epsilon={epsilon} must be positive and finite")
        if not 0 <= weight_decay < math.inf:
            raise ValueError(f"weight_decay={weight_decay} must be finite and not negative")
        if params.layout.shapes != grads.layout.shapes or params.flat.dtype != grads.flat.dtype:
            raise ValueError("params and grads must have the same names, shapes and dtype")
        if unknown := sorted(set(frozen) - set(params)):
            raise ValueError(f"frozen: {unknown[0]!r} is no parameter")
        self.params = params
        self.grads = grads
        self.frozen = frozenset(frozen)
        self.offload = offload
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weight_decay = weight_decay
        self.bias_correction = bias_correction
        self.steps = 0  # t
        self._moments = [params.zeros_like(), params.zeros_like()]  # m and v
        self._ratios: list[list[float] | Array] = []  # φ of the last step, stretch by stretch; arrays on a device
        self._hand_out()

    def _hand_out(self) -> None:
        """Move the moments to where they are kept between steps."""
        if self._are_apart:
            device = backend_of(self.params.flat)
            self._moments = [ParamStore(each.layout, host_copy(each.flat, device)) for each in self._moments]

    @property
    def _are_apart(self) -> bool:
        """Whether the moments are in another memory than the weights."""
        return self.offload and not isinstance(self.params.flat, np.ndarray)

    @property
    def first_moment(self) -> ParamStore:
        """m, as it is after the last step: where the moments are offloaded, all copies have arrived."""
        return self._arrived()[0]

    @property
    def second_moment(self) -> ParamStore:
        """v, likewise."""
        return self._arrived()[1]

    def _arrived(self) -> list[ParamStore]:
        if self._are_apart:
            all_arrived(backend_of(self.params.flat))
        return self._moments

    @cached_property
    def _u(self) -> Array:
        """Room for u of the largest tensor."""
        flat = self.params.flat
        return array_module(flat).empty(max(weight.size for weight in self.params.values()), flat.dtype)

    @cached_property
    def _scratch(self) -> Array:
        """Room for what one block needs besides."""
        return array_module(self._u).empty(min(self._u.size, _block_size(self._u)), self._u.dtype)

    def __getstate__(self) -> dict[str, object]:
        self._arrived()
        return {name: value for name, value in self.__dict__.items() if name not in ("_u", "_scratch")}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._hand_out()

    def step(self, learning_rate: float) -> None:
        """Update the weights and the moments in place; the gradients stay as they are.

        Raises ValueError for a learning rate that is negative or not finite, and RuntimeError where the model has left
        the weights that this optimizer knows.
        """
        if self.params.abandoned:
            raise RuntimeError(
                "the model has other weights since it was moved or resized (model.to, resize_token_embeddings): make "
                "the optimizer anew from model.params and model.grads, and take over state_dict()"
            )
        try:
            fits = 0 <= learning_rate < math.inf
        except TypeError as error:
            raise TypeError(f"learning_rate={learning_rate!r:.80} must be a number") from error
        if not fits:
            raise ValueError(f"learning_rate={learning_rate} must be finite and not negative")
        self.steps += 1
        update = kernel_for(self.params.flat, "update") or type(self).update
        self._ratios = [update(self, stretch, learning_rate) for stretch in self._stretches()]

    def _stretches(self) -> Iterator["Stretch"]:
        """Yield the arena whole or, where the moments must be fetched, what is to be updated of it in several parts."""
        w, g, spans = self.params.flat, self.grads.flat, self._spans()
        if not self._are_apart:
            yield Stretch(spans, w, g, *(moment.flat for moment in self._moments))
            return
        parts = _neighbours(spans)
        places = [slice(part[0].start, part[-1].end) for part in parts]
        passing = passed_through([moment.flat for moment in self._moments], places, backend_of(w))
        for (m, v), part, place in zip(passing, parts, places, strict=True):
            moved = (Span(start - place.start, end - place.start, adapted) for start, end, adapted in part)
            yield Stretch(tuple(moved), w[place], g[place], m, v)

    def update(self, stretch: "Stretch", learning_rate: float) -> list[float] | Array:
        """Make the step, tensor by tensor, and return their φ; a device may have a kernel for all of them at once."""
        ratios = []
        for start, end, adapted in stretch.spans:
            w, g, m, v = (each[start:end] for each in stretch[1:])
            u = self._u[: w.size]
            self._direction(w, g, m, v, decay=self.weight_decay if adapted else 0.0, u=u)
            ratios.append(self._trust_ratio(w, u) if adapted else 1.0)
            u *= learning_rate * ratios[-1]  # (7)
            w -= u
        return ratios

    def _moving(self) -> list[str]:
        return [name for name in self.params if name not in self.frozen]

    def _spans(self) -> tuple["Span", ...]:
        """Return where in the arena each tensor lies that is not frozen."""
        slots, names = self.params.layout.slots, self._moving()
        return tuple(Span(slots[n][0], slots[n][0] + self.params[n].size, not is_excluded(n)) for n in names)

    def corrections(self) -> tuple[float, float]:
        """Return what equation 3 divides both moments by."""
        if not self.bias_correction:
            return 1.0, 1.0
        return 1 - self.beta1**self.steps, 1 - self.beta2**self.steps

    def _direction(self, *tensors: Array, decay: float, u: Array) -> None:
        """Equations 1 to 5 for the w, g, m, v of one tensor: update the moments and write u, all of one size."""
        xp = array_module(u)
        correction1, correction2 = self.corrections()
        for block in _blocks(u):  # all that one block touches stays in the processor's cache
            w, g, m, v = (tensor[block] for tensor in tensors)
            r, scratch = u[block], self._scratch[: g.size]

            m *= self.beta1  # (1)
            m += xp.multiply(g, 1 - self.beta1, out=scratch)

            v *= self.beta2  # (2)
            xp.multiply(g, g, out=scratch)
            scratch *= 1 - self.beta2
            v += scratch

            xp.divide(m, correction1, out=r)  # (3)
            xp.divide(v, correction2, out=scratch)

            xp.sqrt(scratch, out=scratch)  # (4)
            scratch += self.epsilon
            r /= scratch

            if decay:  # (5)
                r += xp.multiply(w, decay, out=scratch)

    def _trust_ratio(self, w: Array, u: Array) -> float:
        return 1.0  # has_trust_ratios says so to a kernel

    def forget_frozen(self) -> None:
        """Set the gradients of frozen parameters to 0, so that they do not count in the global norm."""
        for name in self.frozen:
            self.grads[name][...] = 0

    def settings(self) -> dict[str, object]:
        """Return the constants that decide the updates, as JSON can hold them."""
        constants = ("beta1", "beta2", "epsilon", "weight_decay", "bias_correction")
        frozen = {"frozen": sorted(self.frozen)} if self.frozen else {}
        return {"name": type(self).__name__} | {name: getattr(self, name) for name in constants} | frozen

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return `steps` () int64 and `first_moment`, `second_moment` (P,) as NumPy arrays.

        Moments in the host's memory are the optimizer's own arenas: copy them if they are to outlive the next step.
        """
        to_numpy = backend_of(self.first_moment.flat).to_numpy
        return {
            "steps": np.array(self.steps, dtype=np.int64),
            "first_moment": to_numpy(self.first_moment.flat),
            "second_moment": to_numpy(self.second_moment.flat),
        }

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state_dict` returned.

        Raises ValueError, with nothing changed, for entries, shapes or dtypes that are not this optimizer's.
        """
        expected = self.state_dict()
        if state.keys() != expected.keys():
            raise ValueError(
                f"the optimizer state holds {listed(sorted(state))}; expected are {listed(sorted(expected))}"
            )
        for name, own in expected.items():
            given = state[name]
            if given.shape != own.shape or given.dtype != own.dtype:
                raise ValueError(
                    f"{name} of the optimizer state is {given.dtype} {given.shape}, expected {own.dtype} {own.shape}"
                )
        from_numpy = backend_of(self.first_moment.flat).from_numpy
        self.steps = int(state["steps"])
        self.first_moment.flat[...] = from_numpy(state["first_moment"])
        self.second_moment.flat[...] = from_numpy(state["second_moment"])


class LAMB(AdamW):
    """AdamW's direction, with steps in proportion to each tensor's norm: equations 1 to 7 of this module.

    Norms are accumulated in float64. Without bias correction it is google-research/albert's `LAMBOptimizer`.
    """

    has_trust_ratios = True

    @property
    def trust_ratios(self) -> dict[str, float]:
        """φ of the last step by parameter name; none before it. On a device, reading them waits for the step."""
        parts = (part if isinstance(part, list) else backend_of(part).to_numpy(part).tolist() for part in self._ratios)
        ratios = [ratio for part in parts for ratio in part]
        return dict(zip(self._moving(), ratios, strict=True)) if ratios else {}

    def _trust_ratio(self, w: Array, u: Array) -> float:
        w_norm, u_norm = math.sqrt(sum_of_squares(w)), math.sqrt(sum_of_squares(u))
        return w_norm / u_norm if w_norm > 0 and u_norm > 0 else 1.0  # (6)


def global_norm(store: ParamStore) -> float:
    """Return √Σ x² over all numbers of the store, accumulated in float64."""
    return math.sqrt(sum_of_squares(store.flat))


def clip_by_global_norm(grads: ParamStore, max_norm: float) -> float | Array:
    """Scale the gradients in place to a global norm of `max_norm` if theirs is larger; return that.

    A norm that is not finite is returned with the gradients left as they are, so that the culprit can be
    looked for. On a device with kernels nobody waits: what comes back is an array without axes, which `float` fetches.
    Source: `tf.clip_by_global_norm`; torch adds 1e-6 to the norm. Raises ValueError unless max_norm is positive.

    Derivation: notebook 14, eq. 14.13.
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm={max_norm} must be positive")
    return shorten(grads.flat, max_norm)


@on_device()
def shorten(x: Array, max_norm: float) -> float | Array:
    """Scale a 1-D array in place to a norm of `max_norm` if its own is larger, and finite; return that."""
    norm = math.sqrt(sum_of_squares(x))
    if max_norm < norm < math.inf:
        x *= max_norm / norm
    return norm


@on_device()
def sum_of_squares(x: Array) -> float | Array:
    """Σ x² of a 1-D array in float64: a float32 sum over millions is off in the fourth digit."""
    total = 0.0
    for block in _blocks(x):
        squares = x[block].astype(np.float64)
        squares *= squares
        total += float(squares.sum())  # pairwise, hence the same whatever the number of threads
    return total


def _neighbours(spans: Sequence[Span]) -> list[list[Span]]:
    """Return the tensors cut into runs of neighbours that have at most `MOST_FETCHED` numbers together, or are one."""
    runs: list[list[Span]] = []
    for span in spans:
        if runs and runs[-1][-1].end == span.start and span.end - runs[-1][0].start <= MOST_FETCHED:
            runs[-1].append(span)
        else:
            runs.append([span])
    return runs


def _blocks(x: Array) -> Iterator[slice]:
    size = _block_size(x)
    return (slice(start, start + size) for start in range(0, x.size, size))


def _block_size(x: Array) -> int:
    """Numbers to treat at a time: few enough for a CPU's cache, many where an operation is a kernel launch."""
    return 1 << 16 if isinstance(x, np.ndarray) else 1 << 24
