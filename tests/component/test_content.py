"""Any content as a recording: real files of every kind, and ones that are made to hurt."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.errors import Permanent, TooLarge, Undecodable
from streammon.core.ports import Recording
from streammon.core.types import AudioChunk, ChatMessage, Item, Modality, VideoFrame
from streammon.pipelines.content import Asked, Content, ContentKind, Limits, content_of
from tests.clips import Recipe, write_clip
from tests.contract.source_laws import fingerprint
from tests.fakes import WantAll
from tests.unit.test_image_head import FORMATS, an_image
from tests.unit.test_still import a_png

IMAGE, VIDEO, AUDIO, TEXT = ContentKind


def items(content: Content) -> list[Item]:
    assert isinstance(content.source, Recording)
    return list(content.source.items(WantAll()))


def kinds(content: Content) -> set[type]:
    return {type(item) for item in items(content)}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    write_clip(path, Recipe(seconds=2))
    return path


def a_sound(
    path: Path,
    *,
    codec: str,
    seconds: float = 2.0,
    cover: bool = False,
    container: str | None = None,
) -> Path:
    """A tone of 48 kHz, mono, in the format that the name says."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=48_000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        picture: Any = None
        if cover:
            picture = output.add_stream("png")
            picture.width, picture.height, picture.pix_fmt = 32, 32, "rgb24"
            picture.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            packets = [*picture.encode(frame), *picture.encode()]
        samples = np.sin(2 * np.pi * 440 * np.arange(round(48_000 * seconds)) / 48_000)
        sound = av.AudioFrame.from_ndarray(
            (0.3 * samples).astype(np.float32)[None], format="flt", layout="mono"
        )
        sound.sample_rate, sound.pts, sound.time_base = 48_000, 0, Fraction(1, 48_000)
        wanted = stream.codec_context.format.name
        resampler = av.AudioResampler(format=wanted, layout="mono", rate=48_000, frame_size=1024)
        pieces = [*resampler.resample(sound), *resampler.resample(None)]
        output.mux([packet for piece in pieces for packet in stream.encode(piece)])
        output.mux(stream.encode(None))
        if cover:
            output.mux(packets)
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


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_film_is_not_what_it_is_not(film: Path, modality: Asked) -> None:
    with pytest.raises(Undecodable):
        content_of(film, modality)


@pytest.mark.parametrize("modality", ["image", "video", "audio"])
def test_text_is_nothing_but_text(modality: Asked) -> None:
    for words in ("plain words", b"plain words"):
        with pytest.raises(Undecodable):
            content_of(words, modality)


def test_an_unknown_modality_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="allowed"):
        content_of("x", "smell")  # type: ignore[arg-type]


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    for name, why in (("", "folder"), ("pipe", "regular"), ("none", "no such"), ("empty", "empty")):
        with pytest.raises(Permanent, match=why):
            content_of(tmp_path / name)


@given(data=st.binary(min_size=1, max_size=2000))
def test_bytes_of_any_kind_are_content_or_refused(data: bytes) -> None:
    try:
        content = content_of(data)
    except Permanent:
        return
    items(content)


def test_a_coding_that_nobody_knows_is_no_picture(film: Path) -> None:
    """The track says `zzzz` where it said H.264: what is left is the sound."""
    data = film.read_bytes().replace(b"avc1", b"zzzz")
    assert content_of(data).kind is AUDIO
    with pytest.raises(Undecodable, match="no picture"):
        content_of(data, "video")


def test_a_track_that_begins_late_is_passed_over_and_the_rest_is_read(tmp_path: Path) -> None:
    """FLV announces no tracks: this one gets sound after twelve seconds of picture."""
    silent, sounding = tmp_path / "a.flv", tmp_path / "b.flv"
    write_clip(silent, Recipe(seconds=12, sound=False))
    write_clip(sounding, Recipe(seconds=1))
    flv_head = 13
    content = content_of(silent.read_bytes() + sounding.read_bytes()[flv_head:])
    assert kinds(content) == {VideoFrame}
    assert items(content)[-1].media_s > 0.0


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.95])
def test_a_film_cut_short_is_refused_or_read_as_far_as_it_goes(film: Path, share: float) -> None:
    data = film.read_bytes()
    try:
        content = content_of(data[: round(len(data) * share)])
    except Undecodable:
        return
    assert all(isinstance(item, VideoFrame | AudioChunk) for item in items(content))


def test_a_film_with_holes_is_read_around_them(film: Path) -> None:
    data = bytearray(film.read_bytes())
    for at in range(len(data) // 4, len(data) // 2, 997):
        data[at : at + 50] = bytes(50)
    try:
        items(content_of(bytes(data)))
    except Undecodable:
        return


def _hls(target: str) -> bytes:
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXTINF:1,", target]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode()


def _concat(target: str) -> bytes:
    return f"ffconcat version 1.0\nfile '{target}'\n".encode()


def _dash(target: str) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4">'
        f'<Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    ).encode()


@pytest.mark.parametrize("playlist", [_hls, _concat, _dash])
@pytest.mark.parametrize("name", ["a.m3u8", "a.mp4", "a.ffconcat", "frame%03d.png", "a.mpd"])
def test_a_playlist_leads_to_no_file_and_no_address(
    playlist: Callable[[str], bytes], name: str, tmp_path: Path
) -> None:
    """Whatever the file is called; what it names is there and would open."""
    secret = tmp_path / "secret.ts"
    write_clip(secret, Recipe(seconds=1, sound=False), container="mpegts")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/x.ts"
        for target in ("secret.ts", f"file://{secret}", "/etc/passwd", address):
            path = tmp_path / name
            path.write_bytes(playlist(target))
            for content in (path, path.read_bytes()):
                with pytest.raises(Undecodable):
                    content_of(content, "video")
                assert content_of(content).kind is TEXT
        with pytest.raises(BlockingIOError):
            listening.accept()


# --- bounds ------------------------------------------------------------------------------------


def test_bounds_on_bytes_characters_pixels_and_seconds_are_kept(film: Path) -> None:
    data = film.read_bytes()
    for given_content, limits in (
        (data, Limits(bytes=len(data) - 1)),
        ("x" * 11, Limits(characters=10)),
        (b"x" * 11, Limits(characters=10)),
        (an_image("png"), Limits(pixels=599)),
        (a_png(64_000, 64_000, 8), Limits()),
        (film, Limits(pixels=320 * 180 - 1)),
        (film, Limits(duration_s=1.0)),
    ):
        with pytest.raises(TooLarge):
            content_of(given_content, limits=limits)


def test_a_length_that_the_head_does_not_tell_is_bounded_all_the_same(tmp_path: Path) -> None:
    """ADTS has no length; here are 20 s."""
    path = a_sound(tmp_path / "a.aac", codec="aac", seconds=20.0)
    content = content_of(path, limits=Limits(duration_s=30.0))
    assert items(content)[-1].media_s > 19.0
    with pytest.raises(TooLarge):
        items(content_of(path, limits=Limits(duration_s=5.0)))


def test_a_size_that_the_head_belies_is_bounded_by_the_decoder(tmp_path: Path) -> None:
    """The container says 320 x 180 of pictures that are four times as large."""
    path = tmp_path / "film.mp4"
    write_clip(path, Recipe(seconds=1, width=640, height=360, sound=False))
    data = path.read_bytes()
    size, smaller = struct.pack(">HH", 640, 360), struct.pack(">HH", 320, 180)
    lying = data.replace(size, smaller)
    assert lying != data
    try:
        frames = items(content_of(lying, limits=Limits(pixels=320 * 180)))
    except (TooLarge, Undecodable):
        return
    assert frames == []


def test_a_declared_gigabyte_is_not_believed() -> None:
    """A WAV of 44 bytes whose head declares 1 GB of samples."""
    head = b"RIFF" + struct.pack("<I", 2**30) + b"WAVEfmt " + struct.pack(
        "<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16
    )  # fmt: skip
    wav = head + b"data" + struct.pack("<I", 2**30 - 36)
    try:
        assert items(content_of(wav + bytes(3200), limits=Limits(duration_s=10**6))) != []
    except (TooLarge, Undecodable):
        return


def test_nothing_stays_open(film: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        items(content_of(film))
        reading = content_of(film).source
        assert isinstance(reading, Recording)
        half = reading.items(WantAll())
        next(half)
        half.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) <= before


def test_modalities_are_those_that_are_there(film: Path) -> None:
    assert content_of(film).source.modalities == {Modality.VIDEO, Modality.AUDIO}
    assert content_of(film, "video").source.modalities == {Modality.VIDEO}
    image = bytes(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1])
    assert content_of(image).source.modalities == {Modality.VIDEO}
