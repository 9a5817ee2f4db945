"""How a request for any JSON API is written down, and how its answer is read.

Whatever may hold a key is a secret type, whole: it is shown neither by a `repr` nor in an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    PositiveFloat,
    Secret,
    SecretStr,
    field_validator,
    model_validator,
)

from streammon.core.types import Json
from streammon.detectors.model_settings import Content, Part
from streammon.detectors.remote_template import Pointer, Vocabulary

FILE_OF: Mapping[Content, str] = {
    "image": "image.jpg",
    "video": "video.mkv",
    "audio": "audio.wav",
}
"""The placeholder of a file, by what is sent; text is `{{text}}`."""
ALWAYS = ("stream", "start_s", "end_s")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH = re.compile(r"/[A-Za-z0-9/._~!$&'()*+,;=:@%-]*")
NOT_TO_BE_SET = frozenset({"host", "content-length", "transfer-encoding", "connection"})


def _pointer(text: str) -> str:
    Pointer.of(text)
    return text


PointerText: TypeAlias = Annotated[str, AfterValidator(_pointer)]
Scalar: TypeAlias = bool | int | float | str | None


def words_of(content: Content, *, answers: bool = False) -> Vocabulary:
    """The placeholders that a request for this content may use."""
    file = FILE_OF.get(content)
    return Vocabulary(ALWAYS if file else ("text", *ALWAYS), file, answers)


class Condition(Part):
    """Whether an answer has one of these values at a place."""

    at: PointerText
    """A JSON pointer (RFC 6901), such as `/item/status`."""
    equals: tuple[Scalar, ...]

    @field_validator("equals", mode="before")
    @classmethod
    def one_is_enough(cls, given: object) -> object:
        return given if isinstance(given, list | tuple) else (given,)

    def holds(self, document: Json) -> bool:
        """`true` is not 1, and where there is nothing, nothing is equal."""
        try:
            found = Pointer.of(self.at).find(document)
        except LookupError:
            return False
        return any(_kind(found) is _kind(value) and found == value for value in self.equals)


def _kind(value: Json | Scalar) -> type:
    return float if type(value) is int else type(value)


class Asking(Part):
    """What both the first request and the ones for the result have."""

    path: SecretStr
    """From the host on, with placeholders; what is filled in is one segment of the path."""
    query: Mapping[str, SecretStr] = {}
    headers: Mapping[str, SecretStr] = {}

    @field_validator("path")
    @classmethod
    def path_is_one(cls, path: SecretStr) -> SecretStr:
        if not _PATH.fullmatch(re.sub(r"\{\{.*?\}\}", "x", path.get_secret_value())):
            raise ValueError("it has to begin with /, without ? and #: `query` is for those")
        return path

    @field_validator("headers")
    @classmethod
    def headers_can_be_set(cls, headers: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        for name, value in headers.items():
            if not _HEADER.fullmatch(name) or name.lower() in NOT_TO_BE_SET:
                raise ValueError(f"{name!r} is no header that can be set")
            if not value.get_secret_value().isprintable():
                raise ValueError(f"{name} holds what no header may hold")
        return headers


class RequestSettings(Asking):
    """The request that a window is sent with; `body`, `form`, `multipart` or `raw` brings it."""

    method: Literal["POST", "PUT", "GET"] = "POST"
    body: Secret[JsonValue] | None = None
    """Sent as JSON; placeholders in its texts are filled in."""
    form: Mapping[str, SecretStr] | None = None
    """Sent as application/x-www-form-urlencoded."""
    multipart: Mapping[str, SecretStr] | None = None
    """Sent as multipart/form-data; a field that is a file's placeholder alone is that file."""
    raw: str | None = None
    """The placeholder of what is sent as it is, such as `"{{audio.wav}}"`."""

    @model_validator(mode="after")
    def one_body(self) -> RequestSettings:
        ways = ("body", "form", "multipart", "raw")
        given = [name for name in ways if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"one of {', '.join(ways)} is enough; given: {', '.join(given)}")
        return self


class PollSettings(Asking):
    """How the result is fetched when the answer to the first request only says where it will be.

    `{{answer:/a/json/pointer}}` is a value of that first answer. The headers of the first request
    are sent here too, but for those that are named again.
    """

    method: Literal["GET", "POST"] = "GET"
    every_s: PositiveFloat = Field(1.0, ge=0.05, le=60.0)
    done_when: Condition
    failed_when: Condition | None = None


class ResponseSettings(Part):
    """Where in the answer the confidence stands, and on what scale."""

    confidence: PointerText
    """A number, or a number as text; null abstains."""
    scale: float = Field(1.0, gt=0.0)
    """The number is multiplied by it: 0.01 for percent."""
    invert: bool = False
    """The number says how likely it is real."""
    abstain_when: tuple[Condition, ...] = ()
    model: PointerText | None = None
    """Where the answer says which model it was."""
