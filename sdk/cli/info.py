"""`tinyface info`, `card` and `devices`: what an artefact says about itself, and what can be heard and played here."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from sdk.artifact import open_artifact
from sdk.clock import FrameClock
from sdk.latency import Latency
from sdk.manifest import Manifest
from sdk.tools.card import NORMALISATION, flat
from sdk.tools.command import plain, quietly


def show_info(path: Path, as_json: bool) -> None:
    """Print the manifest, as a table or as JSON. Raises what opening an artefact raises."""
    artifact = open_artifact(path)
    manifest = artifact.manifest
    if as_json:
        print(json.dumps(json.loads(manifest.to_json()), indent=2, ensure_ascii=False))
        return
    clock = FrameClock(manifest.frame_rate)
    latency = Latency.of(clock, manifest.timing, ensemble=bool(manifest.ensemble))
    sees = f"{manifest.window_samples} samples, {manifest.timing.future_ms:g} ms of future"
    if manifest.kind == "stream":
        floats = sum(math.prod(shape) for shape in manifest.state)
        sees = f"hops of {sees}, state of {4 * floats:,} bytes a voice, crowds of {manifest.crowd_voices or 1}"
    rows: list[tuple[str, Any]] = [
        ("artefact", path),
        ("student", f"{manifest.student} ({manifest.kind}), {manifest.parameters:,} parameters, {manifest.precision}"),
        ("runs on", f"{manifest.runtime}, {manifest.backend}"),
        ("file", f"{path.stat().st_size:,} bytes, of which program {artifact.program_bytes:,}"),
        ("sha256", artifact.sha256),
        ("weights", manifest.weights_sha256),
        ("sees", sees),
        ("frames", f"{float(manifest.frame_rate):g} a second"),
        ("ensemble", ", ".join(f"{weight:.4g}" for weight in manifest.ensemble) or "none"),
        ("latency", f"{latency.total_ms:.1f} ms at 16 kHz, plus the caller's chunk and the inference"),
        ("history", manifest.history),
        ("normalisation", NORMALISATION),
        ("channels", f"{len(manifest.names)}, least to most (at rest): {_channels(manifest)}"),
        ("schema", manifest.schema),
    ]
    for title, facts in (("tool", manifest.tools), ("training", manifest.training), ("score", manifest.scores)):
        rows += [(f"{title} {name}", value) for name, value in flat(facts)]
    width = max(len(title) for title, _ in rows)
    for title, value in rows:
        print(f"{plain(title):<{width}}  {plain(value)}")


def _channels(manifest: Manifest) -> str:
    """Names with their ranges; ranges alike are told once, behind the last name that has them."""
    groups: list[tuple[str, list[str]]] = []
    for name, low, high, rest in zip(manifest.names, manifest.minimum, manifest.maximum, manifest.neutral, strict=True):
        words = f"{low:g} to {high:g} ({rest:g})"
        if groups and groups[-1][0] == words:
            groups[-1][1].append(name)
        else:
            groups.append((words, [name]))
    return "; ".join(f"{', '.join(names)}: {words}" for words, names in groups)


def show_devices() -> None:
    """Print microphones and players. Raises `EngineUnavailable` without PyAudio."""
    from sdk.live.microphone import list_devices, pyaudio_module

    with quietly():
        port = pyaudio_module().PyAudio()
    try:
        devices = list_devices(port)
    finally:
        port.terminate()
    for title, playing in (("microphones (live --mic NAME)", False), ("players (live --play NAME)", True)):
        able = [device for device in devices if (device.outputs if playing else device.inputs)]
        print(f"{title}:" if able else f"{title}: none")
        for device in able:
            first = device.default_output if playing else device.default_input
            mark = "*" if first else " "
            print(f"{mark} {device.index:3d}  {device.name}  ({device.host}, {device.rate_hz} Hz)")
