"""TensorBoard curves of a run: the loss and its terms, the rate, how fast speech goes by, and lips never trained on.

    python -m distill.recipes.heterogeneous ... --curves build/curves/s2      tensorboard --logdir build/curves
    python -m distill.recipes.heterogeneous ... --trackers wandb mlflow       what accelerate can tell

A run that goes on from a resume file takes its curves up where the file was saved: what was drawn beyond is replaced.
Among several processes the loss is the mean of all, its terms are those of the first; of several batches, the last.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distill.scoring.metrics import TOLERANCE_FRAMES
from distill.training.feeds import Feed, look
from distill.training.objective import Objective
from distill.training.run import Run
from sdk.errors import ConfigError, EngineUnavailable, pip_install
from sdk.faces.face import CLOSED_CM, Face
from sdk.rig import RigLayout

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker
    from torch.utils.tensorboard import SummaryWriter

EVERY_STEPS = 10
VALID_EVERY_S = 600.0
_OPEN_CM = 0.5  # a label's lips this far apart are open without doubt
_CLOSURE_S = 0.3  # a longer closure is a mouth at rest, which is easy and not counted
_BATCHES = 4
_SEED = 20  # seed of the validation batches, which are the same every time


def writer_class() -> type[SummaryWriter]:
    """Raises `EngineUnavailable` without TensorBoard."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise EngineUnavailable(f"--curves needs TensorBoard ({error}): {pip_install('curves')}") from error
    return SummaryWriter


def tracker_class(name: str) -> type[GeneralTracker]:
    """Raises `ConfigError` for a name that accelerate does not know, `EngineUnavailable` where it is not installed."""
    from accelerate import tracking

    known = {str(key): kind for key, kind in tracking.LOGGER_TYPE_TO_CLASS.items()}
    if name not in known:
        raise ConfigError(f"tracker {name!r} is unknown; there are: {', '.join(sorted(known))}")
    if name not in {str(found) for found in tracking.get_available_trackers()}:
        raise EngineUnavailable(f"--trackers {name} needs {name}: pip install {name}")
    return known[name]


def check_writers(folder: Path | None, trackers: Sequence[str]) -> None:
    """Raises what is missing for a `Watch`: to be called before the hours of work."""
    if folder:
        writer_class()
    for name in trackers:
        tracker_class(name)


@dataclass
class Watch:
    """Writes the curves of `run`, of `total` steps judged by `objective`, to `folder` and to accelerate's `trackers`;
    call it with each step's number, loss and rate.

    valid: makes a feed of speakers never trained on, asked for when first needed, or gives None. Every `valid_every_s`,
    and after the last step, the average of the weights is judged on the same few batches of it.
    """

    folder: Path | None
    run: Run
    objective: Objective
    total: int
    layout: RigLayout
    valid: Callable[[], Feed | None]
    trackers: Sequence[str] = ()
    valid_every_s: float = VALID_EVERY_S
    _writer: Any = field(init=False)
    _trackers: list[GeneralTracker] = field(init=False)
    _valid_feed: Feed | None = field(init=False, default=None)
    _asked: bool = field(init=False, default=False)
    _looked: float = field(init=False)
    _since: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        run = self.run
        self._writer = writer_class()(str(self.folder), purge_step=run.step) if self.folder else None
        self._trackers = [self._begin(tracker_class(name)) for name in self.trackers]
        self._looked = time.monotonic()
        self._since = (0.0, run.seconds)

    def _begin(self, kind: type[GeneralTracker]) -> GeneralTracker:
        out = self.run.file
        where = {"logging_dir": str(out.parent)} if kind.requires_logging_directory else {}
        tracker = kind(out.name.split(".")[0], **where)  # type: ignore[call-arg]
        if hasattr(tracker, "start"):  # since accelerate 1.11; before, to be made was to start
            tracker.start()
        tracker.store_init_configuration(self.run.plan)
        return tracker

    def __call__(self, step: int, loss: float, rate: float) -> None:
        seen, (speech_s, began_s) = self.objective.seen, self._since
        speech_s += (seen.speech_s if seen else 0.0) * self.run.parts
        self._since = (speech_s, began_s)
        if (step + 1) % EVERY_STEPS == 0:
            values = {"loss": loss, "learning_rate": rate, "gradient_norm": self.run.norm}
            values |= {"waiting": self.run.waiting}
            if self.run.precision.scaler.is_enabled():
                values |= {"loss_scale": self.run.precision.scaler.get_scale(), "skipped_steps": self.run.skipped}
            values |= {f"loss/{name}": float(part) for name, part in (seen.parts if seen else {}).items()}
            if self.run.seconds > began_s:
                values["audio_hours_per_hour"] = speech_s / (self.run.seconds - began_s)
            self._write(values, step)
            self._since = (0.0, self.run.seconds)
        if time.monotonic() - self._looked > self.valid_every_s or step + 1 == self.total:
            self.look(step)

    def look(self, step: int) -> None:
        """Judge the average of the weights after step `step` on validation speakers, if there are any."""
        if not self._asked:
            self._valid_feed, self._asked = self.valid(), True
        if self._valid_feed:
            scores = judge(self.run, self._valid_feed, self.layout)
            self._write({f"valid/{name}": value for name, value in scores.items()}, step)
        self._looked = time.monotonic()

    def close(self) -> None:
        """Everything is on the disk."""
        if self._writer:
            self._writer.close()
        for tracker in self._trackers:
            tracker.finish()

    def _write(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items() if self._writer else ():
            self._writer.add_scalar(name, value, step)
        for tracker in self._trackers:
            tracker.log(values, step=step)


@contextmanager
def watching(
    folder: Path | None,
    run: Run,
    objective: Objective,
    total: int,
    layout: RigLayout,
    valid: Callable[[], Feed | None] = lambda: None,
    trackers: Sequence[str] = (),
) -> Iterator[Watch | None]:
    """A `Watch` for the block, or none: without `folder` and `trackers`, and in all processes but the first."""
    asked = bool(folder or trackers) and run.accelerator.is_main_process
    watch = Watch(folder, run, objective, total, layout, valid, trackers) if asked else None
    try:
        yield watch
    finally:
        if watch:
            watch.close()


def judge(run: Run, feed: Feed, layout: RigLayout) -> dict[str, float]:
    """What the average of the weights makes of a few batches of `feed`, as it will be run: exact windows, or streams.

    `loss`, `mse`, and where the face can close its lips the scores of `lips`.
    """
    student: Any = copy.deepcopy(run.student).eval()
    student.load_state_dict(run.average)
    with run.autocast():
        loss, seen = look(feed, student, run.plan["steps"], _BATCHES, [_SEED])
    label, predicted = seen.label.numpy(), seen.predicted.numpy()
    scores = {"loss": loss, "mse": float(np.mean((label - predicted) ** 2))}
    if "jawOpen" in layout.names:
        scores |= lips(label, predicted, layout, 30 * seen.steps_per_frame)
    return scores


def lips(label: np.ndarray, predicted: np.ndarray, layout: RigLayout, fps: float) -> dict[str, float]:
    """How the lips of `predicted` (B, N, rig) follow those of `label`, without phones; a share of nothing is left out.

    `gap_error_cm`; `closures_found`: of the frames of closures shorter than 0.3 s, the share whose lips shut within two
    30 fps frames; `false_closures`: of the frames with lips more than 5 mm apart, the share that is shut.
    """
    face, slack = Face.default(), round(TOLERANCE_FRAMES * fps / 30)
    wanted, got = (np.stack([face.lip_gap_cm(row, layout) for row in rows]) for rows in (label, predicted))
    near = np.pad(got, ((0, 0), (slack, slack)), constant_values=np.inf)
    least = np.lib.stride_tricks.sliding_window_view(near, 2 * slack + 1, axis=1).min(axis=2)
    scores = {"gap_error_cm": float(np.abs(wanted - got).mean())}
    shut, wide = np.stack([_closures(row, _CLOSURE_S * fps) for row in wanted]), wanted >= _OPEN_CM
    if shut.any():
        scores["closures_found"] = float((least[shut] <= CLOSED_CM).mean())
    if wide.any():
        scores["false_closures"] = float((got[wide] <= CLOSED_CM).mean())
    return scores


def _closures(gap_cm: np.ndarray, longest: float) -> np.ndarray:
    """Which of the frames `(N,)` lie in a closure shorter than `longest` frames that begins and ends in the row."""
    edges = np.flatnonzero(np.diff((gap_cm <= CLOSED_CM).astype(np.int8)))
    found = np.zeros(len(gap_cm), dtype=bool)
    for before, last in itertools.pairwise(edges):
        if gap_cm[last] <= CLOSED_CM and last - before < longest:
            found[before + 1 : last + 1] = True
    return found
