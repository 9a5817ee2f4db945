"""Sound cards without hardware, without kernel modules, as root or not.

A file in the clothes of an ALSA device needs no daemon: what is heard is known to the bit. A
PulseAudio daemon of our own has a clock and can be unplugged; its sound is resampled on the way.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

RATE_HZ = 16_000
FILE_CARD = "filecard"
PULSE_CARD = "vmic"
SOON_S = 20.0


def needs_pyaudio() -> None:
    """Skip where PyAudio or PortAudio is not installed."""
    pytest.importorskip("pyaudio", reason="needs PyAudio and PortAudio: make setup-test")


def file_card(folder: Path, samples: NDArray[np.int16]) -> dict[str, str]:
    """The environment in which ALSA has a device that plays these 16 kHz samples, and again."""
    sound = folder / "card.pcm"
    samples.astype("<i2").tofile(sound)
    config = folder / "asound.conf"
    config.write_text(
        "</usr/share/alsa/alsa.conf>\n"
        "pcm.nothing { type null }\n"
        f'pcm.{FILE_CARD} {{ type file slave.pcm nothing file "/dev/null" infile "{sound}" '
        'format "raw" hint { show on description "a file" } }\n'
    )
    return {"ALSA_CONFIG_PATH": str(config)}


def ramp(seconds: float) -> NDArray[np.int16]:
    """No two samples within 4 s are the same, so that each says where it belongs."""
    return (np.arange(round(seconds * RATE_HZ)) % 65_521 - 32_760).astype(np.int16)


@dataclass
class Pulse:
    """A PulseAudio daemon with one sink, of which the monitor is a microphone."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    _daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        socket = self.folder / "native"
        self.environment |= {"PULSE_SERVER": f"unix:{socket}"}
        self._daemon = subprocess.Popen(
            [
                "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
                "-L", f"module-native-protocol-unix auth-anonymous=1 socket={socket}",
                "-L", f"module-null-sink sink_name={PULSE_CARD} rate=48000 channels=1",
            ],
            env=self._whole(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until_s = time.monotonic() + SOON_S
        asked = ["pactl", "list", "short", "sources"]
        while PULSE_CARD.encode() not in self._run(*asked, check=False):
            assert time.monotonic() < until_s, "pulseaudio does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """Gone at once, as a card that is unplugged."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait(SOON_S)
            self._daemon = None

    def play(self, samples: NDArray[np.int16]) -> None:
        """Returns when it was played: in real time."""
        self._run(
            "pacat", "--playback", f"--device={PULSE_CARD}", "--raw", "--format=s16le",
            f"--rate={RATE_HZ}", "--channels=1", given=samples.astype("<i2").tobytes(),
        )  # fmt: skip

    def suspend(self, suspended: bool) -> None:
        self._run("pactl", "suspend-source", f"{PULSE_CARD}.monitor", str(int(suspended)))

    def _run(self, *command: str, given: bytes = b"", check: bool = True) -> bytes:
        return subprocess.run(
            command,
            input=given,
            env=self._whole(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=check,
            timeout=SOON_S,
        ).stdout

    def _whole(self) -> dict[str, str]:
        own = {"HOME": str(self.folder), "XDG_RUNTIME_DIR": str(self.folder)}
        return {**os.environ, **self.environment, **own}


@contextmanager
def pulse() -> Generator[Pulse]:
    """Skips where the Debian packages are missing."""
    needs_pyaudio()
    if not all(shutil.which(name) for name in ("pulseaudio", "pactl", "pacat")):
        pytest.skip("needs pulseaudio and pulseaudio-utils: make setup-test")
    folder = Path(tempfile.mkdtemp(prefix="pulse"))  # short: it holds a socket
    folder.chmod(0o700)
    config = folder / "asound.conf"
    config.write_text(
        "</usr/share/alsa/alsa.conf>\n"
        "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
        f'pcm.{PULSE_CARD} {{ type pulse device "{PULSE_CARD}.monitor" '
        'hint { show on description "a sink" } }\n'
    )
    daemon = Pulse(folder, {"ALSA_CONFIG_PATH": str(config)})
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()
        shutil.rmtree(folder, ignore_errors=True)
