"""Levels, spectrogram strips and message rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streammon.core.types import AudioChunk, Modality, StreamId
from streammon.overlay.meter import (
    BANDS,
    HIGHEST_HZ,
    LEAST_DBFS,
    LOWEST_HZ,
    MOST_COLUMNS,
    ChatMeter,
    audio_meter,
)
from tests.fakes import a_chunk, a_message


def tone(pitch_hz: float, *, amplitude: float = 1.0, rate_hz: int = 16_000) -> AudioChunk:
    t = np.arange(rate_hz) / rate_hz
    pcm = (amplitude * np.sin(2 * np.pi * pitch_hz * t)).astype(np.float32)
    return a_chunk(pcm=pcm, rate_hz=rate_hz)


def band_of(pitch_hz: float) -> int:
    share = math.log(pitch_hz / LOWEST_HZ) / math.log(HIGHEST_HZ / LOWEST_HZ)
    return int(share * BANDS)


@pytest.mark.parametrize("pitch_hz", [200.0, 440.0, 1000.0, 3000.0, 7000.0])
def test_a_tone_is_loudest_in_its_own_band(pitch_hz: float) -> None:
    column = audio_meter(tone(pitch_hz)).columns[5]
    assert len(column) == BANDS
    assert abs(int(np.argmax(list(column))) - band_of(pitch_hz)) <= 1
    assert max(column) >= 252, "a full-scale sine is 0 dB"


def test_silence_is_the_bottom_of_the_scale_and_finite() -> None:
    meter = audio_meter(a_chunk(pcm=np.zeros(3200, np.float32)))
    assert meter.level == LEAST_DBFS
    assert {level for column in meter.columns for level in column} == {0}


@pytest.mark.parametrize(("amplitude", "level_dbfs"), [(1.0, -3.01), (0.1, -23.01)])
def test_the_level_is_the_rms_in_dbfs(amplitude: float, level_dbfs: float) -> None:
    assert audio_meter(tone(1000.0, amplitude=amplitude)).level == pytest.approx(
        level_dbfs, abs=0.05
    )


@pytest.mark.parametrize(("duration_s", "columns"), [(0.02, 1), (0.05, 1), (0.5, 10), (2.0, 40)])
def test_there_is_a_column_for_every_50_ms(duration_s: float, columns: int) -> None:
    assert len(audio_meter(a_chunk(duration_s=duration_s)).columns) == columns


def test_of_a_very_long_chunk_only_the_newest_columns_are_made() -> None:
    pcm = np.zeros(16_000 * 30, np.float32)
    pcm[-16_000:] = tone(1000.0).pcm
    meter = audio_meter(a_chunk(pcm=pcm))
    assert len(meter.columns) == MOST_COLUMNS
    assert max(meter.columns[0]) == 0
    assert max(meter.columns[-3]) >= 252


def test_an_empty_chunk_has_no_columns() -> None:
    meter = audio_meter(a_chunk(pcm=np.zeros(0, np.float32)))
    assert (meter.columns, meter.level) == ((), LEAST_DBFS)


@given(
    arrays(np.float32, st.integers(0, 3000)),
    st.sampled_from([1, 8_000, 16_000, 48_000]),
)
def test_no_sound_however_broken_breaks_the_meter(pcm: np.ndarray, rate_hz: int) -> None:
    meter = audio_meter(a_chunk(pcm=pcm, rate_hz=rate_hz))
    assert math.isfinite(meter.level)
    assert all(len(column) == BANDS for column in meter.columns)
    assert len(meter.columns) <= MOST_COLUMNS


def test_the_meter_carries_whose_it_is() -> None:
    chunk = a_chunk(4, epoch=3, stream=StreamId("mic"))
    meter = audio_meter(chunk)
    assert (meter.stream, meter.modality, meter.epoch) == ("mic", Modality.AUDIO, 3)
    assert (meter.media_s, meter.captured_ns) == (chunk.media_s, chunk.captured_ns)


def rates(times_s: list[float], *, epoch: int = 0) -> list[tuple[float, float]]:
    meter = ChatMeter(StreamId("chat"))
    found = [meter.push(a_message(media_s=at_s, epoch=epoch)) for at_s in times_s]
    return [(one.media_s, one.level) for one in found if one is not None]


def test_messages_are_counted_per_second_of_media() -> None:
    assert rates([at / 4 for at in range(13)]) == [(1.0, 4.0), (2.0, 4.0), (3.0, 4.0)]


def test_after_a_silence_the_rate_is_that_of_the_silence() -> None:
    assert rates([0.0, 0.5, 10.0]) == [(10.0, 0.2)]


def test_the_first_message_and_a_new_epoch_only_start_the_count() -> None:
    meter = ChatMeter(StreamId("chat"))
    assert meter.push(a_message(media_s=100.0)) is None
    assert meter.push(a_message(media_s=0.0, epoch=1)) is None
    found = meter.push(a_message(media_s=2.0, epoch=1))
    assert found is not None
    assert (found.level, found.epoch, found.modality) == (0.5, 1, Modality.TEXT)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30))
def test_times_that_run_backwards_or_are_none_give_no_rate(times_s: list[float]) -> None:
    for _, rate in rates(times_s):
        assert 0.0 < rate < math.inf
