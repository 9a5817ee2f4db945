"""The gates of `freeze`: streams that have just begun, few pictures, scraps of sound, broken sound.

Generated cases (`training/cases/`), faulty and clean, drawn without a codec. A stream begins at
many moments of each, so that beginnings, which the gates are about, lie in faults, too. What is
turned away is judged all the same, from the detector's own memory of the stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from itertools import islice

import numpy as np

from streammon.core.types import AudioChunk, Modality, StreamId, VideoFrame, Window
from streammon.detectors.finding import likeliest
from streammon.detectors.freeze import CAUSES, GAP_S, Freeze, FreezeConfig
from streammon.detectors.picture_causes import picture_findings
from streammon.detectors.sound_causes import SoundHistory, SoundTimes, sound_findings
from training.cases import shots, sounds
from training.cases.camera import as_rgb24
from training.cases.draw import Draw
from training.gates.table import Asked

STREAM = StreamId("gates")
SIZE, FPS = (160, 90), 4
CASES, LONGEST_S = 1, 50.0
"""Recordings of each case, and how much of each."""
BEGIN_EVERY_S = 5.0
ASKED_FOR_S = 12.0
"""For so long after it began is a stream asked about."""
APART_S: Mapping[str, float] = {"four pictures a second": 0.25, "a picture each 5 s": 5.0}
SOUND_S, CHUNK_S = 70.0, 2.0
WHOLE, BROKEN_SOUND = "whole sound", "sound with values that are not numbers"
SCRAPS_S = (0.1, 0.25, 0.4)
"""Shorter stretches of a chunk: the last of a stream, or all that arrives of each."""
SCRAPS_FROM_S = 10.0
"""Of a stream that comes to be nothing but scraps so much was heard."""
BROKEN = 20
"""Values of a chunk that are not numbers."""


def asked(*, seed: int, cases: int = CASES) -> Iterator[Asked]:
    for table in (shots.FAULTS, shots.CLEAN):
        for some in table.values():
            for name, make in some.items():
                for number in range(cases):
                    yield from asked_of(make(Draw("test", seed, name, number), SIZE, FPS))
    for number in range(5 * cases):
        for name in (*sounds.FAULTS, *sounds.CLEAN):
            yield from asked_of_sound(name, Draw("test", seed, name, number))


def asked_of(shot: shots.Shot) -> Iterator[Asked]:
    """Streams that begin every few seconds, each asked about while it is young."""
    frames = [
        VideoFrame(STREAM, number, number / FPS, 0, as_rgb24(picture))
        for number, picture in enumerate(islice(shot.pictures, int(LONGEST_S * FPS)))
    ]
    for begin_s in np.arange(0.0, frames[-1].media_s - ASKED_FOR_S, BEGIN_EVERY_S):
        for family, apart_s in APART_S.items():
            stride = round(apart_s * FPS)
            stream = frames[int(begin_s * FPS) :: stride][: 1 + int(ASKED_FOR_S / apart_s)]
            yield from _young(shot, stream, family)


def _young(shot: shots.Shot, stream: list[VideoFrame], family: str) -> Iterator[Asked]:
    detector = FreezeConfig().build("freeze")
    assert isinstance(detector, Freeze)
    for frame in stream:
        window = _window(Modality.VIDEO, frame)
        gate = detector.score([window])[0].abstained
        found = picture_findings(detector._pictures.of(window), detector._picture_times)
        confidence = likeliest(found, causes=frozenset(CAUSES)).confidence
        yield Asked(family, _faulty(shot, frame.media_s), gate, confidence)


def _faulty(shot: shots.Shot, at_s: float) -> bool:
    if shot.from_s is None or at_s < shot.from_s:
        return False
    return shot.to_s is None or at_s < shot.to_s


def asked_of_sound(name: str, draw: Draw) -> Iterator[Asked]:
    """Each chunk whole, broken, as a scrap after whole ones, and as one of nothing but scraps.

    A chunk in which a fault begins or ends is neither faulty nor whole: it is left out.
    """
    from_s, to_s = 15.0, SOUND_S - 5.0
    fault = name in sounds.FAULTS
    if fault:
        pcm = sounds.FAULTS[name](draw, SOUND_S, from_s, to_s)
    else:
        pcm = sounds.CLEAN[name](draw, SOUND_S)
    settings, detector = FreezeConfig(), FreezeConfig().build("freeze")
    times = SoundTimes(silent_s=settings.silent_after_s, stuck_s=settings.stuck_after_s)
    of_whole, of_scraps = SoundHistory(gap_s=GAP_S), list[SoundHistory]()
    for begin_s in np.arange(0.0, SOUND_S - CHUNK_S, CHUNK_S):
        at = int(begin_s * sounds.RATE_HZ)
        whole = pcm[at : at + int(CHUNK_S * sounds.RATE_HZ)]
        if begin_s <= SCRAPS_FROM_S:
            of_scraps = [copy(of_whole) for _ in SCRAPS_S]
        for family, sound, history in _forms(whole, draw, of_whole, of_scraps):
            chunk = AudioChunk(STREAM, 0, float(begin_s), 0, sound, sounds.RATE_HZ, sounds.RATE_HZ)
            gate = detector.score([_window(Modality.AUDIO, chunk)])[0].abstained
            history.add(chunk)
            found = likeliest(sound_findings(history, times), causes=frozenset(CAUSES))
            end_s = begin_s + chunk.duration_s
            inside = fault and bool(from_s <= begin_s and end_s <= to_s)
            if inside or not fault or end_s <= from_s or to_s <= begin_s:
                yield Asked(family, inside, gate, found.confidence)


def _forms(
    whole: sounds.Sound, draw: Draw, of_whole: SoundHistory, of_scraps: list[SoundHistory]
) -> Iterator[tuple[str, sounds.Sound, SoundHistory]]:
    """Each with the memory that it goes into, which is a copy where nothing follows it.

    The whole chunk last: the memory of whole ones holds no more than those before it till then.
    """
    for long_s, heard in zip(SCRAPS_S, of_scraps, strict=True):
        scrap = whole[: int(long_s * sounds.RATE_HZ)]
        yield f"{long_s:g} s after whole sound", scrap, copy(of_whole)
        yield f"{long_s:g} s of each {CHUNK_S:g} s, and no more", scrap, heard
    broken = whole.copy()
    broken[draw.rng.integers(0, len(broken), BROKEN)] = np.nan
    yield BROKEN_SOUND, broken, copy(of_whole)
    yield WHOLE, whole, of_whole


def _window(modality: Modality, item: VideoFrame | AudioChunk) -> Window:
    return Window(STREAM, modality, 0, item.media_s, item.media_s + CHUNK_S, (item,))
