"""Compiles C# by Mono or .NET, whichever is there, and starts it with the native library in reach."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CSHARP = ROOT / "runtime_examples" / "csharp"
BINDING = [CSHARP / "FrameStream.cs", CSHARP / "Native.cs", CSHARP / "Track.cs", CSHARP / "Crowd.cs"]
Compile = Callable[[str, list[Path]], list[str]]


def _by_mono(name: str, sources: list[Path], folder: Path) -> list[str]:
    made = folder / f"{name}.exe"
    flags = ["-unsafe", "-langversion:7.2", "-warn:4", "-warnaserror", f"-out:{made}"]
    done = subprocess.run(["mcs", *flags, *sources], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return ["mono", str(made)]


def _by_dotnet(name: str, sources: list[Path], folder: Path) -> list[str]:
    """With the project file of animate_wav, its list of files replaced."""
    text = (CSHARP / "animate_wav" / "animate_wav.csproj").read_text("utf-8")
    listed = ";".join(map(str, sources))
    text = text.replace("../FrameStream.cs;../Native.cs", listed)
    project = folder / name / f"{name}.csproj"
    project.parent.mkdir()
    project.write_text(text, "utf-8")
    done = subprocess.run(
        ["dotnet", "build", "-c", "Release", "-o", folder / f"{name}-out", project], capture_output=True, text=True,
        env={**os.environ, "DOTNET_CLI_TELEMETRY_OPTOUT": "1", "DOTNET_NOLOGO": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return ["dotnet", str(folder / f"{name}-out" / f"{name}.dll")]


def find_compiler(folder: Path) -> Compile | None:
    """What compiles named sources into a program in `folder` and gives the words that start it; None without tools."""
    if shutil.which("mcs") and shutil.which("mono"):
        return lambda name, sources: _by_mono(name, sources, folder)
    if shutil.which("dotnet"):
        return lambda name, sources: _by_dotnet(name, sources, folder)
    return None


def start(program: list[str], *words: object, libraries: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
    command = [*program, *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
