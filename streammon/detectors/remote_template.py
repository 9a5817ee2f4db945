"""Text with placeholders, and places in JSON documents: all that a request template can say.

A placeholder is `{{name}}` or `{{name|filter}}`. There are no expressions, no conditions and no
loops, so that a configuration cannot do anything but fill in what is on the list.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import quote

from streammon.core.types import Json

MOST_ANSWER_CHARACTERS = 512
"""Of a value of an answer that is filled into the next request."""
_PLACEHOLDER = re.compile(r"\{\{\s*(?P<name>[^{}|]*?)\s*(?:\|\s*(?P<filter>[^{}|]*?)\s*)?\}\}")
_ANSWER = "answer:"


@dataclass(frozen=True, slots=True, repr=False)
class Media:
    """A file in memory."""

    data: bytes
    media_type: str
    file_name: str


Value: TypeAlias = "str | Media"


class Missing(LookupError):
    """A document has nothing at a place. The text names the place, not what is there instead."""


def _base64(value: Value) -> str:
    data = value.data if isinstance(value, Media) else value.encode("utf-8", "replace")
    return base64.b64encode(data).decode("ascii")


def _data_url(value: Value) -> str:
    kind = value.media_type if isinstance(value, Media) else "text/plain;charset=utf-8"
    return f"data:{kind};base64,{_base64(value)}"


FILTERS: Final[Mapping[str, Callable[[Value], str]]] = {"base64": _base64, "data_url": _data_url}


# --- places in a document --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pointer:
    """A JSON pointer (RFC 6901): `/item/metrics/0/score`; the empty one is the whole document."""

    text: str
    tokens: tuple[str, ...] = field(compare=False)

    @classmethod
    def of(cls, text: str) -> Pointer:
        """Raises `ValueError` for what is none."""
        if text and not text.startswith("/"):
            raise ValueError(f"{text!r} is no JSON pointer (RFC 6901): it has to begin with /")
        if re.search(r"~(?![01])", text):
            raise ValueError(f"{text!r} is no JSON pointer (RFC 6901): write ~0 for ~ and ~1 for /")
        parts = text.split("/")[1:]
        return cls(text, tuple(part.replace("~1", "/").replace("~0", "~") for part in parts))

    def find(self, document: Json) -> Json:
        """What is there, `None` for a JSON null. Raises `Missing` when nothing is."""
        found = document
        for token in self.tokens:
            if isinstance(found, dict) and token in found:
                found = found[token]
            elif isinstance(found, list) and _is_index(token) and int(token) < len(found):
                found = found[int(token)]
            else:
                raise Missing(f"the answer has nothing at {self.text}")
        return found


def _is_index(token: str) -> bool:
    return len(token) < 8 and re.fullmatch(r"0|[1-9][0-9]*", token) is not None


# --- text to fill in -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The placeholders that there are."""

    texts: tuple[str, ...]
    file: str | None = None
    """The one that is a file."""
    answers: bool = False
    """Places of the answer before may be named too, as `{{answer:/item/id}}`."""

    def __str__(self) -> str:
        file = () if self.file is None else (self.file,)
        return ", ".join([*file, *self.texts, *(["answer:/json/pointer"] if self.answers else [])])


@dataclass(frozen=True, slots=True)
class Hole:
    """One placeholder: the name of a value, or a place in the answer to the request before."""

    name: str
    how: str | None = None
    answer: Pointer | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Template:
    """Text with holes. It may hold secrets: neither it nor an error about it shows the text."""

    parts: tuple[str | Hole, ...]

    @classmethod
    def of(cls, text: str, words: Vocabulary, *, alone: bool = False) -> Template:
        """Raises `ValueError` naming a placeholder that cannot stand there, and those that can.

        `alone`: the file may stand there as it is, if nothing stands beside it.
        """
        parts: list[str | Hole] = []
        end = 0
        for match in _PLACEHOLDER.finditer(text):
            parts += [text[end : match.start()], _hole(match["name"], match["filter"], words)]
            end = match.end()
        parts.append(text[end:])
        if any("{{" in part or "}}" in part for part in parts if isinstance(part, str)):
            raise ValueError("{{ or }} stands alone: a placeholder is {{name}} or {{name|filter}}")
        template = cls(tuple(part for part in parts if part != ""))
        bare = [hole for hole in template.holes if hole.name == words.file and hole.how is None]
        if bare and not (alone and len(template.parts) == 1):
            raise ValueError(
                f"{words.file} is no text: write {{{{{words.file}|base64}}}}, or have it alone in "
                "a field of `multipart` or in `raw`"
            )
        return template

    @property
    def holes(self) -> tuple[Hole, ...]:
        return tuple(part for part in self.parts if isinstance(part, Hole))

    def value(self, values: Mapping[str, Value]) -> Value:
        """What a field of a form holds: the text, or the file that stands there alone."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Hole) and self.parts[0].how is None:
            return values[self.parts[0].name]
        return self.text(values)

    def text(
        self, values: Mapping[str, Value], answer: Json = None, *, in_path: bool = False
    ) -> str:
        """The text with everything filled in; `in_path`, as one segment of a URL's path.

        Raises `Missing` for a place that the answer does not have, or that holds no short text
        or whole number.
        """
        return "".join(
            part if isinstance(part, str) else _filled(part, values, answer, in_path)
            for part in self.parts
        )


def _hole(name: str, how: str | None, words: Vocabulary) -> Hole:
    if how is not None and how not in FILTERS:
        raise ValueError(f"unknown filter {how!r}; there are: {', '.join(FILTERS)}")
    if words.answers and name.startswith(_ANSWER):
        return Hole(name, how, Pointer.of(name.removeprefix(_ANSWER)))
    if name not in words.texts and name != words.file:
        raise ValueError(f"unknown placeholder {name!r}; there are: {words}")
    return Hole(name, how)


def _filled(hole: Hole, values: Mapping[str, Value], answer: Json, in_path: bool) -> str:
    value = values[hole.name] if hole.answer is None else _of_answer(hole.answer, answer)
    if hole.how is not None:
        value = FILTERS[hole.how](value)
    assert isinstance(value, str), "the settings let no file stand within text"
    if not in_path:
        return value
    if value in {"", ".", ".."}:
        raise Missing(f"{hole.name} is no part of a path")
    return quote(value, safe="")


def _of_answer(place: Pointer, answer: Json) -> str:
    found = place.find(answer)
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise Missing(f"the answer has no text or whole number at {place.text}")
    text = str(found)
    if len(text) > MOST_ANSWER_CHARACTERS or not text.isprintable():
        raise Missing(f"the text at {place.text} of the answer is too long or not printable")
    return text
