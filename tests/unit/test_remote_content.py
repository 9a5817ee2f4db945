"""What of a window goes to another machine, byte by byte."""

from __future__ import annotations

import io
import wave

import av
import cv2
import numpy as np
import pytest

from streammon.core.types import Window
from streammon.detectors.remote_content import media_of, refusal
from streammon.detectors.remote_template import Media
from tests.fakes import a_chunk, a_frame, a_message, a_window


def sent(window: Window, content: str, *, frames: int = 8) -> Media:
    assert refusal(window, content) is None  # type: ignore[arg-type]
    return media_of(window, content, frames=frames, jpeg_quality=95)  # type: ignore[arg-type]


def samples(media: Media) -> tuple[int, np.ndarray[tuple[int], np.dtype[np.int16]]]:
    with wave.open(io.BytesIO(media.data)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        return sound.getframerate(), np.frombuffer(sound.readframes(10**6), "<i2").astype(np.int16)


def test_sound_is_sixteen_bit_mono_at_its_own_rate() -> None:
    chunk = a_chunk(duration_s=1.0)
    rate_hz, pcm = samples(sent(a_window(chunk, end_s=1.0), "audio"))
    assert rate_hz == 16_000
    assert np.abs(pcm / 32_767 - chunk.pcm).max() < 1 / 32_767


def test_sound_beyond_full_scale_is_clipped_not_turned_over() -> None:
    loud = a_chunk(pcm=np.array([2.0, -2.0] * 400, np.float32))
    _, pcm = samples(sent(a_window(loud, end_s=0.05), "audio"))
    assert set(pcm.tolist()) == {32_767, -32_767}


@pytest.mark.parametrize(
    ("source_hz", "rate_hz"), [(8_000, 8_000), (11_025, 16_000), (48_000, 16_000)]
)
def test_sound_of_a_telephone_goes_out_as_such(source_hz: int, rate_hz: int) -> None:
    chunk = a_chunk(duration_s=1.0, source_rate_hz=source_hz, pitch_hz=440.0)
    found_hz, pcm = samples(sent(a_window(chunk, end_s=1.0), "audio"))
    assert found_hz == rate_hz
    assert len(pcm) == rate_hz
    peak_hz = float(np.abs(np.fft.rfft(pcm)).argmax())
    assert peak_hz == 440.0


def test_an_image_is_the_picture_in_the_middle() -> None:
    frames = [a_frame(at, level=40 * at) for at in range(5)]
    media = sent(a_window(*frames), "image")
    image = cv2.imdecode(np.frombuffer(media.data, np.uint8), cv2.IMREAD_COLOR)
    assert media.media_type == "image/jpeg"
    assert image is not None
    assert image.mean() == pytest.approx(80, abs=1)


@pytest.mark.parametrize("most", [1, 2, 5, 64])
def test_a_clip_is_evenly_spaced_and_keeps_its_times(most: int) -> None:
    frames = [a_frame(at, media_s=50.0 + at / 4, level=10 * at) for at in range(20)]
    media = sent(a_window(*frames, end_s=55.0), "video", frames=most)
    with av.open(io.BytesIO(media.data), "r") as clip:
        shown = [
            (frame.time, frame.to_ndarray(format="gray").mean()) for frame in clip.decode(video=0)
        ]
    assert len(shown) == min(most, 20)
    first_s = {1: 2.25}.get(most, 0.0)
    for at_s, level in shown:
        assert at_s is not None
        assert level == pytest.approx(40 * (at_s + first_s), abs=2)
    assert shown[-1][0] == (0.0 if most == 1 else 4.75)


def test_pictures_of_one_moment_and_of_another_size_do_not_break_a_clip() -> None:
    frames = [
        a_frame(0, media_s=1.0),
        a_frame(1, media_s=2.0, image_rgb=np.zeros((31, 17, 3), np.uint8)),
        a_frame(2, media_s=2.0, image_rgb=np.full((31, 17, 3), 255, np.uint8)),
    ]
    with av.open(io.BytesIO(sent(a_window(*frames), "video").data), "r") as clip:
        sizes = [(frame.height, frame.width) for frame in clip.decode(video=0)]
    assert sizes == [(31, 17), (31, 17)]


def test_text_has_a_line_for_each_message_and_no_names() -> None:
    window = a_window(a_message(text="one"), a_message(1, text="zwei \ud800", author_id="bob"))
    media = sent(window, "text")
    assert media.data == b"one\nzwei ?"
    assert media.media_type == "text/plain; charset=utf-8"


def test_what_cannot_be_sent_is_refused_in_words() -> None:
    damaged = a_window(a_frame(damaged=True))
    wide = a_window(a_frame(image_rgb=np.zeros((1, 70_000, 3), np.uint8)))
    broken = a_window(a_chunk(pcm=np.full(1600, np.nan, np.float32)), end_s=0.1)
    assert refusal(damaged, "image") == refusal(damaged, "video") == "no undamaged picture"
    assert refusal(wide, "image") == "a picture too large for JPEG"
    assert refusal(broken, "audio") == "damaged sound: it holds what is no number"
    assert refusal(a_window(a_message(text=" \n")), "text") == "no words"
