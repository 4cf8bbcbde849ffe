"""`tinyface retarget`: weights from our channels to your rig, from example pairs; and whether its lips still shut."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from sdk.errors import FaceError
from sdk.faces.face import CLOSED_CM, Face
from sdk.names.retarget import Retarget, fit, read_pairs
from sdk.rig import RigLayout
from sdk.sounds.recording import show
from sdk.tools.whole import whole_file

_EXAMPLES = """example:
  tinyface retarget pairs.json --out map.json --mesh head.glb
  tinyface animate speech.wav --mesh head.glb --map map.json --out spoken.glb

pairs.json holds the same expression twice, as often as you like:
  [{"channels": {"jawOpen": 1.0}, "controls": {"Jaw_Drop": 0.8, "Chin": 0.1}}, ...]
"""
_CLOSURES = ((0.05, 0.0), (0.15, 0.0), (0.3, 0.0), (0.15, 0.1))  # jaws that mouthClose has to undo; with funnel


def add_retarget(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The subcommand's options."""
    parser = commands.add_parser(
        "retarget", help="fit our channels to your rig", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("pairs", type=Path, help="JSON of example pairs")
    parser.add_argument("--out", type=Path, required=True, metavar="MAP.json")
    parser.add_argument("--mesh", type=Path, metavar="HEAD", help="your head: the lips' gap is measured on it")


def run_retarget(options: argparse.Namespace) -> None:
    """Run the command. Raises `RigError`, `FaceError`."""
    ours, theirs, controls = read_pairs(options.pairs)
    made = fit(ours, theirs, controls)
    with whole_file(options.out) as stream:
        stream.write(made.to_json().encode("utf-8"))
    errors = made.error(ours, theirs)
    worst = ", ".join(f"{controls[place]} {errors[place]:.3f}" for place in np.argsort(-errors)[:3])
    print(f"{show(options.out)}: {len(controls)} controls from {len(ours)} pairs; largest errors: {worst}")
    if options.mesh:
        print(said_of_lips(made, Face.from_file(options.mesh)))


def lip_gaps_cm(made: Retarget, face: Face) -> tuple[np.ndarray, float]:
    """Gaps of closures `(n,)` and of an open vowel, in cm, on a face whose shapes are the rig's controls."""
    arkit = RigLayout.arkit()
    shut = np.stack([arkit.vector({"jawOpen": jaw, "mouthClose": jaw, "mouthFunnel": f}) for jaw, f in _CLOSURES])
    both = np.concatenate([shut, arkit.vector({"jawOpen": 0.35})[None]])
    theirs = np.zeros((len(both), len(face.names)), np.float32)
    values = made.values(both, arkit)
    for column, control in enumerate(made.controls):
        if control in face.names:
            theirs[:, face.names.index(control)] = values[:, column]
    if not theirs.any():
        raise FaceError(f"this head has none of the controls; it has: {', '.join(face.names[:30])}")
    points = np.einsum("fk,kvx->fvx", theirs, face.deltas_cm[:, [face.upper_lip, face.lower_lip]])
    rest = face.neutral_cm[face.upper_lip, 1] - face.neutral_cm[face.lower_lip, 1]
    gaps = rest + points[:, 0, 1] - points[:, 1, 1]
    return gaps[:-1], float(gaps[-1])


def said_of_lips(made: Retarget, face: Face) -> str:
    """Whether lips that shut in ARKit shut on that rig, in one line."""
    shut, open_cm = lip_gaps_cm(made, face)
    stay = "THE LIPS STAY OPEN: give pairs in which mouthClose undoes jawOpen"
    verdict = "the lips shut" if shut.max() <= CLOSED_CM else stay
    closures = f"widest gap of {len(shut)} closures {shut.max():.2f} cm (shut is {CLOSED_CM})"
    return f"{verdict}: {closures}, of an open vowel {open_cm:.2f} cm"
