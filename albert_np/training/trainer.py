"""The training loop, with a log and with checkpoints from which a run goes on to the same bits."""

import json
import math
import os
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from albert_np.backend import Array, backend_of
from albert_np.checkpoints import (
    CheckpointError,
    latest_checkpoint,
    read_safetensors,
    remove_leftovers,
    remove_older,
    save_checkpoint,
)
from albert_np.execution import Model, Ranks, Replicas, available_threads, split, this_job
from albert_np.schema import check, whole
from albert_np.training.ahead import Batches, ahead_of
from albert_np.training.interrupts import Interrupts, TrainingInterrupted, deferred_interrupts
from albert_np.training.loss_scale import LossScale
from albert_np.training.metrics import MetricsLog, Record, read_metrics
from albert_np.training.nonfinite import NonFiniteError, first_nonfinite
from albert_np.training.objective import Batch, Metrics, Objective, Tallies, add
from albert_np.training.optimizers import AdamW, clip_by_global_norm, global_norm
from albert_np.training.state import (
    STATE_FILE,
    Settings,
    TrainerState,
    check_settings,
    compare_versions,
    flat_settings,
    read_state,
    versions,
)

__all__ = ["Data", "Trainer"]

M = TypeVar("M", bound=Model)
_SILENT: dict[str, Any] = {"over": "ignore", "invalid": "ignore"}  # the trainer looks for what NumPy would warn of


class Data(Protocol):
    """Training batches by position, so that a run can go on where it stopped.

    `batch_at(position)` is pure: it returns the batch and the position after it. A position is a NamedTuple of what
    JSON can hold; `settings()` is a JSON object of all that must not change when a run is resumed.
    """

    @property
    def first_position(self) -> Any: ...

    def batch_at(self, position: Any) -> tuple[Batch, Any]: ...

    def settings(self) -> Settings: ...


@dataclass
class Trainer(Generic[M]):
    """Trains `model` on `data` and keeps a run folder from which training can be resumed to the bit.

    optimizer: made from the model's own params and grads.
    schedule: updates made so far → learning rate; a `functools.partial` of a function in `schedules`.
    data: where batches come from, see `Data`.
    output: the run folder: metrics.jsonl and checkpoints/.
    objective: how the task's losses add up, and what is reported.
    accumulation: batches to an update, with the gradient of one batch that large.
    max_grad_norm: global norm to which gradients are clipped.
    threads: threads that share the sequences of a batch; another number gives other last digits and dropout masks.
    ranks: processes that train together, those of this job unless given. They have the threads between them, each as
        many; all numbers are those of one process with all the threads. Rank 0 alone writes and calls `on_step`.
    loss_scale: of a model whose precision is float16, which gets one by default; an update whose gradients overflow is
    skipped: the data and the schedule go on, the weights stay, and the records count it.
    ahead: make the batches of the next update in a thread meanwhile; None does where a processor is left for it, as on
    CuPy or with fewer threads than processors. The numbers are the same.
    settings: what else must not change when the run is resumed, such as seeds; a JSON object.
    log_every: updates between two records of metrics.jsonl.
    evaluate: model → metrics on held-out data, called every `evaluate_every` updates and at the end.
    stop_early: the records of all evaluations so far → whether to end before the last update.
    checkpoint_every, checkpoint_seconds: a checkpoint is due after so many updates or seconds.
    keep: checkpoints to keep.
    save_files: writes further files into the folder of each checkpoint, such as a tokenizer's.
    on_step: receives the record of every update, logged or not.

    Raises ValueError for a count below 1 or an optimizer of another model.
    """

    model: M
    optimizer: AdamW
    schedule: Callable[[int], float]
    data: Data
    output: Path
    _: KW_ONLY
    objective: Objective
    accumulation: int = 1
    max_grad_norm: float = 1.0
    threads: int = 1
    ranks: Ranks = field(default_factory=this_job)
    loss_scale: LossScale | None = None
    ahead: bool | None = None
    settings: Settings = field(default_factory=dict)
    log_every: int = 10
    evaluate: Callable[[M], Metrics] | None = None
    evaluate_every: int = 500
    stop_early: Callable[[Sequence[Record]], bool] | None = None
    checkpoint_every: int = 500
    checkpoint_seconds: float = math.inf
    keep: int = 2
    save_files: Callable[[Path], object] | None = None
    on_step: Callable[[Record], None] | None = None

    def __post_init__(self) -> None:
        counts = ("accumulation", "threads", "log_every", "evaluate_every", "checkpoint_every", "keep")
        check({name: getattr(self, name) for name in counts}, dict.fromkeys(counts, whole(1)), "Trainer")
        if not self.max_grad_norm > 0:
            raise ValueError(f"max_grad_norm={self.max_grad_norm} must be positive")
        if self.threads % self.ranks.size:
            raise ValueError(f"threads={self.threads} cannot be shared out evenly to {self.ranks.size} ranks")
        self._require_own_optimizer()
        if self.loss_scale is None and self.model.precision == "float16":
            self.loss_scale = LossScale()
        self.output = Path(self.output)
        self.state = TrainerState(0, self.data.first_position, 0, 0.0)
        self.checkpoint: Path | None = None  # the last one saved or resumed from
        self.evaluations: list[Record] = []  # the records that hold one, those before a resumption included
        self._replicas = Replicas(self.model, self.threads // self.ranks.size, self.ranks)
        self._log = MetricsLog(self.output / "metrics.jsonl")
        self._logged = self.state
        self._saved_at = 0.0
        self._batches: Batches[Batch, Any] | None = None  # the data, asked ahead of time while training goes on
        self._folder: int | None = None  # the run folder, held open while training writes into it

    def _require_own_optimizer(self) -> None:
        if self.optimizer.params is not self.model.params or self.optimizer.grads is not self.model.grads:
            raise ValueError(
                "optimizer was not made from this model's params and grads, or they are others since model.to()"
            )

    def train(self, total_steps: int) -> None:
        """Train until `total_steps` updates have been made, those before a resumption included, or `stop_early` holds.

        A new run begins with a checkpoint of step 0, so that a disk too small shows at once. Raises ValueError
        if the schedule is shorter; FileExistsError if the output folder holds a run that was not resumed;
        TrainingInterrupted on SIGINT, SIGTERM or SIGUSR1, once the current update is made and saved (a second signal
        raises KeyboardInterrupt at once); NonFiniteError on NaN or infinity; OSError where a checkpoint cannot
        be written. RankError where another rank has failed, or differs in settings, versions or weights.
        """
        self._require_own_optimizer()
        if total_steps > self.state.step:
            self.schedule(total_steps - 1)
        self.ranks.require_alike(self._all_that_counts)
        if self.checkpoint is None:
            self.ranks.on_first(self._require_vacant)
            self._save()
        self._saved_at = time.monotonic()
        with self._holding_folder(), self._looking_ahead(), deferred_interrupts() as interrupts:
            while not self._is_over(total_steps):
                record = self._update()
                self._complete(record, is_last=self.state.step == total_steps)
                stop, is_due = self._reported(record, interrupts, total_steps)
                if stop or is_due:
                    folder = self._save()
                    if stop:
                        raise TrainingInterrupted(self.state.step, folder, stop)

    def resume(self) -> int:
        """Load the run's latest checkpoint and return its step; training then goes on as if never stopped.

        Warns of other versions of what computes. Raises FileNotFoundError where there is none, CheckpointError that
        names file and field where one is damaged, and ValueError that names settings that differ.
        """
        self.ranks.share(self._resume)
        return self.state.step

    def _resume(self) -> None:
        folder = latest_checkpoint(self.output)
        if folder is None:
            self._require_no_run()
            raise FileNotFoundError(f"{self.output} holds no checkpoint to resume from")
        saved = read_state(folder / STATE_FILE, self.data.first_position)
        check_settings(saved["settings"], self._settings(), folder / STATE_FILE)
        compare_versions(saved.get("versions") or {})
        if self.loss_scale is not None:
            try:
                self.loss_scale.load(saved.get("loss_scale"), folder / STATE_FILE)
            except ValueError as error:
                raise CheckpointError(str(error)) from error
        self._load_arrays(folder)
        try:
            self.model.rng.bit_generator.state = saved["random_state"]
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise CheckpointError(f"{folder / STATE_FILE}: random_state is none: {error!r}") from error
        self.state = self._logged = saved["state"]
        self.checkpoint = folder
        records = read_metrics(self._log.path) if self._log.path.exists() else []
        self.evaluations = [each for each in records if "evaluation" in each and each["step"] <= self.state.step]
        if self.ranks.is_first:
            remove_leftovers(self.output)
            self._log.cut_back(self.state.step)
            remove_older(self.output, self.state.step, self.keep)

    def _require_vacant(self) -> None:
        self._require_no_run()
        remove_leftovers(self.output)

    def _require_no_run(self) -> None:
        if not self._log.path.exists() and not any((self.output / "checkpoints").glob("step-*")):
            return
        if latest_checkpoint(self.output) is None:
            raise CheckpointError(
                f"{self.output} holds a run but no whole checkpoint: start a new one in another folder"
            )
        raise FileExistsError(f"{self.output} already holds a run: resume it or choose another folder")

    @contextmanager
    def _holding_folder(self) -> Iterator[None]:
        """Keep the run folder open, so that no other one is taken for it; systems but POSIX let nobody delete it."""
        if os.name != "posix" or not self.ranks.is_first:
            yield
            return
        self._folder = os.open(self.output, os.O_RDONLY)
        try:
            yield
        finally:
            os.close(self._folder)
            self._folder = None

    @contextmanager
    def _looking_ahead(self) -> Iterator[None]:
        """Have the batches of the next update made during this one, if `ahead` says so."""
        is_left = backend_of(self.model.params.flat).name != "numpy" or self.threads < available_threads()
        if not (is_left if self.ahead is None else self.ahead):
            yield
            return
        try:
            with ahead_of(self.data, self.accumulation) as self._batches:
                yield
        finally:
            self._batches = None

    def _check_folder(self) -> None:
        """Raise FileNotFoundError if the run folder is no longer there, or another one: a part of it would be made."""
        try:
            is_there = self._folder is None or os.path.samestat(os.fstat(self._folder), os.stat(self.output))
        except FileNotFoundError:
            is_there = False
        if not is_there:
            raise FileNotFoundError(
                f"{self.output} was deleted or replaced during training, after {self.state.step} updates; nothing more "
                "is written there"
            )

    def _update(self) -> Record:
        """Make one update of the weights and return its record."""
        started = time.perf_counter()
        step, position, tokens, seconds = self.state
        batches: list[Batch] = []
        for _ in range(self.accumulation):
            batch, position = (self._batches or self.data).batch_at(position)
            batches.append(batch)
            tokens += int(batch.attention_mask.sum())
        learning_rate = self.schedule(step)
        totals, grad_norm = self._gradients(batches)
        if self._accepts(grad_norm):
            if self.optimizer.offload:
                self.model.cache = None  # its memory is what the moments come back to
            self.optimizer.step(learning_rate)
        self.state = TrainerState(step + 1, position, tokens, seconds + time.perf_counter() - started)
        return {
            "step": step + 1,
            **self.objective.metrics(totals),
            "learning_rate": learning_rate,
            "grad_norm": grad_norm,
            **({} if self.loss_scale is None else self.loss_scale.record()),
        }

    def _gradients(self, batches: list[Batch]) -> tuple[Tallies, float]:
        """Leave the clipped gradients of all batches together in `model.grads`; return tallies and norm."""
        denominators = self.objective.denominators(batches)
        scaled = {} if self.loss_scale is None else {"loss": self.loss_scale.value}

        def pass_through(model: M, part: dict[str, Array]) -> Tallies:
            with np.errstate(**_SILENT):  # a thread starts with NumPy's defaults
                output = model(**part, **denominators, skip_padding=True)
                model.backward(**scaled)
                tallies = self.objective.tallies(output)  # waits for a device, which by now knows all of its work
                self._require_finite("the loss", tallies["loss"], model)
                return tallies

        totals: Tallies = {}
        self.model.train()
        self.model.zero_grad()
        with np.errstate(**_SILENT):
            for batch in batches:
                for tallies in self._replicas.map(pass_through, split(batch._asdict(), self.threads)):
                    totals = add(totals, tallies)
        if self.loss_scale is not None:
            self.model.grads.flat *= 1 / self.loss_scale.value
        self.optimizer.forget_frozen()
        return totals, float(clip_by_global_norm(self.model.grads, self.max_grad_norm))

    def _accepts(self, grad_norm: float) -> bool:
        """Return whether to make an update; NonFiniteError where gradients are bad and no scale explains it."""
        if self.loss_scale is not None and not self.loss_scale.accepts(grad_norm):
            return False
        self._require_finite("the gradient norm", grad_norm, self.model)
        return True

    def _require_finite(self, what: str, value: float, model: Model) -> None:
        if not math.isfinite(value):
            step = self.state.step
            last_rate = self.schedule(max(0, step - 1))
            if model.precision == "float16":
                what = f"with precision=float16, which ends at 65,504 (bfloat16 does not), {what}"
            raise NonFiniteError(step, f"{what} is {value}", first_nonfinite(model), last_rate)

    def _complete(self, record: Record, is_last: bool) -> None:
        """Add counts, speed and, if it is due, an evaluation to the record."""
        step, _, tokens, seconds = self.state
        elapsed = seconds - self._logged.seconds
        record["tokens"] = tokens
        record["tokens_per_second"] = (tokens - self._logged.tokens) / elapsed if elapsed > 0 else None
        record["seconds"] = seconds
        if self.evaluate and (is_last or step % self.evaluate_every == 0):
            record["evaluation"] = self.evaluate(self.model)
            self.evaluations.append(record)

    def _report(self, record: Record, is_last: bool) -> None:
        """Log the record if it is due, and show it."""
        if is_last or self.state.step % self.log_every == 0 or "evaluation" in record:
            self._check_folder()
            self._log.append(record)
            self._logged = self.state
        if self.on_step:
            self.on_step(record)

    def _is_over(self, total_steps: int) -> bool:
        return self.state.step >= total_steps or (self.stop_early is not None and self.stop_early(self.evaluations))

    def _checkpoint_is_due(self, total_steps: int) -> bool:
        late = time.monotonic() - self._saved_at >= self.checkpoint_seconds
        return self.state.step % self.checkpoint_every == 0 or self._is_over(total_steps) or late

    def _reported(self, record: Record, interrupts: Interrupts, total_steps: int) -> tuple[str | None, bool]:
        """Report an update; return the first signal that reached any rank, and whether rank 0 has a checkpoint due."""

        def report() -> tuple[str | None, bool]:
            if self.ranks.is_first:
                self._report(record, is_last=self.state.step == total_steps)
            return interrupts.first, self._checkpoint_is_due(total_steps)

        heard = self.ranks.share(report)
        return next((signal for signal, _ in heard if signal), None), heard[0][1]

    def _save(self) -> Path:
        """Write a checkpoint, on rank 0, and return its folder; RankError if the ranks no longer hold the same."""
        self.ranks.require_alike(self._place)
        [self.checkpoint, *_] = self.ranks.share(lambda: self._write_checkpoint() if self.ranks.is_first else None)
        self._saved_at = time.monotonic()
        assert self.checkpoint is not None
        return self.checkpoint

    def _place(self) -> dict[str, object]:
        """Return what must be equal on all ranks at every moment: how far they are, and sums over their numbers."""
        stores = {"weights": self.model.params, "m": self.optimizer.first_moment, "v": self.optimizer.second_moment}
        arrays = {name: backend_of(store.flat).to_numpy(store.flat) for name, store in stores.items()}
        sums = {f"the checksum of {name}": zlib.crc32(array.tobytes()) for name, array in arrays.items()}
        counts = {"step": self.state.step, "position": repr(self.state.position), "evaluations": len(self.evaluations)}
        return sums | counts

    def _all_that_counts(self) -> dict[str, object]:
        """Return what must be equal on all ranks before they train together."""
        package = Path(__file__).parents[1]
        sources = b"".join(path.read_bytes() for path in sorted(package.rglob("*.py")))
        code = {"the checksum of albert_np's source": zlib.crc32(sources)}
        return code | versions() | flat_settings(self._settings()) | self._place()

    def _write_checkpoint(self) -> Path:
        self._require_finite("the norm of the weights", global_norm(self.model.params), self.model)
        self._check_folder()
        self._log.flush()
        expected_bytes = 3 * self.model.params.flat.nbytes + 2**23  # weights, two moments, small files
        step = self.state.step
        return save_checkpoint(self.output, step, self._write, expected_bytes, self.keep)

    def _write(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        self.model.save_pretrained(folder)
        if self.save_files:
            self.save_files(folder)
        save_file(self.optimizer.state_dict(), folder / "optimizer.safetensors")
        contents = {
            "state": self.state,
            "random_state": self.model.rng.bit_generator.state,
            "settings": self._settings(),
            "versions": versions(),
        }
        if self.loss_scale is not None:
            contents["loss_scale"] = self.loss_scale.state()
        (folder / STATE_FILE).write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")

    def _load_arrays(self, folder: Path) -> None:
        flat = self.model.params.flat
        load = type(self.model).from_pretrained
        loaded = load(folder, dtype=flat.dtype.name, backend=backend_of(flat).name)
        path = folder / "optimizer.safetensors"
        try:
            self.optimizer.load_state_dict(read_safetensors(path))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} is not the state of this optimizer: {error}") from error
        flat[...] = loaded.params.flat

    def _settings(self) -> Settings:
        """All that decides the numbers of a run, as JSON gives it back."""
        settings = {
            "format": 1,  # of the checkpoint
            "model": {
                "class": type(self.model).__name__,
                "dtype": self.model.params.flat.dtype.name,
                **({} if self.model.backend.name == "numpy" else {"backend": self.model.backend.name}),
                **({} if self.model.precision == "float32" else {"precision": self.model.precision}),
                "config": self.model.config.to_dict(),
            },
            "optimizer": self.optimizer.settings(),
            "schedule": _schedule_settings(self.schedule),
            "data": self.data.settings(),
            "accumulation": self.accumulation,
            "threads": self.threads,
            "max_grad_norm": self.max_grad_norm,
            **self.settings,
        }
        normalized: Settings = json.loads(json.dumps(settings))
        return normalized


def _schedule_settings(schedule: Callable[[int], float]) -> Settings:
    if isinstance(schedule, partial):
        return {"name": schedule.func.__name__, **schedule.keywords}
    return {"name": getattr(schedule, "__name__", repr(schedule))}
