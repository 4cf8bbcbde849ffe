"""A sound card that is not there: PulseAudio with a null sink, whose monitor PortAudio has as the device `cable`."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SINK = ("module-null-sink", "sink_name=cable", "rate=48000", "channels=1")


def lacking() -> str:
    """What is not here of what this needs, or nothing."""
    for program in ("pulseaudio", "pactl", "paplay"):
        if not shutil.which(program):
            return f"no {program} here"
    plugins = [
        *Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"),
        *Path("/usr/lib/alsa-lib").glob("*pulse*"),
    ]
    if not plugins or not Path("/usr/share/alsa/alsa.conf").exists():
        return "no ALSA plugin for PulseAudio here"
    try:
        import pyaudio  # noqa: F401
    except (ImportError, OSError):
        return "no PyAudio here"
    return ""


@dataclass
class VirtualSound:
    """A running server; `environment` makes programs use it."""

    environment: dict[str, str]

    def pactl(self, *words: str) -> str:
        done = subprocess.run(["pactl", *words], env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def play(self, wav: Path) -> subprocess.Popen[bytes]:
        """Sound into the cable."""
        return subprocess.Popen(["paplay", "--device=cable", "--latency-msec=20", str(wav)], env=self.environment)

    def unplug(self) -> None:
        module = next(
            line.split()[0] for line in self.pactl("list", "short", "modules").splitlines() if "cable" in line
        )
        self.pactl("unload-module", module)

    def plug(self) -> None:
        self.pactl("load-module", *SINK)


@contextmanager
def virtual_sound(folder: Path) -> Iterator[VirtualSound]:
    """The server with its cable, in `folder`; ended with the block."""
    socket, config = folder / "native", folder / "asound.conf"
    pcm = f'type pulse server "unix:{socket}" device'
    config.write_text(
        "</usr/share/alsa/alsa.conf>\n"
        f'pcm.cable {{ {pcm} "cable.monitor" hint {{ show on description "cable" }} }}\n'
        f'pcm.loud {{ {pcm} "cable" hint {{ show on description "loud" }} }}\n'
    )
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "PULSE_RUNTIME_PATH": str(folder), "HOME": str(folder),
                   "PULSE_SERVER": f"unix:{socket}", "ALSA_CONFIG_PATH": str(config)}  # fmt: skip
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes",
               "-L", f"module-native-protocol-unix socket={socket} auth-anonymous=1", "-L", " ".join(SINK)]  # fmt: skip
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if socket.exists():
                break
            time.sleep(0.05)
        yield VirtualSound(environment)
    finally:
        server.terminate()
        server.wait()
