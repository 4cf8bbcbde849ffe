"""Student -> TorchScript `.pt`, traced and frozen: for tools and as a second opinion on the `.pte`.

    python -m export.torchscript --checkpoint checkpoints/s7.pt --precision int8 --out build/s7-int8.pt

`export.build` writes a float one beside every program; this writes one of any precision, sealed and verified. Both load
in libtorch and in torch without any package of ours, on any device that torch has. A rounded student keeps its weights
in int8; its integers and grids are those of its twin, and it multiplies them as floats that hold whole numbers.

Not by torch's own quantised convolutions, which give other numbers on other processors: oneDNN's grouped one is wrong
by whole grids where there is AMX, and without VNNI its sums of pairs of products stop at 16 bits.

TorchScript is deprecated in PyTorch; it works in 2.13, and nothing that ships in an engine should depend on it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from distill.files.checkpoint import Checkpoint
from distill.files.disk import atomic_open, check_writable
from export.deliver.manifest import manifest
from export.lower.torchscript import torchscript
from export.quantise.precision import PRECISIONS, points
from export.verify.proof import verify
from sdk.artifact import seal
from sdk.command import ending


def main(arguments: list[str] | None = None) -> int:

    parser = argparse.ArgumentParser(prog="python -m export.torchscript", description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--out", type=Path, required=True, help=".pt to write")
    options = parser.parse_args(arguments)
    with ending() as end:
        check_writable(options.out)
        checkpoint = Checkpoint.load(options.checkpoint)
        (point,) = points(options.checkpoint, checkpoint, options.precision)
        sealed = seal(torchscript(point.student), manifest(checkpoint, point, "torchscript", "cpu"))
        with tempfile.TemporaryDirectory() as folder:
            tried = Path(folder) / "model.pt"
            tried.write_bytes(sealed)
            errors = verify([tried], point.student)
        with atomic_open(options.out) as stream:
            stream.write(sealed)
        print(f"{options.out}: {len(sealed):,} bytes, off by {max(errors.values()):.1e} at most on golden speech")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
