"""`tinyface head`: our head, or any face that is read here, as a GLB to put speech into."""

from __future__ import annotations

import argparse
from pathlib import Path

from sdk.faces.face import Face
from sdk.scenes.head import head_scene
from sdk.sounds.recording import show
from sdk.tools.whole import whole_file


def add_head(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The subcommand's options."""
    parser = commands.add_parser("head", help="write a head as GLB")
    parser.add_argument(
        "--face",
        type=Path,
        metavar="FILE",
        help="your face, .npz, .glb, .gltf or .vrm (else ours, with ARKit's 52 shapes)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.glb")


def run_head(options: argparse.Namespace) -> None:
    """Run the command. Raises `FaceError`."""
    face = Face.from_file(options.face) if options.face else Face.default()
    data = head_scene(face, options.out.stem).to_bytes()
    with whole_file(options.out) as stream:
        stream.write(data)
    print(f"{show(options.out)}: {len(face.neutral_cm):,} vertices, {len(face.names)} shapes, {len(data):,} bytes")
