"""Any content as a recording: real files of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from streammon.core.types import AudioChunk, ChatMessage, Modality, VideoFrame
from streammon.pipelines.content import Asked, ContentKind, content_of
from tests.clips import Recipe, write_clip
from tests.component.contents import a_sound, items, kinds
from tests.contract.source_laws import fingerprint
from tests.unit.test_image_head import FORMATS, an_image

IMAGE, VIDEO, AUDIO, TEXT = ContentKind


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    write_clip(path, Recipe(seconds=2))
    return path


# --- what it is --------------------------------------------------------------------------------


def test_a_film_has_picture_and_sound_from_a_file_and_from_memory_alike(film: Path) -> None:
    there, here = content_of(film), content_of(film.read_bytes())
    assert there.kind is here.kind is VIDEO
    assert kinds(there) == {VideoFrame, AudioChunk}
    assert [fingerprint(item) for item in items(there)] == [
        fingerprint(item) for item in items(here)
    ]


@pytest.mark.parametrize(
    ("modality", "kind", "made"), [("video", VIDEO, VideoFrame), ("audio", AUDIO, AudioChunk)]
)
def test_of_a_film_one_modality_can_be_asked_for(
    film: Path, modality: Asked, kind: ContentKind, made: type
) -> None:
    content = content_of(film, modality)
    assert (content.kind, kinds(content)) == (kind, {made})


def test_a_recording_can_be_read_again_and_gives_the_same(film: Path) -> None:
    content = content_of(film)
    assert [fingerprint(item) for item in items(content)] == [
        fingerprint(item) for item in items(content)
    ]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mp3", "mp3"), ("a.ogg", "libopus"),
     ("a.opus", "libopus"), ("a.aac", "aac"), ("a.m4a", "aac"), ("a.webm", "libopus")],
)  # fmt: skip
def test_sound_in_every_usual_format_is_sound_of_its_length(
    tmp_path: Path, name: str, codec: str
) -> None:
    content = content_of(a_sound(tmp_path / name, codec=codec))
    chunks = [item for item in items(content) if isinstance(item, AudioChunk)]
    assert content.kind is AUDIO
    assert sum(chunk.duration_s for chunk in chunks) == pytest.approx(2.0, abs=0.1)


def test_the_picture_on_a_records_cover_is_no_video(tmp_path: Path) -> None:
    content = content_of(a_sound(tmp_path / "a.mp3", codec="mp3", cover=True))
    assert (content.kind, kinds(content)) == (AUDIO, {AudioChunk})


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("as_file", [True, False])
def test_an_image_is_one_frame_in_its_own_size(form: str, as_file: bool, tmp_path: Path) -> None:
    path = tmp_path / "nameless"
    path.write_bytes(an_image(form, 1000, 700))
    content = content_of(path if as_file else path.read_bytes())
    (frame,) = items(content)
    assert content.kind is IMAGE
    assert isinstance(frame, VideoFrame)
    assert frame.image_rgb.shape == (700, 1000, 3)


def test_an_image_stands_for_a_video_of_one_frame() -> None:
    assert content_of(an_image("png"), "video").kind is IMAGE


def test_an_animation_moves_unless_an_image_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("gif", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb8"
        for level in range(0, 250, 25):
            image = np.full((48, 64, 3), level, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode(None))
    moving, still = content_of(path), content_of(path, "image")
    assert (moving.kind, len(items(moving))) == (VIDEO, 10)
    assert (still.kind, len(items(still))) == (IMAGE, 1)


def test_text_is_text_as_str_bytes_or_file(tmp_path: Path) -> None:
    path = tmp_path / "essay"
    path.write_text("It was a dark night.")
    for given_text in ("It was a dark night.", b"It was a dark night.", path):
        content = content_of(given_text)
        (message,) = items(content)
        assert content.kind is TEXT
        assert isinstance(message, ChatMessage)
        assert message.text == "It was a dark night."


def test_chat_is_messages() -> None:
    content = content_of('{"author_id":"a","text":"hi"}\n{"author_id":"b","text":"ho"}\n')
    assert [getattr(item, "text", None) for item in items(content)] == ["hi", "ho"]


def test_a_name_given_as_text_is_not_silently_judged_as_text(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(an_image("jpeg"))
    with pytest.raises(ValueError, match=r"pathlib\.Path"):
        content_of(str(path))
    assert content_of(str(path), "text").kind is TEXT
    assert content_of(str(path) + "\0").kind is TEXT


def test_modalities_are_those_that_are_there(film: Path) -> None:
    assert content_of(film).source.modalities == {Modality.VIDEO, Modality.AUDIO}
    assert content_of(film, "video").source.modalities == {Modality.VIDEO}
    image = bytes(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1])
    assert content_of(image).source.modalities == {Modality.VIDEO}


# --- arrays ------------------------------------------------------------------------------------


def test_arrays_are_images_frames_and_sound() -> None:
    image = content_of(np.zeros((20, 30, 3), np.uint8))
    frames = content_of(np.zeros((5, 20, 30, 3), np.uint8), fps=2.0)
    tone = np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    sound = content_of(tone, rate_hz=44_100)
    assert (image.kind, frames.kind, sound.kind) == (IMAGE, VIDEO, AUDIO)
    assert [item.media_s for item in items(frames)] == [0.0, 0.5, 1.0, 1.5, 2.0]
    chunks = [item for item in items(sound) if isinstance(item, AudioChunk)]
    pcm = np.concatenate([chunk.pcm for chunk in chunks])
    assert {(chunk.rate_hz, chunk.source_rate_hz) for chunk in chunks} == {(16_000, 44_100)}
    assert len(pcm) == pytest.approx(16_000, abs=32)
    spectrum = np.abs(np.fft.rfft(pcm))
    assert np.argmax(spectrum) * 16_000 / len(pcm) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    ("array", "more"),
    [
        (np.zeros((20, 30), np.uint8), {}),
        (np.zeros((20, 30, 4), np.uint8), {}),
        (np.zeros((20, 30, 3), np.float32), {}),
        (np.zeros((0, 30, 3), np.uint8), {}),
        (np.zeros((2, 20, 30, 3), np.uint8), {}),
        (np.zeros(100, np.int16), {"rate_hz": 16_000}),
        (np.zeros(100, np.float32), {}),
        (np.zeros(100, np.float32), {"rate_hz": 0}),
        (np.full(100, np.nan, np.float32), {"rate_hz": 16_000}),
    ],
)
def test_arrays_of_another_shape_type_or_rate_are_refused(
    array: np.ndarray[Any, Any], more: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"array|rate_hz|fps|finite"):
        content_of(array, **more)
