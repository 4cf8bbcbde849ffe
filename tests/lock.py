"""What CI can install to the byte: each package of `make setup` with its version and the SHA-256 of the file that fits.

    python -m tests.lock            make lock

uv resolves (extra `supply`), and of the files it names those are kept that fit this Python on this system, so the lock
holds for the platform that it was made on: CPython 3.11 on x86-64 Linux, where CI runs, with torch for the CPU. On any
other `make setup` installs what pyproject.toml asks for. `tests/contracts/test_lock.py` fails where the two part.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / ".ci" / "requirements.lock"
EXTRAS = ("train", "corpus", "export", "viewer", "profile", "native", "dev")  # as the Makefile's `setup`
_ABOUT = """\
# Made by `make lock`: what `make setup LOCKED=1` installs with `pip install --require-hashes`.
# For CPython 3.11 on x86-64 Linux, with torch for the CPU.
"""


def resolved(wheels: list[str]) -> list[dict[str, Any]]:
    """The packages of all `EXTRAS`, as uv's `pylock.toml` lists them. wheels: folders with more files."""
    import tomllib

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "pylock.toml"
        words = [sys.executable, "-m", "uv", "pip", "compile", "-q", "--python", sys.executable, "pyproject.toml"]
        words += ["--format", "pylock.toml", "-o", str(out)]
        words += [word for extra in EXTRAS for word in ("--extra", extra)]
        words += [word for place in wheels for word in ("--find-links", place)]
        subprocess.run(words, cwd=ROOT, check=True)
        packages: list[dict[str, Any]] = tomllib.loads(out.read_text("utf-8"))["packages"]
        return packages


def line(package: dict[str, Any], fitting: frozenset[Any]) -> str:
    """One requirement with the hashes of its wheels that fit, or of its source where there are none."""
    name, version = package["name"], package["version"]
    wheels = [package["archive"]] if "archive" in package else package.get("wheels", [])
    files = [one for one in wheels if fitting & parse_wheel_filename(_file_name(one))[3]]
    files = files or [package["sdist"]]
    hashes = sorted(one["hashes"]["sha256"] for one in files)
    return " \\\n    ".join([f"{name}=={version}", *(f"--hash=sha256:{one}" for one in hashes)])


def _file_name(file: dict[str, Any]) -> str:
    from urllib.parse import unquote

    return unquote(str(file.get("name") or file.get("url") or file["path"])).rpartition("/")[2]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lock", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--find-links", nargs="*", default=os.environ.get("PIP_FIND_LINKS", "").split(),
        help="folders with wheels besides the registry's; those that pip is told of",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    fitting = frozenset(sys_tags())
    lines = [line(package, fitting) for package in resolved(options.find_links)]
    LOCK.write_text(_ABOUT + "\n".join(sorted(lines)) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
