"""Where a profile was made: the processor, the system, the packages, and how busy the machine was just then."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from functools import cache
from importlib import metadata
from pathlib import Path

import sdk
from profiles.model.record import OUR_SOURCES, Environment

_ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("torch", "executorch", "numpy", "openvino")
_ISA = ("sse4_2", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "asimddp", "sve")


def environment() -> Environment:
    """The machine that this runs on, now. What a platform does not tell is empty or None, never guessed."""
    cpuinfo = _read("/proc/cpuinfo")
    flags = set((_find(r"^(?:flags|Features)\s*:\s*(.*)$", cpuinfo) or "").split())
    memory_kb = _find(r"^MemTotal:\s+(\d+) kB", _read("/proc/meminfo"))
    # /proc/cpuinfo tells what the core runs at just now, and it is idle just now
    highest_khz = _read("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").strip()
    clock_mhz = float(highest_khz or 0) / 1000 or float(_find(r"^cpu MHz\s*:\s*(.*)$", cpuinfo) or 0)
    system = _find(r'^PRETTY_NAME="?([^"\n]*)', _read("/etc/os-release")) or platform.system()
    return Environment(
        machine=platform.machine(),
        cpu=_find(r"^(?:model name|Model)\s*:\s*(.*)$", cpuinfo) or platform.processor() or "unknown",
        isa=[name for name in _ISA if name in flags],
        cores=available_cores(),
        memory_bytes=int(memory_kb) * 1024 if memory_kb else None,
        system=f"{system}, {platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions=_versions(),
        load_average=list(os.getloadavg()) if hasattr(os, "getloadavg") else [],
        clock_ghz=round(clock_mhz / 1000, 2) if clock_mhz else None,
        governor=_read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None,
        gpu=_gpu(),
    )


def available_cores() -> int:
    """Processor cores that this process may use: not more than the system has, fewer under an affinity mask."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    # a version of ours stays for weeks while its lines change, and a slower line is what a comparison is to find
    return versions | {"tinyface": sdk.__version__, OUR_SOURCES: sources_sha256("sdk")[:16]}


@cache
def sources_sha256(*places: str) -> str:
    """SHA-256 of all Python code below these folders of the project: with a changed line it is other code."""
    found = hashlib.sha256()
    for path in sorted(path for place in places for path in (_ROOT / place).rglob("*.py")):
        found.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def _gpu() -> str | None:
    try:
        import torch
    except ImportError:
        return None
    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _find(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1].strip() if found else None
