"""A transcript stream and the sound stream that it is of, in one detector."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

import streammon.demo
from streammon.core.types import AudioChunk, DetectionResult, StreamId, Window
from streammon.detectors.transcript import MOST_LINES, Transcript, TranscriptConfig
from streammon.ingest.av_url import AvUrlConfig
from tests.fakes import RATE_HZ, WantAll, a_chunk, a_message, a_window

DEMO = Path(streammon.demo.__file__).parent
CALL, CAPTIONS = StreamId("call"), StreamId("captions")


@cache
def spoken() -> NDArray[np.float32]:
    """Two seconds of clear recorded speech."""
    url = str(DEMO / "studio_clean.mp4")
    source = AvUrlConfig(type="av_url", url=url).build(CALL)
    items = source.items(WantAll(frame_interval_s=None))
    pcm = np.concatenate([item.pcm for item in items if isinstance(item, AudioChunk)])
    return pcm[8 * RATE_HZ : 10 * RATE_HZ]


SILENCE = np.zeros(2 * RATE_HZ, np.float32)


def heard(number: int, pcm: NDArray[np.float32], *, stream: StreamId = CALL) -> Window:
    """The window that ends `2 * (number + 1)` s after the monitor began."""
    end_s = 2.0 * number + 2.0
    chunk = a_chunk(number, media_s=2.0 * number, pcm=pcm, stream=stream,
                    captured_ns=round(end_s * 1e9))  # fmt: skip
    return a_window(chunk, end_s=end_s)


def line(number: int, words: int, *, stream: StreamId = CAPTIONS) -> Window:
    """So many words that came a second before the window of sound of this number ends."""
    at_s = 2.0 * number + 1.0
    message = a_message(number, media_s=at_s, captured_ns=round(at_s * 1e9), stream=stream,
                        text="word " * words)  # fmt: skip
    return a_window(message, end_s=at_s + 1.0)


def told(
    sound: Sequence[NDArray[np.float32]], words: Sequence[int], **settings: Any
) -> list[DetectionResult]:
    """What is said of each window of the call, with a line of so many words in each (0: none)."""
    detector = Transcript("words", TranscriptConfig(transcripts={"call": "captions"}, **settings))
    detector.load("cpu")
    results: list[DetectionResult] = []
    for number, pcm in enumerate(sound):
        if words[number]:
            (kept,) = detector.score([line(number, words[number])])
            assert kept.abstained == "kept as the transcript of call: verdicts are given there"
        results += detector.score([heard(number, pcm)])
    return results


def test_a_transcript_that_fits_is_unremarkable_once_enough_was_heard() -> None:
    results = told([spoken()] * 16, [5] * 16)
    assert results[0].abstained == "not enough of the sound has been heard yet"
    assert results[-1].confidence == 0.02
    assert results[-1].details["cause"] is None
    assert all(result.stream == CALL for result in results)


def test_words_where_nobody_speaks_are_reported() -> None:
    last = told([SILENCE] * 16, [5] * 16)[-1]
    assert last.confidence is not None
    assert last.confidence >= 0.6
    assert last.is_ai_generated
    assert last.kind == "transcript_mismatch"
    assert last.details["inconsistencies"] == ["the transcript has 25 words where nobody speaks"]


def test_speech_that_the_transcript_leaves_out_is_reported() -> None:
    last = told([spoken()] * 20, [5] * 3 + [0] * 17)[-1]
    assert last.details["cause"] == "speech_without_words"


def test_more_words_than_a_mouth_can_form_are_reported() -> None:
    last = told([spoken()] * 16, [200] * 16)[-1]
    assert last.details["cause"] == "impossible_rate"


def test_without_a_line_or_a_configured_stream_it_abstains() -> None:
    assert told([spoken()] * 16, [0] * 16)[-1].abstained == "no line of the transcript has come yet"
    detector = Transcript("words", TranscriptConfig())
    other = StreamId("other")
    (sound,) = detector.score([heard(0, spoken(), stream=other)])
    (text,) = detector.score([line(0, 3, stream=other)])
    assert sound.abstained == "no transcript is configured for this sound"
    assert text.abstained == "this text is not configured as a transcript"


def test_sound_that_was_not_looked_at_is_no_silence() -> None:
    detector = Transcript("words", TranscriptConfig(transcripts={"call": "captions"}))
    detector.score([line(3, 30)])
    results = [detector.score([heard(at, SILENCE)])[0] for at in (*range(10), *range(12, 18))]
    assert results[-1].abstained == "parts of the sound were not heard"


def test_noise_is_not_taken_for_silence() -> None:
    noise = np.random.default_rng(1).normal(0, 0.2, 2 * RATE_HZ).astype(np.float32)
    last = told([noise] * 16, [5] * 16)[-1]
    assert last.confidence is None or last.details["cause"] is None


def test_a_line_counts_once_and_a_flood_is_bounded() -> None:
    detector = Transcript("words", TranscriptConfig(transcripts={"call": "captions"}))
    for _ in range(3):
        detector.score([line(1, 4)])
    assert len(detector._calls[CALL].said) == 1
    flood = [a_message(at, stream=CAPTIONS, captured_ns=0) for at in range(MOST_LINES + 500)]
    detector.score([a_window(*flood)])
    assert len(detector._calls[CALL].said) == MOST_LINES


def test_a_clock_that_went_back_begins_anew() -> None:
    detector = Transcript("words", TranscriptConfig(transcripts={"call": "captions"}))
    for at in range(20):
        detector.score([heard(at, SILENCE)])
    (result,) = detector.score([heard(0, SILENCE)])
    assert result.abstained == "not enough of the sound has been heard yet"


def test_one_text_is_the_transcript_of_one_sound() -> None:
    with pytest.raises(ValidationError, match="cannot be the transcript of two"):
        TranscriptConfig(transcripts={"a": "captions", "b": "captions"})
