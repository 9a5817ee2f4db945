"""Sound in step with the picture or not, on a made talker with recorded speech."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streammon.demo
from streammon.core.types import AudioChunk, DetectionResult, Item, Modality, StreamId, Window
from streammon.detectors.av_sync import AvSync, AvSyncConfig
from streammon.detectors.synchrony import LEAD_S, STEP_S, loudness
from streammon.ingest.av_url import AvUrlConfig
from tests.fakes import RATE_HZ, WantAll, a_frame
from tests.streamed import results_of

DEMO = Path(streammon.demo.__file__).parent
BOTH = frozenset({Modality.AUDIO, Modality.VIDEO})


@cache
def speech() -> tuple[AudioChunk, ...]:
    """Twenty seconds of the bundled clean speech."""
    url = str(DEMO / "studio_clean.mp4")
    source = AvUrlConfig(type="av_url", url=url).build(StreamId("cam"))
    items = source.items(WantAll(frame_interval_s=None))
    return tuple(item for item in items if isinstance(item, AudioChunk) and item.media_s < 20.0)


def talker(*, late_s: float = 0.0, follows: bool = True, rate: int = 25) -> Iterator[Item]:
    """Noise with a patch that changes as the speech is loud; the sound is `late_s` behind."""
    pcm = np.concatenate([chunk.pcm for chunk in speech()])
    loud = loudness(pcm, RATE_HZ)
    strength = (loud - loud.min()) / np.ptp(loud) if follows else np.full(len(loud), 0.5)
    random = np.random.default_rng(7)
    sound = np.roll(pcm, round(late_s * RATE_HZ))
    at, chunks = 0, list(speech())
    for seq in range(int(len(pcm) / RATE_HZ * rate)):
        media_s = seq / rate
        while chunks and chunks[0].media_s <= media_s:
            chunk = chunks.pop(0)
            yield replace(chunk, pcm=sound[at : at + len(chunk.pcm)])
            at += len(chunk.pcm)
        image = random.integers(100, 106, (48, 60, 3)).astype(np.uint8)
        moved = strength[min(len(loud) - 1, int((media_s + LEAD_S) / STEP_S))]
        image[18:36, 18:42] += random.integers(0, 2 + int(120 * moved), (18, 24, 3)).astype(
            np.uint8
        )
        yield a_frame(seq, media_s=media_s, image_rgb=image)


def results(items: Iterator[Item], **settings: Any) -> list[DetectionResult]:
    return results_of(AvSync("sync", AvSyncConfig(**settings)), items)


def spoken(found: list[DetectionResult]) -> list[float]:
    return [one.confidence for one in found if one.confidence is not None]


def test_sound_in_step_counts_as_genuine() -> None:
    found = results(talker())
    assert spoken(found)
    assert max(spoken(found)) < 0.3
    assert {one.kind for one in found} == {"lip_sync"}
    last = next(one for one in reversed(found) if one.confidence is not None)
    assert abs(float(str(last.details["offset_ms"]))) <= 80


@pytest.mark.parametrize("late_s", [-0.3, 0.3])
def test_sound_that_is_shifted_is_found_and_its_offset_told(late_s: float) -> None:
    last = [one for one in results(talker(late_s=late_s)) if one.confidence is not None][-1]
    assert last.confidence is not None
    assert last.confidence > 0.8
    assert last.is_ai_generated
    assert float(str(last.details["offset_ms"])) == pytest.approx(1000 * late_s, abs=80)
    assert last.details["calibrated"] is False


def test_the_later_half_of_each_pair_carries_the_verdict() -> None:
    found = results(talker())
    waits = [one for one in found if (one.abstained or "").startswith("waits for the")]
    assert len(waits) == pytest.approx(len(found) / 2, abs=1)


def test_a_picture_that_follows_nothing_makes_it_abstain() -> None:
    found = results(talker(follows=False))
    told = [one.abstained for one in found if not (one.abstained or "").startswith("waits")]
    assert told.count("nothing in the picture follows the sound") >= len(told) - 1


def test_too_few_frames_make_it_abstain() -> None:
    found = results(talker(rate=5))
    assert spoken(found) == []
    assert any("too few frames" in (one.abstained or "") for one in found)


def test_no_speech_makes_it_abstain() -> None:
    silent = (
        replace(item, pcm=np.zeros_like(item.pcm)) if isinstance(item, AudioChunk) else item
        for item in talker()
    )
    found = results(silent)
    assert spoken(found) == []
    assert any("silence" in (one.abstained or "") for one in found)


def test_one_modality_alone_waits_and_memory_stays_bounded() -> None:
    only_sound = [item for item in talker() if isinstance(item, AudioChunk)]
    detector = AvSync("sync", AvSyncConfig())
    chunk = only_sound[0]
    for at in range(100):
        window = Window(
            stream=chunk.stream, modality=Modality.AUDIO, epoch=0, start_s=5.0 * at,
            end_s=5.0 * at + 5.0, items=(chunk,),
        )  # fmt: skip
        (result,) = detector.score([window])
        assert result.abstained == "waits for the picture of the same time"
        assert len(detector._talks.of(window).halves) <= 10
