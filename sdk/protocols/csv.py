"""Live Link Face CSV, as the iPhone app writes it and Unreal tools read it; and a reader for such files.

61 columns after timecode and count, in the app's own order, which is not that of its packets: here JawRight comes
before JawLeft and MouthRight before MouthLeft. A row whose count is 0 has no values: the face was lost, time went on.

The app's timecode counts 60 to the second whatever the capture rate: `HH:MM:SS:frame.subframe`. That is what
`PROTOCOL` writes. Bound to a rate from 15 to 60 (`at(fps)`) it steps by whole frames instead, as editors count:
30 to the second at 29.97, none dropped; and because such a count does not tell 29.97 from 30, one column more, the
last, carries the rate.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from sdk.clock import SAMPLE_RATE_HZ, FrameClock
from sdk.errors import ConfigError, RigError, few
from sdk.names.convert import check_scale
from sdk.names.orders import IPHONE_ORDER as COLUMNS
from sdk.names.orders import ROTATIONS, arkit_name, pascal
from sdk.protocols.base import FrameProtocol, values_by_arkit_name
from sdk.rig import ARKIT_52, Frame, RigLayout
from sdk.tools.limits import read_text

RATE_COLUMN = "FrameRate"
_TIMECODE_HZ = 60
_WHOLE_FRAMES = (15, 60)  # rates whose frames a timecode counts; at others it counts sixtieths
_OTHER_TIMECODES_HZ = (50, 48, 30, 25, 24)
_TIMECODE = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2}):(\d{1,3}(?:\.\d{1,9})?)")


def live_link_layout() -> RigLayout:
    """The 61 channels of Live Link Face: ARKit's 52 in their usual order, then head and eye rotations in radians."""
    low = (0.0,) * len(ARKIT_52) + (-float(np.pi),) * len(ROTATIONS)
    high = (1.0,) * len(ARKIT_52) + (float(np.pi),) * len(ROTATIONS)
    return RigLayout(ARKIT_52 + ROTATIONS, low, high)


@dataclass(frozen=True)
class LiveLinkFaceCsv:
    """See `FrameProtocol`; carries the 61 channels of `live_link_layout`, those that `layout` lacks as 0.

    fps: the rate whose frames the timecode counts; None counts sixtieths as the app does.
    """

    fps: Fraction | None = None

    def at(self, fps: Fraction) -> LiveLinkFaceCsv:
        """This for frames of that rate; rates outside 15 to 60 keep the app's sixtieths."""
        return LiveLinkFaceCsv(fps if _WHOLE_FRAMES[0] <= fps <= _WHOLE_FRAMES[1] else None)

    def header(self, layout: RigLayout, fps: Fraction) -> bytes:
        """The column names. Raises `RigError` for channels without a column, or of another scale."""
        homeless = [name for name in layout.names if arkit_name(name) not in COLUMNS]
        if homeless:
            raise RigError(
                f"Live Link Face CSV has no column for: {', '.join(homeless)}. Send a layout without them, or use jsonl"
            )
        check_scale(layout, "Live Link Face CSV")
        titles = [pascal(name) for name in COLUMNS] + ([RATE_COLUMN] if self.fps else [])
        return (",".join(["Timecode", "BlendShapeCount", *titles]) + "\n").encode("ascii")

    def encode(self, frame: Frame, layout: RigLayout) -> bytes:
        """One row, ten decimals as the app writes. Raises `RigError` if the frame lacks a channel of `layout`."""
        values = values_by_arkit_name(frame, layout)
        cells = [f"{values.get(name, 0.0):.10f}" for name in COLUMNS]
        time = _whole_timecode(frame.index, self.fps) if self.fps else _timecode(frame.sample)
        rate = [f"{float(self.fps):.10g}"] if self.fps else []
        return (",".join([time, str(len(COLUMNS)), *cells, *rate]) + "\n").encode("ascii")


PROTOCOL: FrameProtocol = LiveLinkFaceCsv()


@dataclass(frozen=True)
class Capture:
    """A recording: `values` `(rows, 61)` float32 in `layout` order, `times_s` `(rows,)` float64 since midnight.

    A file that carries its rate is counted in its frames: `fps`, and row k of timecode n sits at n / fps.

    `tracked` `(rows,)` is False where the face was lost; `values` then repeat the last row that was tracked (the next
    one at the start, neutral where there is none). Values are as measured, slightly beyond the layout's range at times.
    """

    layout: RigLayout
    values: np.ndarray
    times_s: np.ndarray
    tracked: np.ndarray
    fps: Fraction | None = None

    @property
    def samples(self) -> np.ndarray:
        """16 kHz sample of each row `(rows,)`, counted from midnight: what `encode` was given."""
        if self.fps:
            clock = FrameClock(self.fps)
            return np.array([clock.sample(frame) for frame in np.rint(self.times_s * float(self.fps)).astype(int)])
        samples: np.ndarray = np.rint(self.times_s * SAMPLE_RATE_HZ).astype(np.int64)
        return samples


def read_csv(path: Path | str, timecode_hz: int | None = None) -> Capture:
    """Read a Live Link Face CSV, every row of it; after timecode and count, columns are found by name.

    timecode_hz: how many timecode frames a second has; None takes the app's 60, unless the rows are more evenly spaced
    at another usual rate. Times keep growing over midnight. Raises `RigError` listing up to five bad rows.
    """
    try:
        text = read_text(Path(path), RigError)
        rows = [(number, row) for number, row in enumerate(csv.reader(io.StringIO(text)), 1) if row]
    except csv.Error as error:
        raise RigError(f"{path}: cannot read as CSV: {error}") from error
    layout = live_link_layout()
    order = _columns(path, rows[0][1] if rows else [], layout)
    values = np.zeros((len(rows) - 1, len(layout)), dtype=np.float32)
    tracked = np.zeros(len(rows) - 1, dtype=bool)
    clock, problems = [], []
    for at, (number, row) in enumerate(rows[1:]):
        match = _TIMECODE.fullmatch(row[0].strip())
        try:
            if not match:
                raise ValueError(f"{row[0]!r} is no timecode HH:MM:SS:frame.subframe")
            clock.append((int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3]), float(match[4])))
            tracked[at] = len(row) > 1 and int(row[1]) > 0
            if tracked[at]:
                values[at] = _numbers(row, order)
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    if problems:
        raise RigError(f"{path}: {few(problems)}")
    fps = _rate(path, rows) if timecode_hz is None else None
    times = _whole_seconds(clock, fps) if fps else _seconds(clock, timecode_hz)
    return Capture(layout, _held(values, tracked), times, tracked, fps)


def _timecode(sample: int) -> str:
    """A 16 kHz sample as timecode, to the nearest thousandth of 1/60 s: fine enough to give the sample back."""
    thousandths = (sample * _TIMECODE_HZ * 1000 + SAMPLE_RATE_HZ // 2) // SAMPLE_RATE_HZ
    seconds, rest = divmod(thousandths, _TIMECODE_HZ * 1000)
    return (
        f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
    )


def _whole_timecode(frame: int, fps: Fraction) -> str:
    """A frame's number as timecode without dropped frames: 29.97 counts 30 frames to its second."""
    seconds, rest = divmod(frame, round(fps))
    return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}.000"


def _rate(path: Path | str, rows: list[tuple[int, list[str]]]) -> Fraction | None:
    """The rate that the file carries, None for a file of the app. Raises `RigError` for one that is no rate."""
    titles = [title.strip().lower() for title in rows[0][1]]
    if RATE_COLUMN.lower() not in titles:
        return None
    place = titles.index(RATE_COLUMN.lower())
    cell = next((row[place] for _, row in rows[1:] if len(row) > place and row[place]), None)  # lost rows may be short
    if cell is None:
        return None
    try:
        return FrameClock.at(cell).fps
    except ConfigError as error:
        raise RigError(f"{path}: {error}") from None


def _whole_seconds(clock: list[tuple[int, float]], fps: Fraction) -> np.ndarray:
    """True seconds `(rows,)` of timecodes that count frames of `fps`; they go on over midnight."""
    number = np.array([second * round(fps) + frame for second, frame in clock], dtype=np.float64)
    day = 86400 * round(fps)
    number += day * np.cumsum(np.diff(number, prepend=number[0]) < -day / 2)
    seconds: np.ndarray = number / float(fps)
    return seconds


def _columns(path: Path | str, titles: list[str], layout: RigLayout) -> list[int]:
    """Where in a row each channel of `layout` stands. Raises `RigError` naming columns that are not there."""
    places = {title.strip().lower(): place for place, title in enumerate(titles)}
    lacking = [name for name in layout.names if name.lower() not in places]
    lacking += [name for place, name in enumerate(("timecode", "blendshapecount")) if places.get(name) != place]
    if lacking:
        raise RigError(f"{path}: not a Live Link Face CSV: no column for {', '.join(lacking)}")
    return [places[name.lower()] for name in layout.names]


def _numbers(row: list[str], order: list[int]) -> list[float]:
    if len(row) <= max(order):
        raise ValueError(f"{len(row)} cells where the header has more")
    numbers = [float(row[place]) for place in order]
    if not np.isfinite(numbers).all():
        raise ValueError("NaN or infinite values")
    return numbers


def _held(values: np.ndarray, tracked: np.ndarray) -> np.ndarray:
    """Rows that were not tracked take the last tracked row's values, at the start the first one's."""
    rows = np.flatnonzero(tracked)
    if not len(rows):
        return values
    last = np.maximum.accumulate(np.where(tracked, np.arange(len(values)), -1))
    held: np.ndarray = values[np.where(last < 0, rows[0], last)]
    return held


def _seconds(clock: list[tuple[int, float]], timecode_hz: int | None) -> np.ndarray:
    """Times in seconds from (whole seconds, timecode frames); 24 h more after each midnight."""
    if not clock:
        return np.zeros(0)
    seconds, frames = (np.array(column, dtype=np.float64) for column in zip(*clock, strict=True))
    seconds += 86400.0 * np.cumsum(np.diff(seconds, prepend=seconds[0]) < -43200)
    if timecode_hz is None:

        def unevenness(hz: int) -> float:
            steps = np.diff(seconds + frames / hz)
            return round(float(np.abs(steps - np.median(steps)).sum()), 3) if len(steps) else 0.0

        timecode_hz = min([_TIMECODE_HZ, *(hz for hz in _OTHER_TIMECODES_HZ if frames.max() < hz)], key=unevenness)
    times: np.ndarray = seconds + frames / timecode_hz
    return times
