"""Student -> TorchScript `.pt` of any precision, sealed and verified; how: `export/lower/torchscript.py`.

python -m export.torchscript --checkpoint checkpoints/s7.pt --precision int8 --out build/s7-int8.pt
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
from sdk.tools.command import ending
from sdk.tools.signature import unsign


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
            errors = verify({tried: point.student})
        unsign(options.out)
        with atomic_open(options.out) as stream:
            stream.write(sealed)
        print(f"{options.out}: {len(sealed):,} bytes, off by {max(errors.values()):.1e} at most on golden speech")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
