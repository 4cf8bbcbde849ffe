"""Post-training quantisation: a float student and minutes of the speech that it will hear -> its int8 self.

    python -m export.quantise --checkpoint checkpoints/s7.pt [--corpus build/corpus] [--out checkpoints/s7-int8.twin]
                              [--precision int8|mixed|dynamic]

The student is run over whole rows from an empty state, clean and degraded, loud and quiet, so that every grid
(`grids.py`) sees what occurs. First and last layer stay float32 (`KEEP`): the first sees consonants 40 dB below
the vowel beside them, less than one step of an int8 grid; the last draws the curves, where a step is a jump of the
lips. Together they are a fiftieth of the work. In `mixed` those stay float32 that a measured sweep names instead
(`export.sensitivity`). In `dynamic` no grid is known beforehand: each call looks at its own range first. No corpus is
needed; `export.qat` makes a better int8 twin with one.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill.corpus.rows.streams import StreamRows
from distill.corpus.shards import Shard
from distill.files.checkpoint import Checkpoint
from distill.files.twin import Twin
from distill.speech.augment import Augment
from distill.students.spec import Baseline, Student
from distill.students.stream import HOP_SAMPLES, StreamStudent, fold_norms
from export.load.golden import golden_stretches
from export.quantise.grids import GELU_FLOOR, DynamicConv, GridConv, Int8Conv, Watcher, conv_shape
from export.quantise.keep import KEEP, KEEP_DYNAMIC
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import CheckpointError, ConfigError

ROW_S = 6.0
GOLDEN_ROWS = 24


def layer_names(student: Student, keep: Sequence[str] = KEEP) -> list[str]:
    """Names of the convolutions that int8 concerns, without those of `keep`; never a spectrum's, whose energies reach
    over five powers of ten."""
    names = [name for name, layer in student.named_modules() if isinstance(layer, nn.Conv2d)]
    names = [name for name in names if not name.startswith("spectrum.")]
    return [name for name in names if not any(name == kept or name.startswith(f"{kept}.") for kept in keep)]


def _folded(student: Student) -> Student:
    """A copy, its norms folded."""
    copied = copy.deepcopy(student).eval()
    if isinstance(copied, StreamStudent):
        fold_norms(copied)
    return copied


def with_grids(student: Student, keep: Sequence[str] = KEEP) -> Student:
    """A copy with folded norms whose convolutions watch what they see; float still. Raises `ConfigError` for a
    baseline, which nobody rounds."""
    if isinstance(student, Baseline):
        raise ConfigError(f"a {type(student).__name__} is a baseline to measure against: it stays in fp32")
    copied = _folded(student)
    for name in layer_names(copied, keep):
        parent, last = _parent(copied, name)
        conv = getattr(parent, last)
        first_of_two = last == "depth"
        behind_other = last == "conv" and isinstance(getattr(parent, "depth", None), GridConv)
        setattr(parent, last, GridConv(conv, not behind_other, None if first_of_two else _floor(copied, name)))
    return copied


def calibrate(student: Student, rows: Sequence[np.ndarray]) -> Student:
    """Let a student of `with_grids` watch `rows` (float32 `(n,)` each, 16 kHz), choose its grids and switch them on."""
    layers = [layer for layer in student.modules() if isinstance(layer, GridConv)]
    _equalise(student, rows)
    for row in rows:
        _run(student, row)
    for layer in layers:
        for watcher in layer.watchers():
            watcher.settle()
        layer.switch(True)
    return student


def _equalise(student: Student, rows: Sequence[np.ndarray]) -> None:
    """Tell every matrix how loud its input channels get; grids are chosen on what comes of that."""
    loudest: dict[GridConv, Tensor] = {}

    def listen(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, GridConv)
        sizes = inputs[0].abs().amax((0, 2, 3))
        loudest[layer] = torch.maximum(sizes, loudest.get(layer, sizes))

    matrices = [layer for layer in student.modules() if isinstance(layer, GridConv) and layer.matrix]
    hooks = [layer.register_forward_pre_hook(listen) for layer in matrices]
    for layer in student.modules():
        if isinstance(layer, Watcher):
            layer.deaf = True
    for row in rows:
        _run(student, row)
    for hook in hooks:
        hook.remove()
    for layer in student.modules():
        if isinstance(layer, Watcher):
            layer.deaf = False
    for layer, sizes in loudest.items():
        layer.equalise(sizes)


def freeze(student: Student) -> Student:
    """A copy of a calibrated student with int8 convolutions: what ships."""
    frozen = copy.deepcopy(student).eval()
    for name, layer in list(frozen.named_modules()):
        if isinstance(layer, GridConv):
            parent, last = _parent(frozen, name)
            setattr(parent, last, layer.frozen())
    return frozen


def quantise(student: Student, rows: Sequence[np.ndarray], keep: Sequence[str] = KEEP) -> Student:
    """The int8 student after post-training quantisation on `rows`."""
    return freeze(calibrate(with_grids(student, keep), rows))


def golden_rows(count: int = GOLDEN_ROWS) -> list[np.ndarray]:
    """Speech to calibrate on where there is no corpus: the golden stretches, degraded in `count` ways."""
    random, augment = np.random.default_rng(11), Augment(struck=0)
    stretches, rows = golden_stretches(), []
    for number in range(count):
        speech = stretches[-1 if number % 3 else 0]  # the sentence twice as often
        pause = np.zeros(int(random.uniform(0.1, 0.8) * SAMPLE_RATE_HZ), np.float32)
        row = np.concatenate([pause, speech])[: int(ROW_S * SAMPLE_RATE_HZ)]
        rows.append(whole_hops(augment(row, random) if number > 1 else row))
    return rows


def whole_hops(audio: np.ndarray) -> np.ndarray:
    """`audio` filled up with silence to whole hops."""
    return np.pad(audio, (0, -len(audio) % HOP_SAMPLES)).astype(np.float32)


def corpus_rows(shards: Sequence[Shard], augment: Augment, count: int = GOLDEN_ROWS) -> list[np.ndarray]:
    """Speech to calibrate on from a corpus: rows of many voices, as training hears them."""
    rows = StreamRows(shards, HOP_SAMPLES, 0, {}, augment)
    hops = int(ROW_S * SAMPLE_RATE_HZ) // HOP_SAMPLES
    audio = rows.batch(np.random.default_rng(12), count, hops).audio
    return [row[0] for row in audio]


def dynamic(student: Student, keep: Sequence[str] = KEEP_DYNAMIC) -> Student:
    """A copy with rounded weights, whose grids are chosen at every call; depthwise layers stay float."""
    copied = _folded(student)
    for name in layer_names(copied, keep):
        parent, last = _parent(copied, name)
        conv = getattr(parent, last)
        if not 1 < conv.groups == conv.in_channels:
            setattr(parent, last, DynamicConv.of(conv))
    return copied


def post_training(
    parent: Checkpoint,
    rows: Sequence[np.ndarray] = (),
    note: Mapping[str, Any] | None = None,
    keep: Sequence[str] = KEEP,
    precision: str = "int8",
) -> Twin:
    """The twin of `parent` by post-training quantisation on `rows`, or on golden speech; `dynamic` needs no speech."""
    training = {"recipe": "post-training quantisation", "precision": precision, "keep": list(keep)}
    if precision == "dynamic":
        return to_twin(parent, dynamic(parent.student(), keep), {**training, **(note or {})})
    rows = rows or golden_rows()
    return to_twin(parent, quantise(parent.student(), rows, keep), {**training, "rows": len(rows), **(note or {})})


def to_twin(parent: Checkpoint, frozen: Student, training: dict[str, Any]) -> Twin:
    """The file's content for an int8 student made from `parent`."""
    return Twin(parent.spec, dict(frozen.state_dict()), parent.weights_sha256, training)


def from_twin(parent: Checkpoint, twin: Twin) -> Student:
    """The int8 student of a twin that belongs to `parent`. Raises `CheckpointError` if its tensors do not fit."""
    student = parent.student()
    if isinstance(student, StreamStudent):
        fold_norms(student)
    state = twin.state
    try:
        for name, layer in list(student.named_modules()):
            if isinstance(layer, nn.Conv2d) and state[f"{name}.weight"].dtype == torch.int8:
                weight, scales, bias = (state[f"{name}.{part}"] for part in ("weight", "scales", "bias"))
                above, last = _parent(student, name)
                if (grids := state.get(f"{name}.grids")) is None:
                    setattr(above, last, DynamicConv(weight, scales, bias, conv_shape(layer)))
                    continue
                inverse = state.get(f"{name}.inverse")
                setattr(above, last, Int8Conv(weight, scales, bias, grids, conv_shape(layer), inverse))
        student.load_state_dict(state)
    except (KeyError, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"the int8 twin of {parent.spec.name} does not fit its student ({error}): make it again"
        ) from error
    return student.eval()


@torch.inference_mode()
def _run(student: Student, row: np.ndarray) -> None:
    """A row as the student takes it: a stream whole, a window student in windows a fifth of one apart."""
    audio = torch.from_numpy(row)[None, None]
    if isinstance(student, StreamStudent):
        student(audio)
        return
    size = student.window_samples
    windows = audio[0, 0].unfold(0, size, size // 5) if audio.shape[2] >= size else audio[0]
    student(windows[:, None])


def _floor(student: Student, name: str) -> float | None:
    """The value below which the activation behind layer `name` gives nothing; None where it has no such bound."""
    if name.split(".")[0] in ("linear", "fc3"):
        return None
    return 0.0 if getattr(student, "activation", "gelu") == "relu" else GELU_FLOOR


def _parent(student: nn.Module, name: str) -> tuple[nn.Module, str]:
    above, _, last = name.rpartition(".")
    return student.get_submodule(above), last
