"""Sound cards through PortAudio (PyAudio): what there is, and sound from one of them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from streammon.core.errors import Permanent, Retryable
from streammon.ingest.sound_ring import SoundRing

INSTALL = (
    "install Debian's portaudio19-dev (elsewhere PortAudio with its headers), "
    "then: pip install 'streammon[microphone]'"
)
CALLBACK_S = 0.02
SAMPLE_BYTES = 2

_NOISE = (
    b"ALSA lib ", b"Cannot connect to server ", b"jack server is not running", b"JackShm",
    b"connect(2) call to ", b"attempt to connect to server failed", b"Expression '",
)  # fmt: skip
"""How lines begin that ALSA, JACK and PortAudio print while they look for devices."""
_TELL_NOBODY = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p
)(lambda file, line, function, error, words: None)
_TURN = threading.Lock()
"""PortAudio may be started, asked and ended by one thread at a time, in the whole process."""
_BAD_RATE, _BAD_CHANNELS = -9997, -9998


@dataclass(frozen=True, slots=True)
class InputDevice:
    """A device that sound can be taken from."""

    index: int
    name: str
    channels: int
    rate_hz: int
    """What it works at when left alone."""


@dataclass(frozen=True, slots=True)
class Take:
    """What to open, and how."""

    device: str | int | None
    """A name, or a part of one that no other has; an index; `None`: the default device."""
    rate_hz: int | None
    channels: int
    ring_s: float


@dataclass(frozen=True, slots=True)
class Capture:
    """An open device: 16-bit samples, channels interleaved, arrive in `ring`."""

    device: InputDevice
    rate_hz: int
    ring: SoundRing


def input_devices() -> list[InputDevice]:
    """Every device with an input. Raises `Permanent` without PyAudio."""
    with _portaudio() as audio, _TURN:
        return _inputs(audio)


@contextmanager
def capturing(take: Take) -> Iterator[Capture]:
    """Sound flows into the ring while the block runs. Blocking to enter and to leave.

    Raises `Retryable` while there is no such device (it may be plugged in), `Permanent` without
    PyAudio, or for a rate or a number of channels that the device does not have.
    """
    with _portaudio() as audio:
        with _TURN:
            device = chosen(take.device, _inputs(audio), default=_default(audio))
        rate_hz = take.rate_hz or device.rate_hz
        ring = SoundRing(most_samples=round(take.ring_s * rate_hz))
        with _TURN, _quiet():
            stream = _opened(audio, device, rate_hz, take, ring)
        try:
            yield Capture(device, rate_hz, ring)
        finally:
            with _TURN, _quiet(), contextlib.suppress(OSError):
                stream.close()


def chosen(
    wanted: str | int | None, devices: list[InputDevice], *, default: int | None
) -> InputDevice:
    """The device meant. Raises `Retryable`, naming those that there are. Pure."""
    names = ", ".join(f"{device.index} {device.name!r}" for device in devices) or "none"
    if not devices:
        raise Retryable("there is no device to take sound from")
    if wanted is None:
        found = [device for device in devices if device.index == default] or devices[:1]
    elif isinstance(wanted, int):
        found = [device for device in devices if device.index == wanted]
    else:
        text = wanted.casefold()
        found = [device for device in devices if device.name == wanted]
        found = found or [device for device in devices if text in device.name.casefold()]
    if not found:
        raise Retryable(f"no sound input is {wanted!r}; there are: {names}")
    if len(found) > 1 and isinstance(wanted, str) and found[0].name != wanted:
        raise Retryable(f"{wanted!r} is part of several names: {names}; give one in full")
    return found[0]


def _opened(audio: Any, device: InputDevice, rate_hz: int, take: Take, ring: SoundRing) -> Any:
    import pyaudio

    started_ns, most_ahead_s = time.monotonic_ns(), take.ring_s / 2

    def arrived(data: bytes, count: int, times: Any, status: int) -> tuple[None, int]:
        now_ns = time.monotonic_ns()
        waiting_s = times["current_time"] - times["input_buffer_adc_time"]
        ring.put(data, count, arrived_ns=now_ns, waiting_s=waiting_s)
        ahead_s = ring.seen / rate_hz - (now_ns - started_ns) / 1e9
        if ahead_s > most_ahead_s:  # a device without a clock, such as a file in ALSA's clothes
            time.sleep(min(ahead_s - most_ahead_s, CALLBACK_S))
        return None, pyaudio.paContinue

    try:
        return audio.open(
            format=pyaudio.paInt16,
            channels=take.channels,
            rate=rate_hz,
            input=True,
            input_device_index=device.index,
            frames_per_buffer=round(CALLBACK_S * rate_hz),
            stream_callback=arrived,
        )
    except OSError as error:
        code = next((part for part in error.args if isinstance(part, int)), 0)
        if code in (_BAD_RATE, _BAD_CHANNELS):
            raise Permanent(
                f"{device.name}: does not give {take.channels} channels at {rate_hz} Hz; it has "
                f"{device.channels} and prefers {device.rate_hz} Hz"
            ) from error
        raise Retryable(f"{device.name}: cannot be opened now (PortAudio {code})") from error


@contextmanager
def _portaudio() -> Iterator[Any]:
    """PortAudio, started anew: it sees devices only then."""
    try:
        import pyaudio
    except ImportError as error:
        raise Permanent(f"a microphone needs PyAudio ({error}): {INSTALL}") from error
    with _TURN, _quiet():
        try:
            audio = pyaudio.PyAudio()
        except OSError as error:
            raise Retryable("PortAudio does not start") from error
    try:
        yield audio
    finally:
        with _TURN, _quiet():
            audio.terminate()


def _inputs(audio: Any) -> list[InputDevice]:
    found = []
    for index in range(audio.get_device_count()):
        said = audio.get_device_info_by_index(index)
        if said["maxInputChannels"] > 0:
            rate_hz, channels = int(said["defaultSampleRate"]), int(said["maxInputChannels"])
            found.append(InputDevice(index, str(said["name"]), channels, rate_hz))
    return found


def _default(audio: Any) -> int | None:
    try:
        return int(audio.get_default_input_device_info()["index"])
    except OSError:
        return None


@contextmanager
def _alsa_silent() -> Iterator[None]:
    """ALSA tells nobody of its errors. It would print a line in pieces, and what another thread
    prints meanwhile would come between them.
    """
    try:
        alsa = ctypes.CDLL("libasound.so.2")
    except OSError:  # a system without ALSA
        yield
        return
    alsa.snd_lib_error_set_handler(_TELL_NOBODY)
    try:
        yield
    finally:
        alsa.snd_lib_error_set_handler(None)


@contextmanager
def _quiet() -> Iterator[None]:
    """What the sound libraries print on standard error is left out; all else comes after, in its
    order, though what is said just when this ends may come before it.
    """
    try:
        real = os.dup(2)
    except OSError:  # a process without standard error has nothing to keep quiet
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            with _alsa_silent():
                yield
        finally:
            os.dup2(real, 2)
            text = os.pread(said.fileno(), os.fstat(said.fileno()).st_size, 0)
            kept = [
                line
                for line in text.splitlines(keepends=True)
                if line.strip() and not line.startswith(_NOISE)
            ]
            with contextlib.suppress(OSError):
                os.write(real, b"".join(kept))
            os.close(real)
