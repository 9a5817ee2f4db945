"""Any piece of content as a recording: a file, bytes, text, or arrays.

What it is is worked out from the content itself, within bounds, before anything is decoded. Media
are decoded from memory or an open file: FFmpeg is given no name to open, and no format that leads
elsewhere.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from streammon.core.errors import Permanent, Retryable, TooLarge, Undecodable
from streammon.core.ports import Demand, Recording, Source, SourceContext
from streammon.core.types import ChatMessage, Item, Modality, StreamId
from streammon.ingest.image_head import ImageHead, begins_as_image, read_head
from streammon.ingest.media_file import media_source
from streammon.ingest.sound_array import sound_source
from streammon.ingest.still import decode_image, frames_source
from streammon.ingest.text import bounded, chat_source, decode_text, looks_like_chat, text_source
from streammon.ingest.whole_file import must_be_file, read_file

Given: TypeAlias = "PathLike[str] | bytes | str | NDArray[Any]"
Asked: TypeAlias = Literal["auto", "image", "video", "audio", "text"]

HEAD_BYTES = 64 * 1024
"""So much of a file says whether it is text or media."""


class ContentKind(StrEnum):
    IMAGE = "image"
    VIDEO = "video"
    """Moving pictures, with sound or without."""
    AUDIO = "audio"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused with `TooLarge`; the size of media in files on disk is not bounded."""

    bytes: int = 512 * 2**20
    pixels: int = 64_000_000
    """Of one picture."""
    duration_s: float = 4 * 3600.0
    """Of sound and moving pictures."""
    characters: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Content:
    """One piece of content, ready to be read; `source` is a `Recording`."""

    kind: ContentKind
    source: Source


def content_of(
    given: Given,
    modality: Asked = "auto",
    *,
    name: str = "content",
    limits: Limits = Limits(),
    rate_hz: int | None = None,
    fps: float | None = None,
) -> Content:
    """What `given` is, as a recording whose stream is called `name`.

    A path names a file: media, an image, text, or chat as JSON lines; bytes hold the same. A `str`
    is text itself. An array is an image (height, width, 3) uint8, frames (count, height, width, 3)
    uint8 with `fps`, or mono sound (n,) of floats in [-1, 1] with `rate_hz`.

    `modality` says what it has to be; `video` and `audio` of a film with sound take the picture
    or the sound alone. Raises `Undecodable` for what is not that, `TooLarge` beyond the limits,
    `Permanent` for a file that cannot be read, `ValueError` for arrays of another shape or type.
    """
    if modality not in get_args(Asked):
        raise ValueError(f"modality {modality!r}: allowed: {', '.join(get_args(Asked))}")
    stream = StreamId(name)
    if isinstance(given, str):
        content = _of_str(stream, given, modality, limits)
    elif isinstance(given, np.ndarray):
        content = _of_array(stream, given, rate_hz, fps)
    elif isinstance(given, bytes):
        content = _of_bytes(stream, given, modality, limits)
    else:
        content = _of_file(stream, Path(given), modality, limits)
    _must_be(content.kind, modality)
    return Content(content.kind, _Bounded(content.source, most_s=limits.duration_s))


def _of_str(stream: StreamId, text: str, modality: Asked, limits: Limits) -> Content:
    if modality == "auto" and _names_a_file(text):
        raise ValueError(
            f"{text!r} is text, but a file of that name exists: "
            "give pathlib.Path(...) for the file, or modality='text'"
        )
    return _of_text(stream, text, limits)


def _names_a_file(text: str) -> bool:
    if len(text) > 1024 or "\n" in text or "\0" in text:
        return False
    try:
        return Path(text).is_file()
    except OSError:  # too long a name
        return False


def _of_text(stream: StreamId, text: str, limits: Limits) -> Content:
    text = bounded(text, most_characters=limits.characters)
    make = chat_source if looks_like_chat(text) else text_source
    return Content(ContentKind.TEXT, make(stream, text))


def _of_array(
    stream: StreamId, array: NDArray[Any], rate_hz: int | None, fps: float | None
) -> Content:
    is_picture = array.dtype == np.uint8 and array.size > 0 and array.shape[-1] == 3
    if is_picture and array.ndim == 3:
        return _still(stream, array)
    if is_picture and array.ndim == 4:
        if fps is None:
            raise ValueError("frames need fps=, how many there are a second")
        return Content(ContentKind.VIDEO, frames_source(stream, array, fps=fps))
    if array.ndim == 1 and np.issubdtype(array.dtype, np.floating):
        if rate_hz is None:
            raise ValueError("sound needs rate_hz=, how many samples there are a second")
        samples = array.astype(np.float32, copy=False)
        return Content(ContentKind.AUDIO, sound_source(stream, samples, rate_hz=rate_hz))
    raise ValueError(
        f"an array of {array.dtype} {array.shape}: expected uint8 (height, width, 3) or "
        "(count, height, width, 3), or floats (n,)"
    )


def _of_file(stream: StreamId, path: Path, modality: Asked, limits: Limits) -> Content:
    must_be_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise Permanent(f"{path}: cannot be read: {error.strerror}") from error
    if not head:
        raise Undecodable("it is empty")
    if modality == "text" or begins_as_image(head) or _may_be_text(head):
        data = read_file(path, most_bytes=limits.bytes)
        return _of_bytes(stream, data, modality, limits)
    return _media(stream, lambda: path.open("rb"), modality, limits)


def _of_bytes(stream: StreamId, data: bytes, modality: Asked, limits: Limits) -> Content:
    if not data:
        raise Undecodable("it is empty")
    if len(data) > limits.bytes:
        raise TooLarge(f"it has {len(data)} bytes: more than {limits.bytes}")
    if modality in {"auto", "text"}:
        text = decode_text(data)
        if text is not None:
            return _of_text(stream, text, limits)
        if modality == "text":
            raise Undecodable("not text in UTF-8 or UTF-16")
    head = read_head(data)
    if head is not None and _is_still(head, modality):
        return _still(stream, decode_image(data, most_pixels=limits.pixels))
    return _media(stream, partial(io.BytesIO, data), modality, limits)


def _is_still(head: ImageHead, modality: Asked) -> bool:
    """Whether to take it as one picture: FFmpeg plays GIF animations, and no others."""
    return modality == "image" or not (head.format == "gif" and head.animated)


def _may_be_text(head: bytes) -> bool:
    """Whether a file that begins so may be text: it may be cut within a character."""
    return any(decode_text(head[: len(head) - cut]) is not None for cut in range(min(4, len(head))))


def _still(stream: StreamId, image: NDArray[np.uint8]) -> Content:
    return Content(ContentKind.IMAGE, frames_source(stream, image[None], fps=1.0))


def _media(
    stream: StreamId, file: Callable[[], BinaryIO], modality: Asked, limits: Limits
) -> Content:
    if modality in {"image", "text"}:
        raise Undecodable(f"it is no {modality}")
    source = media_source(
        stream,
        file,
        video=modality != "audio",
        audio=modality != "video",
        most_pixels=limits.pixels,
        most_s=limits.duration_s,
    )
    moves = Modality.VIDEO in source.modalities
    return Content(ContentKind.VIDEO if moves else ContentKind.AUDIO, source)


def _must_be(kind: ContentKind, modality: Asked) -> None:
    """A still image may stand for a video of one frame."""
    fits = kind == modality or (kind is ContentKind.IMAGE and modality == "video")
    if modality != "auto" and not fits:
        raise Undecodable(f"it is {kind}, not {modality}")


class _Bounded:
    """A recording whose length is checked as it is read, and whose failures say what they are."""

    def __init__(self, inner: Source, *, most_s: float) -> None:
        assert isinstance(inner, Recording)
        self.stream = inner.stream
        self.modalities = inner.modalities
        self._inner = inner
        self._recording: Recording = inner
        self._most_s = most_s

    def open(self, context: SourceContext) -> AbstractAsyncContextManager[AsyncIterator[Item]]:
        return self._inner.open(context)

    def items(self, demand: Demand) -> Iterator[Item]:
        """See `ports.Recording`. Raises `TooLarge` and `Undecodable`."""
        try:
            for item in self._recording.items(demand):
                if item.media_s > self._most_s and not isinstance(item, ChatMessage):
                    raise TooLarge(f"it lasts longer than {self._most_s:g} s")
                yield item
        except (TooLarge, Undecodable):
            raise
        except (Permanent, Retryable) as error:
            raise Undecodable(str(error)) from error
