"""Calls whose voice is real at first and synthetic from a known moment on, as sound."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

RATE_HZ = 48_000
Pcm = NDArray[np.int16]

REAL, CLONED = "studio_clean.mp4", "studio_cloned_voice.mp4"
"""Of the demo: a person who reads, and Piper with the voice en_US-joe-medium."""

SPEAKERS = ("en-us", "en-gb+f2", "de+m3")
"""Voices of espeak-ng, where that is installed."""
SAID = {
    "en": (
        "Hello, it is me. I have lost my telephone and I am calling from another one. Please "
        "listen carefully, because I do not have much time. I need your help with a transfer today."
    ),
    "de": (
        "Hallo, ich bin es. Ich habe mein Telefon verloren und rufe von einem anderen an. Bitte "
        "hör gut zu, denn ich habe nicht viel Zeit. "
        "Ich brauche heute deine Hilfe bei einer Zahlung."
    ),
}

QUIET = 300
"""Samples below this are a pause."""
PAUSE_S = 0.25
LEAST_LEAD_S, SPREAD_S = 4.0, 2.0
"""The synthetic voice begins so late, and up to so much later."""
GOLDEN = 0.6180339887
"""Multiples of it fall evenly into the unit interval: the beginning meets every phase of a hop."""
LASTS_S = 16.0


@dataclass(frozen=True, slots=True)
class Call:
    """What a caller is heard to say."""

    voice: str
    pcm: Pcm
    onset_s: float
    """Where the synthetic voice begins, without a pause before it."""


def calls(count: int) -> Iterator[Call]:
    """So many calls, by turns of each voice, each beginning at another sentence of it."""
    real, voices = sound_of(REAL), list(synthetic())
    for number in range(count):
        name, speech = voices[number % len(voices)]
        starts = sentences(speech)
        at = starts[number // len(voices) % max(1, len(starts) - 2)]
        lead_s = LEAST_LEAD_S + SPREAD_S * (number * GOLDEN % 1.0)
        heard = round(number * GOLDEN % 1.0 * len(real))
        lead = np.roll(real, -heard)[: round(lead_s * RATE_HZ)]
        false = np.roll(speech, -at)[: round(LASTS_S * RATE_HZ)]
        yield Call(name, np.concatenate((lead, false)), len(lead) / RATE_HZ)


def synthetic() -> Iterator[tuple[str, Pcm]]:
    """Each voice by its name."""
    yield "Piper en_US-joe-medium", sound_of(CLONED)
    program = shutil.which("espeak-ng")
    for speaker in SPEAKERS if program else ():
        command = [str(program), "-v", speaker, "-s", "165", "--stdout", SAID[speaker[:2]]]
        made = subprocess.run(command, capture_output=True, check=True, timeout=60)
        yield f"espeak-ng {speaker}", pcm_of(av.open(io.BytesIO(made.stdout), "r"))


def sound_of(name: str) -> Pcm:
    """The sound of a recording of the demo."""
    return pcm_of(av.open(str(files("streammon.demo") / name)))


def pcm_of(container: av.container.InputContainer) -> Pcm:
    """Mono sound at `RATE_HZ`."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    with container:
        made = [
            chunk.to_ndarray()[0]
            for frame in (*container.decode(audio=0), None)
            for chunk in resampler.resample(frame)
        ]
    return np.concatenate(made)


def sentences(pcm: Pcm) -> list[int]:
    """Where speech begins after a pause, the first beginning included."""
    step = RATE_HZ // 100
    loud = np.abs(pcm[: len(pcm) // step * step].reshape(-1, step)).max(axis=1) > QUIET
    found, silent = [], PAUSE_S
    for number, heard in enumerate(loud):
        if heard and silent >= PAUSE_S:
            found.append(number * step)
        silent = 0.0 if heard else silent + 0.01
    return found


def write_film(call: Call, path: Path) -> None:
    """The call as a recording that a browser plays: a bundled picture, the call's sound."""
    with av.open(str(files("streammon.demo") / REAL)) as shown, av.open(str(path), "w") as film:
        picture: VideoStream = shown.streams.video[0]
        video = film.add_stream_from_template(picture)
        audio = film.add_stream("aac", rate=RATE_HZ, layout="mono")
        for packet in shown.demux(picture):
            if packet.dts is not None:
                packet.stream = video
                film.mux(packet)
        for at in range(0, len(call.pcm), 1024):
            frame = av.AudioFrame.from_ndarray(
                call.pcm[None, at : at + 1024], format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts = RATE_HZ, at
            film.mux(audio.encode(frame))
        film.mux(audio.encode(None))
