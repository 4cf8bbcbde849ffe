"""The command `tinyface`, and `python -m sdk`, which is the same: `animate`, `live`, `devices`, `info`, `card`,
`head`, `retarget`, `key`, `sign`.

Exit status: 0 done, 2 a mistake that the message explains, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from sdk.artifact import open_artifact
from sdk.cli.animate import add_animate, run_animate
from sdk.cli.head import add_head, run_head
from sdk.cli.info import show_devices, show_info
from sdk.cli.live import add_live, run_live
from sdk.cli.retarget import add_retarget, run_retarget
from sdk.cli.sign import add_sign, run_key, run_sign
from sdk.tools.card import card
from sdk.tools.command import ending

_EXAMPLES = """examples:
  tinyface animate speech.wav --mesh head.glb --out spoken.glb
  tinyface live --mic --to livelink://127.0.0.1:11111
  tinyface devices
  tinyface info build/demo/model.pte
`tinyface COMMAND --help` has more.
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = argparse.ArgumentParser(
        prog="tinyface", description="Speech audio in, face-rig frames out.", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_animate(commands)
    add_live(commands)
    commands.add_parser("devices", help="list microphones and players")
    info = commands.add_parser("info", help="print what an artefact says about itself")
    info.add_argument("artefact", type=Path)
    info.add_argument("--json", action="store_true", help="print the manifest as JSON")
    card_of = commands.add_parser("card", help="print an artefact's model card, as Markdown")
    card_of.add_argument("artefact", type=Path)
    add_head(commands)
    add_retarget(commands)
    add_sign(commands)
    return whole


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Words may stand before, between and behind the options, which argparse alone does not take."""
    whole = parser()
    chosen, rest = whole.parse_known_args(arguments)
    if rest and (not hasattr(chosen, "words") or any(word.startswith("-") and word != "-" for word in rest)):
        whole.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        chosen.words = [*chosen.words, *rest]
    return chosen


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status. Errors of ours become a line on stderr, never a traceback."""
    for stream in (sys.stdout, sys.stderr):  # a console that cannot show a letter shows its number
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    chosen = _parsed(arguments)
    try:
        with ending() as end:
            if chosen.command == "info":
                show_info(chosen.artefact, chosen.json)
            elif chosen.command == "card":
                print(card(open_artifact(chosen.artefact)), end="")
            elif chosen.command == "devices":
                show_devices()
            else:
                doing = {
                    "animate": run_animate, "live": run_live, "head": run_head, "retarget": run_retarget,
                    "key": run_key, "sign": run_sign,
                }  # fmt: skip
                doing[chosen.command](chosen)
            sys.stdout.flush()
    except BrokenPipeError:  # `tinyface info ... | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return end.status


if __name__ == "__main__":
    sys.exit(main())
