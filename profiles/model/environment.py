"""Where a profile was made: the processor, the system, the packages, and how busy the machine was just then."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path

from profiles.model.record import Environment

PACKAGES = ("torch", "executorch", "numpy", "openvino")
_ISA = ("sse4_2", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "asimddp", "sve")


def environment() -> Environment:
    """The machine that this runs on, now. What a platform does not tell is empty or None, never guessed."""
    cpuinfo = _read("/proc/cpuinfo")
    flags = set((_find(r"^(?:flags|Features)\s*:\s*(.*)$", cpuinfo) or "").split())
    memory_kb = _find(r"^MemTotal:\s+(\d+) kB", _read("/proc/meminfo"))
    clock_mhz = _find(r"^cpu MHz\s*:\s*(.*)$", cpuinfo)
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
        clock_ghz=round(float(clock_mhz) / 1000, 2) if clock_mhz else None,
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
    return versions


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
