"""A microphone through PortAudio: a file as an ALSA device, and a PulseAudio daemon of our own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import SourceContext
from streammon.core.types import AudioChunk, Item, StreamId
from streammon.ingest.microphone import Microphone, MicrophoneConfig
from streammon.ingest.sound_card import input_devices
from tests.fakes import Reports, WantAll
from tests.sound_cards import (
    FILE_CARD,
    PULSE_CARD,
    RATE_HZ,
    Pulse,
    file_card,
    needs_pyaudio,
    pulse,
    ramp,
)

SOON_S = 30.0


def microphone(**settings: object) -> Microphone:
    return MicrophoneConfig.model_validate({"rate_hz": RATE_HZ, **settings}).build(StreamId("mic"))


@asynccontextmanager
async def opened(source: Microphone, reports: Reports) -> AsyncIterator[AsyncIterator[Item]]:
    context = SourceContext(WantAll(), MonotonicClock(), reports)
    async with asyncio.timeout(SOON_S), source.open(context) as items:
        yield items


async def heard(items: AsyncIterator[Item], seconds: float) -> list[AudioChunk]:
    """So much of it."""
    got: list[AudioChunk] = []
    async for item in items:
        assert isinstance(item, AudioChunk)
        got.append(item)
        if sum(chunk.duration_s for chunk in got) >= seconds:
            break
    return got


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.int16]:
    """What the file card plays."""
    needs_pyaudio()
    sound = ramp(30.0)
    for name, value in file_card(tmp_path, sound).items():
        monkeypatch.setenv(name, value)
    return sound


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Generator[Pulse]:
    with pulse() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


# --- a file as a device: to the bit ----------------------------------------------------------


async def test_every_sample_arrives_where_it_belongs(card: NDArray[np.int16]) -> None:
    reports = Reports()
    async with opened(microphone(device=FILE_CARD, ring_s=20), reports) as items:
        chunks = await heard(items, 8.0)
    for chunk in chunks:
        begins = round(chunk.media_s * RATE_HZ)
        expected = card[begins : begins + len(chunk.pcm)] / np.float32(32_768)
        assert np.array_equal(chunk.pcm, expected)
        assert chunk.source_rate_hz == RATE_HZ
    assert chunks[0].media_s == 0.0
    assert list(reports) == []


@pytest.mark.usefixtures("card")
async def test_a_device_that_is_not_there_is_waited_for_and_named() -> None:
    with pytest.raises(Retryable, match=r"no sound input is 'studio'; there are: .*filecard"):
        async with opened(microphone(device="studio"), Reports()) as items:
            await heard(items, 0.2)


@pytest.mark.usefixtures("card")
async def test_devices_are_found_by_part_of_a_name_and_by_number() -> None:
    (number,) = [device.index for device in input_devices() if device.name == FILE_CARD]
    for device in (FILE_CARD.upper(), "ilecar", number):
        async with opened(microphone(device=device), Reports()) as items:
            assert await heard(items, 0.2)


@pytest.mark.usefixtures("card")
async def test_what_a_device_cannot_do_needs_a_person() -> None:
    device = "nothing"  # ALSA's null device has every rate but no more than 128 channels
    source = microphone(device=device, rate_hz=8_000)
    async with opened(source, Reports()) as items:
        (chunk, *_) = await heard(items, 0.2)
    assert chunk.source_rate_hz == 8_000
    assert chunk.rate_hz == RATE_HZ


NOISY = """
import os, sys, threading
from streammon.ingest.sound_card import input_devices
stop = threading.Event()
def talk():
    count = 0
    while not stop.wait(0.002):
        os.write(2, b"mine %d\\n" % count); count += 1
    os.write(1, b"%d" % count)
talker = threading.Thread(target=talk); talker.start()
input_devices(); stop.set(); talker.join()
"""


@pytest.mark.usefixtures("card")
def test_alsa_is_silent_and_nobody_else_is() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOISY], capture_output=True, text=True, check=True, timeout=50
    )
    # Each line whole and once. Their order is kept but where a silence ends: a line said just then
    # may overtake those that were held back.
    assert sorted(done.stderr.splitlines()) == sorted(
        f"mine {number}" for number in range(int(done.stdout))
    )


@pytest.mark.usefixtures("card")
def test_doctor_lists_the_devices() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streammon", "doctor", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    (said,) = [each for each in json.loads(done.stdout) if each["topic"] == "microphones"]
    assert said["fine"] is True
    assert FILE_CARD in said["found"]


def test_without_pyaudio_the_error_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['pyaudio'] = None\n"
        "from streammon.ingest.sound_card import input_devices\n"
        "try:\n    input_devices()\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout.startswith(Permanent.__name__)
    assert "portaudio19-dev" in done.stdout
    assert "pip install 'streammon[microphone]'" in done.stdout


# --- PulseAudio: real time, and unplugged ----------------------------------------------------


async def test_what_is_played_is_heard(daemon: Pulse) -> None:
    rng = np.random.default_rng(5)
    noise = np.convolve(rng.normal(0, 6_000, 2 * RATE_HZ), np.ones(16) / 8, "same").astype(np.int16)
    middle = (noise[RATE_HZ // 2 : RATE_HZ * 3 // 2] / 32_768).astype(np.float32)

    async def played() -> tuple[float, Reports]:
        """How well it is found in what was heard, and what was reported."""
        reports, source = Reports(), microphone(device=PULSE_CARD)
        async with opened(source, reports) as items, asyncio.TaskGroup() as on:
            await heard(items, 0.2)
            on.create_task(asyncio.to_thread(daemon.play, noise))
            chunks = await heard(items, 5.0)
        return best_match(np.concatenate([chunk.pcm for chunk in chunks]), middle), reports

    match, reports = await played()
    for _ in range(2):  # a player or a daemon that is held up leaves holes: not every time
        if not match > 0.97 or reports:
            match, reports = await played()
    assert match > 0.97
    assert list(reports) == []


async def test_a_device_that_goes_and_comes_back_is_heard_again(daemon: Pulse) -> None:
    source = microphone(device=PULSE_CARD, stall_s=1.5)

    async def hear_it_go() -> None:
        async with opened(source, Reports()) as items:
            await heard(items, 0.4)
            await asyncio.to_thread(daemon.stop)
            await heard(items, 60.0)

    with pytest.raises(Retryable, match="unplugged"):
        await hear_it_go()
    await asyncio.to_thread(daemon.stop)  # if it was held up, and given up, before
    with pytest.raises(Retryable):
        async with opened(source, Reports()) as items:
            await heard(items, 0.2)
    await asyncio.to_thread(daemon.start)
    async with opened(source, Reports()) as items:
        (chunk, *_) = await heard(items, 0.4)
    assert chunk.epoch == 2
    assert chunk.media_s == 0.0


def best_match(pcm: NDArray[np.float32], part: NDArray[np.float32]) -> float:
    """The correlation where `part` fits best into `pcm`."""
    size = len(pcm) + len(part)
    spectrum = np.fft.rfft(pcm, size) * np.conj(np.fft.rfft(part, size))
    at = int(np.argmax(np.fft.irfft(spectrum, size)[: len(pcm) - len(part)]))
    with np.errstate(invalid="ignore"):  # silence fits nothing
        return float(np.corrcoef(pcm[at : at + len(part)], part)[0, 1])
