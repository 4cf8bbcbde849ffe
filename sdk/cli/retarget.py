"""`tinyface retarget`: weights from our channels to your rig, from example pairs; and whether its lips still shut."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from sdk.errors import ConfigError
from sdk.faces.face import CLOSED_CM
from sdk.names.retarget import fit, read_pairs
from sdk.rig import RigLayout
from sdk.scenes.rigged import RiggedHead, shut_as_ours
from sdk.sounds.recording import show
from sdk.tools.whole import whole_file

_EXAMPLES = """example:
  tinyface retarget pairs.json --out map.json --mesh head.glb --shut
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
    parser.add_argument(
        "--shut", action="store_true", help="more of what shuts the lips, where yours shut less than ours"
    )


def run_retarget(options: argparse.Namespace) -> None:
    """Run the command. Raises `RigError`, `FaceError`."""
    ours, theirs, controls = read_pairs(options.pairs)
    made, head = fit(ours, theirs, controls), None
    if options.shut and not options.mesh:
        raise ConfigError("--shut measures the lips on your head: give --mesh HEAD too")
    if options.mesh:
        head = RiggedHead.read(options.mesh, made.to_map())
    if head and options.shut:
        made = shut_as_ours(made, head)
        head = RiggedHead.read(options.mesh, made.to_map())
    with whole_file(options.out) as stream:
        stream.write(made.to_json().encode("utf-8"))
    errors = made.error(ours, theirs)
    worst = ", ".join(f"{controls[place]} {errors[place]:.3f}" for place in np.argsort(-errors)[:3])
    print(f"{show(options.out)}: {len(controls)} controls from {len(ours)} pairs; largest errors: {worst}")
    if head:
        print(said_of_lips(head))


def lip_gaps_cm(head: RiggedHead) -> tuple[np.ndarray, float]:
    """Gaps of closures `(n,)` and of an open vowel, in cm, on a head whose shapes are the rig's controls."""
    arkit = RigLayout.arkit()
    shut = [arkit.vector({"jawOpen": jaw, "mouthClose": jaw, "mouthFunnel": f}) for jaw, f in _CLOSURES]
    gaps = head.gap_cm(np.stack([*shut, arkit.vector({"jawOpen": 0.35})]), arkit)
    return gaps[:-1], float(gaps[-1])


def said_of_lips(head: RiggedHead) -> str:
    """Whether lips that shut in ARKit shut on that rig, in one line."""
    shut, open_cm = lip_gaps_cm(head)
    stay = "THE LIPS STAY OPEN: give pairs in which mouthClose undoes jawOpen, or --shut"
    verdict = "the lips shut" if shut.max() <= CLOSED_CM else stay
    closures = f"widest gap of {len(shut)} closures {shut.max():.2f} cm (shut is {CLOSED_CM})"
    return f"{verdict}: {closures}, of an open vowel {open_cm:.2f} cm"
