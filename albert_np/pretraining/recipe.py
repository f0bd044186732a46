"""How a pretraining run trains: everything but the texts and the model's shape."""

from dataclasses import asdict, dataclass
from typing import Any

from albert_np.execution import PRECISIONS, available_threads
from albert_np.model import RECOMPUTE
from albert_np.pretraining.batches import SETTINGS, plain_numbers
from albert_np.schema import Kind, check, flag, number, one_of, optional, text, whole
from albert_np.training import LAMB, AdamW, google_schedule, warmup_linear

__all__ = ["OFFLOADS", "OPTIMIZERS", "OUTPUT_BIASES", "SCHEDULES", "Recipe"]

OPTIMIZERS = {"lamb": LAMB, "adamw": AdamW}
SCHEDULES = {"linear": warmup_linear, "google": google_schedule}
OFFLOADS = ("none", "moments", "inputs", "both")
OUTPUT_BIASES = ("frequencies", "zeros")

_SCHEMA = SETTINGS | {
    "steps": whole(1),
    "accumulation": whole(1, 2**16),
    "optimizer": one_of(*OPTIMIZERS),
    "learning_rate": number(0),
    "warmup_steps": whole(),
    "schedule": one_of(*SCHEDULES),
    "weight_decay": number(0),
    "bias_correction": flag(),
    "max_grad_norm": Kind("a number above 0", lambda value: type(value) in (int, float) and value > 0),
    "log_every": whole(1),
    "evaluate_every": whole(1),
    "checkpoint_every": whole(1),
    "dtype": one_of("float32", "float64"),
    "backend": text(100),
    "threads": optional(whole(1, 1024)),
    "recompute": one_of(*RECOMPUTE),
    "precision": one_of(*PRECISIONS),
    "offload": one_of(*OFFLOADS),
    "output_bias": one_of(*OUTPUT_BIASES),
}


@dataclass(frozen=True)
class Recipe:
    """How to train: everything but the texts and the model's shape. Sequences, tokens and updates are counts.

    optimizer: "lamb" or "adamw"; bias_correction=False is Google's form of both. schedule: "linear" or "google", see
    `training.schedules`. pairs: "order" (SOP), "google" (SOP as Google's code has it), "next" (BERT's NSP) or "none",
    see `make_pair`.
    max_predictions_per_seq: None masks as many as `masked_lm_prob` asks for. threads: worker threads on NumPy, None
    for all processors; part of the recipe, because it decides the last bits of every sum. Of several ranks they are
    those of all together: a run of 4 threads may go on as 2 ranks of 2.
    offload: what a device hands to the host's memory between its uses: the optimizer's "moments", the "inputs" that
    recompute="layer" keeps, "both" or "none", which is all that there is on NumPy.
    precision: of matrix products, see `precision` of the models; anything but "float32" needs dtype="float32".
    recompute: "layer" trains with the memory of about one layer step, for more time; see `recompute` of the models.
    output_bias: where the MLM head's bias starts. "frequencies": at the logarithms of the training text's token
    frequencies, so that the first updates need not learn them (notebook 17, eq. 17.14); "zeros": as in Google's code.

    Numbers may be NumPy's; they become Python's. Raises ValueError that names the field, what it was given and what is
    allowed.
    """

    steps: int
    batch_size: int = 32
    max_seq_length: int = 128
    accumulation: int = 1
    optimizer: str = "lamb"
    learning_rate: float = 5e-3
    warmup_steps: int = 0
    schedule: str = "linear"
    weight_decay: float = 0.01
    bias_correction: bool = True
    max_grad_norm: float = 1.0
    masked_lm_prob: float = 0.15
    max_ngram: int = 3
    pairs: str = "order"
    max_predictions_per_seq: int | None = None
    short_seq_prob: float = 0.1
    log_every: int = 10
    evaluate_every: int = 200
    checkpoint_every: int = 200
    seed: int = 0
    dtype: str = "float32"
    backend: str = "numpy"
    threads: int | None = None
    recompute: str = "none"
    precision: str = "float32"
    offload: str = "none"
    output_bias: str = "frequencies"

    def __post_init__(self) -> None:
        for name, value in plain_numbers(vars(self)).items():
            object.__setattr__(self, name, value)
        check(asdict(self), _SCHEMA, "the recipe")
        if self.warmup_steps >= self.steps:
            raise ValueError(f"the recipe: warmup_steps={self.warmup_steps} must be below steps={self.steps}")
        if self.precision != "float32" and self.dtype != "float32":
            raise ValueError(f"the recipe: precision={self.precision!r} rounds float32, and dtype={self.dtype!r}")
        if self.offload != "none" and self.backend == "numpy":
            raise ValueError(f"the recipe: offload={self.offload!r}: on backend='numpy' all is the host's already")
        if self.offload in ("inputs", "both") and self.recompute == "none":
            raise ValueError(f"the recipe: offload={self.offload!r} is of what recompute='layer' keeps: give both")
        if self.threads is None:
            object.__setattr__(self, "threads", available_threads() if self.backend == "numpy" else 1)

    def batch_settings(self) -> dict[str, Any]:
        """Return what `PretrainingData` and `held_out_batches` take, but for the seed."""
        return {name: getattr(self, name) for name in SETTINGS if name != "seed"}
