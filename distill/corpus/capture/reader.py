"""Captured faces with their speech: recordings with curves beside them, for teachers that learn from real faces.

    NAME.wav   NAME.csv                              Live Link Face (52 shapes, 9 rotations, timecode), or columns
                                                     `time` (seconds) and one a channel
    NAME.wav   NAME.npy, and channels.txt            (frames, channels) at `NPY_FPS`; the names, one a line, beside it
    wav/NAME.flac   bs_value/bs_value_NAME.npy       FACEGOOD, with its *_bs_name.npy; mapped to ARKit

Curves begin with their recording. A pair that does not fit (lengths, NaN, a clock that stands or goes back, a missing
column) is refused by name: a label that is shifted teaches the wrong face.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from distill.corpus.capture.facegood import to_arkit
from distill.corpus.shards import LABEL_HZ, Shard, digest_of
from distill.files.disk import find_audio, load_mono
from distill.files.pcm import to_int16
from distill.teachers.track import RigTrack
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import DataError, RigError
from sdk.protocols.csv import read_csv
from sdk.rig import ARKIT_52, RigLayout
from sdk.tools.limits import FASTEST_LABELS_HZ, MOST_LABEL_FRAMES, read_array, read_text

NPY_FPS = 30
TOLERANCE_S = 0.5
_LOST_S = 0.2  # a face that is lost for longer is cut out; a shorter gap is bridged
_LEAST_S = 1.0
_FACEGOOD, _FACEGOOD_NAMES = "bs_value_", "*_bs_name.npy"


@dataclass(frozen=True)
class Capture:
    """One recording with its face: `audio` float32 `(n,)` at 16 kHz, `track` from its first sample on, and which of
    the track's rows were seen (`tracked` `(N,)`)."""

    name: str
    audio: np.ndarray
    track: RigTrack
    tracked: np.ndarray


def read_captures(folder: Path, leave_out: Sequence[str] = (), tolerance_s: float = TOLERANCE_S) -> list[Capture]:
    """All recordings below `folder` that have curves, less those named in `leave_out` (`1114_2_04`, or its end `2_04`).

    Raises `DataError`: no pair at all, a left-out name that fits none, curves that cannot be read, and lengths that
    differ from the recording's by more than `tolerance_s`.
    """
    pairs = {path.stem: (path, curves) for path in find_audio(folder) if (curves := _curves_of(path, folder))}
    if not pairs:
        raise DataError(f"{folder}: no recording with curves; there must be NAME.csv or NAME.npy for a NAME.wav")
    out = {word: [name for name in pairs if name == word or name.endswith(f"_{word}")] for word in leave_out}
    if unknown := [word for word, names in out.items() if not names]:
        raise DataError(f"{folder}: nothing to leave out called {', '.join(unknown)}; there are: {', '.join(pairs)}")
    kept = [name for name in pairs if not any(name in names for names in out.values())]
    return [pair(*pairs[name], folder, tolerance_s) for name in kept]


def pair(audio: Path, curves: Path, folder: Path, tolerance_s: float = TOLERANCE_S) -> Capture:
    """A recording and its curves. Raises `DataError` if they differ in length by more than `tolerance_s`."""
    track, tracked = read_curves(curves, folder)
    sound = load_mono(audio)
    seconds = len(sound) / SAMPLE_RATE_HZ
    if abs(seconds - track.duration_s) > tolerance_s:
        raise DataError(
            f"{curves}: curves of {track.duration_s:.2f} s for a recording of {seconds:.2f} s ({audio.name}): they "
            f"differ by more than {tolerance_s} s. Cut both to the same take"
        )
    return Capture(audio.stem, sound, track, tracked)


def read_curves(path: Path, folder: Path | None = None) -> tuple[RigTrack, np.ndarray]:
    """The track of a curves file, values clamped to their ranges, and which rows were seen `(N,)`.

    folder: where names of npy channels are looked for, beside the file's own. Raises `DataError`.
    """
    if path.suffix == ".csv":
        header = read_text(path, DataError).partition("\n")[0].lower()
        return read_live_link(path) if header.startswith("timecode") else _read_columns(path)
    values = read_array(path, DataError)
    if path.stem.startswith(_FACEGOOD):
        names, values = to_arkit(_facegood_names(path, folder), _checked(path, values))
    else:
        names = _channels_file(path)
    if values.ndim != 2 or values.shape[1] != len(names):
        raise DataError(f"{path}: an array of shape {values.shape} does not hold {len(names)} channels a frame")
    track = _track(_checked(path, values), Fraction(NPY_FPS), names)
    return track, np.ones(len(values), dtype=bool)


def read_live_link(path: Path) -> tuple[RigTrack, np.ndarray]:
    """ARKit's 52 channels of a Live Link Face CSV at its own rate, from its first row on; and which rows were tracked.

    Rows without a face are bridged linearly. Raises `DataError`: columns missing, NaN, fewer than two rows with a
    face, a timecode that stands or goes back.
    """
    try:
        read = read_csv(path)
    except RigError as error:
        raise DataError(str(error)) from error
    seen = read.tracked
    if seen.sum() < 2:
        raise DataError(f"{path}: only {int(seen.sum())} of its {len(seen)} rows show a face; record it again")
    steps = np.diff(read.times_s)
    if (steps <= 0).any():
        row = int(np.argmax(steps <= 0)) + 1
        raise DataError(
            f"{path}: the timecode of row {row + 1} is not after the one before it ({-steps[row - 1]:.3f} s back): "
            "the take was joined or sorted wrongly. Split it there"
        )
    times = read.times_s - read.times_s[0]
    fps, at = _even(path, times)
    values = read.layout.select(read.values, ARKIT_52)[seen]
    curves = np.stack([np.interp(at, times[seen], column) for column in values.T], 1)
    nearest = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
    nearest -= (at - times[nearest - 1]) < (times[nearest] - at)
    return _track(curves, fps, list(ARKIT_52)), seen[nearest]


def _read_columns(path: Path) -> tuple[RigTrack, np.ndarray]:
    """A CSV of `time` in seconds and a column a channel."""
    try:
        rows = [row for row in csv.reader(io.StringIO(read_text(path, DataError), newline="")) if row]
    except csv.Error as error:
        raise DataError(f"{path}: cannot read as CSV: {error}") from error
    titles = [title.strip() for title in rows[0]] if rows else []
    if len(titles) < 2 or titles[0].lower() != "time":
        raise DataError(f"{path}: its columns must be `time` and the channels, or Live Link Face's; they are: {titles}")
    try:
        table = np.array([[float(cell) for cell in row] for row in rows[1:]], dtype=np.float64).reshape(-1, len(titles))
    except ValueError as error:
        raise DataError(f"{path}: rows of other lengths, or cells that are no numbers: {error}") from error
    if len(table) < 2:
        raise DataError(f"{path}: {len(table)} rows are no animation")
    table = _checked(path, table)
    steps = np.diff(table[:, 0])
    if (steps <= 0).any():
        row = int(np.argmax(steps <= 0)) + 1
        raise DataError(f"{path}: time stands or goes back at row {row + 1} ({table[row, 0]} s)")
    fps, at = _even(path, table[:, 0])
    canonical = {name.lower(): name for name in ARKIT_52}
    names = [canonical.get(title.lower(), title) for title in titles[1:]]
    curves = np.stack([np.interp(at, table[:, 0], column) for column in table[:, 1:].T], 1)
    return _track(curves, fps, names), np.ones(len(curves), dtype=bool)


def _even(path: Path, times: np.ndarray) -> tuple[Fraction, np.ndarray]:
    """The rate of rows at `times`, seconds that go forward, and the even times up to the last one.

    Raises `DataError` before anything of that size is made: a gap in time would be filled with hours of curves.
    """
    hz = 1 / float(np.median(np.diff(times)))
    if not 0.5 <= hz <= FASTEST_LABELS_HZ:
        raise DataError(f"{path}: {hz:.3g} rows a second; curves come at 1 to {FASTEST_LABELS_HZ}")
    fps, last = Fraction(round(hz)), float(times[-1])
    if not 0 <= last * float(fps) <= min(MOST_LABEL_FRAMES, 100 * len(times) + 3600 * float(fps)):
        raise DataError(f"{path}: its {len(times)} rows reach to {last:,.0f} s: there is a gap in time. Split it there")
    return fps, np.arange(round(last * float(fps)) + 1) / float(fps)


def to_shard(captures: Sequence[Capture], layout: RigLayout, longest_s: float = 8.0) -> Shard:
    """The captures as a shard in memory, in utterances of at most `longest_s` that end where it is quiet.

    Where a face was lost, the recording is cut. Channels of `layout` that a capture lacks stay neutral. Raises
    `DataError` for a capture that has none of them, and if nothing is left.
    """
    audio, rigs, names, speakers = [], [], [], []
    for capture in captures:
        track, theirs = capture.track, capture.track.layout.names
        shared = [name for name in layout.names if name in theirs]
        if not shared:
            raise DataError(f"{capture.name}: none of its channels is of this rig: {', '.join(theirs)}")
        for number, (start, stop) in enumerate(_utterances(capture, longest_s)):
            times = np.arange(-(-(stop - start) * LABEL_HZ // SAMPLE_RATE_HZ)) / LABEL_HZ + start / SAMPLE_RATE_HZ
            rig = np.tile(np.array(layout.neutral, np.float32), (len(times), 1))
            rig[:, [layout.index(name) for name in shared]] = track.layout.select(track.at(times), shared)
            audio.append(to_int16(capture.audio[start:stop]))
            rigs.append(layout.clamp(rig).astype(np.float16))
            names.append(f"{capture.name}-{number:03d}")
            speakers.append(capture.name)
    if not audio:
        raise DataError("no capture is left to learn from: all were left out, or their faces lost")
    sound, curves = np.concatenate(audio), np.concatenate(rigs)
    return Shard(
        Path("train-captured-000.npz"), sound, np.cumsum([0] + [len(a) for a in audio]),
        curves, np.cumsum([0] + [len(r) for r in rigs]), layout, ["[]"] * len(names),
        speakers, names, teacher="capture", digest=digest_of((sound, curves)),
    )  # fmt: skip


def _utterances(capture: Capture, longest_s: float) -> Iterator[tuple[int, int]]:
    """(start, stop) samples of the stretches in which the face was seen, cut at the quietest moments."""
    block = SAMPLE_RATE_HZ // 20
    longest = int(min(longest_s * SAMPLE_RATE_HZ, len(capture.audio)))
    for start, stop in _seen(capture):
        while stop - start > longest:
            quiet = capture.audio[start + longest // 2 : start + longest]
            loud = np.square(quiet[: len(quiet) // block * block]).reshape(-1, block).mean(1)
            cut = start + longest // 2 + int(loud.argmin()) * block + block // 2
            yield start, cut
            start = cut
        if stop - start >= _LEAST_S * SAMPLE_RATE_HZ:
            yield start, stop


def _seen(capture: Capture) -> Iterator[tuple[int, int]]:
    """(start, stop) samples of what is tracked, gaps of up to `_LOST_S` included."""
    fps, end = float(capture.track.fps), min(len(capture.audio), int(capture.track.duration_s * SAMPLE_RATE_HZ))
    lost = np.flatnonzero(np.diff(np.concatenate([[0], (~capture.tracked).astype(np.int8), [0]]))).reshape(-1, 2)
    start = 0
    for first, behind in lost / fps:
        if behind - first > _LOST_S:
            yield start, min(int(first * SAMPLE_RATE_HZ), end)
            start = int(behind * SAMPLE_RATE_HZ)
    yield start, max(end, start)


def _curves_of(audio: Path, folder: Path) -> Path | None:
    """The curves of a recording: beside it, or FACEGOOD's anywhere below `folder`."""
    beside = [path for path in (audio.with_suffix(".csv"), audio.with_suffix(".npy")) if path.exists()]
    return next(iter([*beside, *sorted(folder.rglob(f"{_FACEGOOD}{audio.stem}.npy"))]), None)


def _facegood_names(path: Path, folder: Path | None) -> list[str]:
    roots = [folder or path.parent, path.parent, path.parent.parent]
    found = next((file for root in roots for file in sorted(root.glob(_FACEGOOD_NAMES))), None)
    if found is None:
        raise DataError(f"{path}: no {_FACEGOOD_NAMES} with the names of its channels near it")
    return [str(name) for name in read_array(found, DataError)]


def _channels_file(path: Path) -> list[str]:
    file = next((f for f in (path.with_suffix(".txt"), path.parent / "channels.txt") if f.exists()), None)
    if file is None:
        raise DataError(f"{path}: no {path.stem}.txt or channels.txt beside it that names its channels, one a line")
    return [line.strip() for line in read_text(file, DataError).splitlines() if line.strip()]


def _checked(path: Path, values: np.ndarray) -> np.ndarray:
    bad = ~np.isfinite(np.asarray(values, dtype=np.float64))
    if bad.any():
        first = int(np.argwhere(bad)[0][0])
        raise DataError(f"{path}: NaN or infinite in {int(bad.sum())} places, first in row {first}")
    return values


def _track(values: np.ndarray, fps: Fraction, names: list[str]) -> RigTrack:
    layout = RigLayout(tuple(names))
    return RigTrack(layout.clamp(values), fps, layout)
