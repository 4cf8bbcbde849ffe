"""BEAT, 3D-ETF and VOCASET by their folders, as clips: for who has them; none of them may be handed on.

    BEAT      ACTOR/NUMBER_ACTOR_LANGUAGE_EMOTION_....json + .wav     51 ARKit curves at 60 fps, in pieces of 10 s
    3D-ETF    *.npz or *.pkl of one pair each                         52 curves at 30 fps, from video
    VOCASET   vertices_npy/*.npy + wav/*.wav at 30 fps; or data_verts.npy with pickles at 60 fps     vertices of FLAME

Layouts are those that published loaders read (FaceDiffuser's `beat_split.py`, EmoTalk's batches, VOCA's and
CodeTalker's readers); nothing here was run on the sets themselves. A pickle may build arrays and plain containers, and
nothing else.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill.corpus.styled.clips import Clip
from distill.files.disk import load_mono, to_rate
from sdk.errors import DataError
from sdk.rig import ARKIT_52, RigLayout
from sdk.tools.limits import read_array, read_arrays, read_json_file

BEAT_EMOTIONS = (
    (65, "neutral"), (73, "happiness"), (81, "anger"), (87, "sadness"), (95, "contempt"), (103, "surprise"),
    (111, "fear"), (119, "disgust"),
)  # fmt: skip
BEAT_PIECE_S = 10.0
_FPS = 30
_PLAIN = {
    "numpy": {"ndarray", "dtype", "float32", "float64", "int32", "int64"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy.core.numeric": {"_frombuffer"},
    "numpy._core.numeric": {"_frombuffer"},
    "collections": {"OrderedDict", "defaultdict"},
    "_codecs": {"encode"},
    "builtins": {"dict", "list", "tuple", "set", "int", "float", "str", "bytes", "bool"},
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = {"__builtin__": "builtins"}.get(module, module)
        if name not in _PLAIN.get(module, ()):
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not an array or a plain container")
        return super().find_class(module, name)


def read_pickle(path: Path) -> Any:
    """What a pickle of arrays and plain containers holds, also one of Python 2. Raises `DataError` for any other."""
    try:
        with path.open("rb") as stream:
            return _Restricted(stream, encoding="latin1").load()
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror or error}") from error
    except Exception as error:  # a pickle is arbitrary bytes, and fails in as many ways
        raise DataError(f"{path}: this pickle is not opened: {error}") from error


def beat_emotion(number: int) -> str:
    """The emotion of a recording of BEAT by its number."""
    return next((name for below, name in BEAT_EMOTIONS if number < below), "neutral")


def beat_recordings(folder: Path, language: str = "0") -> list[Path]:
    """BEAT's animations below `folder`, sorted; language: as `beat_clips`."""
    fields = {path: path.stem.split("_") for path in sorted(folder.rglob("*.json"))}
    return [p for p, f in fields.items() if len(f) >= 4 and f[3].isdigit() and language in ("", f[2])]


def beat_clips(folder: Path, layout: RigLayout, language: str = "0") -> Iterator[Clip]:
    """Pieces of ten seconds of BEAT's recordings; language: the third field of their names, `0` English, empty for all.

    Raises `DataError` for a folder without any, or a recording that cannot be read.
    """
    paths = beat_recordings(folder, language)
    for path in paths:
        try:
            stored = read_json_file(path, DataError)
            names, frames = list(stored["names"]), stored["frames"]
            times = np.array([frame["time"] for frame in frames], dtype=np.float64)
            values = np.array([frame["weights"] for frame in frames], dtype=np.float32).reshape(len(times), len(names))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise DataError(f"{path}: no animation of BEAT: {error}") from error
        audio = load_mono(path.with_suffix(".wav"))
        motion = _resampled(_placed(values, names, layout), times - times[0])
        size = int(BEAT_PIECE_S * _FPS)
        for piece in range(max(len(motion) // size, 1)):
            sound = audio[int(piece * BEAT_PIECE_S * 16000) : int((piece + 1) * BEAT_PIECE_S * 16000)]
            name = f"{path.parent.name}_{path.stem}_{piece:02d}"
            part = motion[piece * size : (piece + 1) * size]
            yield Clip.made(name, path.parent.name, beat_emotion(int(path.stem.split("_")[3])), sound, part)
    _refuse_empty(bool(paths), folder, "ACTOR/NUMBER_ACTOR_LANGUAGE_EMOTION_*.json with weights (BEAT)")


def etf_clips(folder: Path, layout: RigLayout, names: Sequence[str] = ARKIT_52) -> Iterator[Clip]:
    """Pairs of 3D-ETF: `input12`, the sound of one text in another's mood, with `target12`, its curves; `level` and
    `person`, numbers or one-hot. names: of the curves, ARKit's in Live Link's order by default: check yours.

    Raises `DataError` for a folder without any, or a file that lacks one of these.
    """
    paths = sorted([*folder.rglob("*.npz"), *folder.rglob("*.pkl")])
    for path in paths:
        stored = read_pickle(path) if path.suffix == ".pkl" else read_arrays(path, DataError)
        lacking = [key for key in ("input12", "target12", "level", "person") if key not in stored]
        if lacking:
            raise DataError(f"{path}: no pair of 3D-ETF: it lacks {', '.join(lacking)}")
        motion = _placed(np.asarray(stored["target12"], np.float32).reshape(-1, len(names)), list(names), layout)
        person, level = _number(stored["person"]), _number(stored["level"])
        sound = np.asarray(stored["input12"], np.float32).reshape(-1)
        yield Clip.made(path.stem, f"person{person:02d}", f"level{level}", sound, motion)
    _refuse_empty(bool(paths), folder, "*.npz or *.pkl (3D-ETF)")


def vocaset_clips(folder: Path) -> Iterator[Clip]:
    """VOCASET's sentences, processed or raw; motion is vertices less the subject's template, flat: `(frames, 15069)`.

    Raises `DataError` for a folder that is neither.
    """
    if (folder / "vertices_npy").is_dir():
        yield from _vocaset_processed(folder)
    elif (folder / "data_verts.npy").exists():
        yield from _vocaset_raw(folder)
    else:
        _refuse_empty(False, folder, "vertices_npy/ or data_verts.npy (VOCASET)")


def _vocaset_processed(folder: Path) -> Iterator[Clip]:
    templates = read_pickle(folder / "templates.pkl")
    for path in sorted((folder / "vertices_npy").glob("*.npy")):
        subject = path.stem.rpartition("_sentence")[0]
        if subject not in templates:
            raise DataError(f"{path}: no template of {subject!r}; there are: {', '.join(map(str, templates))}")
        vertices = read_array(path, DataError).astype(np.float32)
        motion = vertices.reshape(len(vertices), -1) - np.asarray(templates[subject], np.float32).reshape(1, -1)
        yield Clip.made(path.stem, subject, "neutral", load_mono(folder / "wav" / f"{path.stem}.wav"), motion)


def _vocaset_raw(folder: Path) -> Iterator[Clip]:
    try:
        rows = np.load(folder / "data_verts.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:  # mapped: one that says more than it holds is none of these
        raise DataError(f"{folder / 'data_verts.npy'}: cannot read as an array: {error}") from error
    templates, audio, places = (
        read_pickle(folder / f"{name}.pkl") for name in ("templates", "raw_audio_fixed", "subj_seq_to_idx")
    )
    for subject in sorted(places):
        for sequence in sorted(places[subject]):
            picked = places[subject][sequence]
            every = [picked[frame] for frame in sorted(picked)][::2]  # 60 -> 30 frames a second
            sound = audio[subject][sequence]
            mono = np.asarray(sound["audio"], np.float32) / (
                32768 if np.asarray(sound["audio"]).dtype.kind == "i" else 1
            )
            vertices = np.asarray(rows[every], np.float32).reshape(len(every), -1)
            motion = vertices - np.asarray(templates[subject], np.float32).reshape(1, -1)
            yield Clip.made(
                f"{subject}_{sequence}", subject, "neutral", to_rate(mono, int(sound["sample_rate"]), 16000), motion
            )


SETS: dict[str, Callable[[Path, RigLayout], Iterator[Clip]]] = {
    "beat": beat_clips,
    "3d-etf": etf_clips,
    "vocaset": lambda folder, layout: vocaset_clips(folder),
}


def _placed(values: np.ndarray, names: list[str], layout: RigLayout) -> np.ndarray:
    """Curves `(N, len(names))` as `layout` orders them; channels that the set lacks stay neutral."""
    found = np.tile(np.array(layout.neutral, np.float32), (len(values), 1))
    known = [(i, layout.index(name)) for i, name in enumerate(names) if name in layout.names]
    if not known:
        raise DataError(f"none of its curves is a channel of this rig: {', '.join(names[:5])}, ...")
    for here, there in known:
        found[:, there] = values[:, here]
    return found


def _resampled(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """At 30 frames a second, linear between frames."""
    at = np.arange(max(int(np.floor(times[-1] * _FPS)) + 1, 1)) / _FPS
    return np.stack([np.interp(at, times, column) for column in values.T], 1).astype(np.float32)


def _number(value: Any) -> int:
    array = np.asarray(value).reshape(-1)
    return int(array.argmax()) if array.size > 1 else int(array[0])


def _refuse_empty(found: bool, folder: Path, what: str) -> None:
    if not found:
        raise DataError(f"{folder}: no {what} there")
