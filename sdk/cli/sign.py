"""`tinyface key` and `sign`: who made an artefact, told to those who play it."""

from __future__ import annotations

import argparse
from pathlib import Path

from sdk.artifact import open_artifact
from sdk.tools.signature import make_key, public_of, sign


def add_sign(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of both commands."""
    key = commands.add_parser("key", help="make a private key to sign with, and print its public one")
    key.add_argument("private", type=Path, help="file of the private key: made if it is not there. Keep it to yourself")
    signing = commands.add_parser("sign", help="sign an artefact: FILE.sig beside it; players demand it by --key")
    signing.add_argument("artefact", type=Path)
    signing.add_argument("--with", dest="private", type=Path, required=True, metavar="PRIVATE", help="from `key`")


def run_key(options: argparse.Namespace) -> None:
    """Print the public key. Raises errors whose words the user is shown."""
    print(public_of(options.private) if options.private.exists() else make_key(options.private))


def run_sign(options: argparse.Namespace) -> None:
    """Write the signature, and print how a player asks for it. Raises errors whose words the user is shown."""
    made = sign(open_artifact(options.artefact), options.private)
    print(f"{made}: signed; players check it by --key {public_of(options.private)}")
