"""Asks any JSON API: the request is filled in from a template, the answer read at given places."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import SecretStr

from streammon.core.types import Json, Window
from streammon.detectors.model_settings import Content
from streammon.detectors.remote_line import Away, Call, Line, Refused
from streammon.detectors.remote_said import NO_NUMBER, Said, bounded, confidence_of
from streammon.detectors.remote_settings import (
    Asking,
    PollSettings,
    RequestSettings,
    ResponseSettings,
    words_of,
)
from streammon.detectors.remote_template import (
    Media,
    Missing,
    Pointer,
    Template,
    Value,
    Vocabulary,
)

Tree: TypeAlias = "Template | list[Tree] | dict[str, Tree] | bool | int | float | None"
"""A JSON document whose texts are templates."""


class JsonApi:
    """Satisfies `remote_said.Exchange`."""

    decides = False

    def __init__(
        self,
        content: Content,
        request: RequestSettings,
        poll: PollSettings | None,
        response: ResponseSettings,
    ) -> None:
        """Raises `ValueError` naming the setting whose placeholder cannot stand there."""
        words = words_of(content)
        self._words = words
        self._request = request
        self._response = response
        self._head = _Head.of("request", request, words)
        body = None if request.body is None else request.body.get_secret_value()
        self._body = _tree("request.body", body, words)
        self._form = _templates("request.form", request.form, words)
        self._parts = _templates("request.multipart", request.multipart, words, alone=True)
        if request.raw is not None:
            _template("request.raw", request.raw, words, alone=True)
            if request.raw.strip("{} ") != (words.file or "text"):
                raise ValueError(f"request.raw has to be {{{{{words.file or 'text'}}}}}")
        self._poll = poll
        if poll is not None:
            self._poll_head = _Head.of("poll", poll, words_of(content, answers=True))

    async def greet(self, line: Line, *, until_s: float) -> None:
        """Nothing is sent: such an API has nothing that could be asked for free."""

    async def judge(self, line: Line, window: Window, media: Media, *, until_s: float) -> Said:
        is_text = self._words.file is None
        values: dict[str, Value] = {
            self._words.file or "text": media.data.decode() if is_text else media,
            "stream": window.stream,
            "start_s": f"{window.start_s:.3f}",
            "end_s": f"{window.end_s:.3f}",
        }
        try:
            answer = await line.ask(self._call(values, media), until_s=until_s)
            if self._poll is not None:
                answer = await self._result(line, self._poll, values, answer, until_s)
            return self._read(answer)
        except Missing as error:
            raise Away(str(error)) from error

    def _call(self, values: Mapping[str, Value], media: Media) -> Call:
        request = self._request
        return Call(
            request.method,
            self._head.path.text(values, in_path=True),
            self._head.query_of(values),
            self._head.headers_of(values),
            body=_filled(self._body, values) if request.body is not None else None,
            form=_texts(self._form, values) if request.form is not None else None,
            parts=_values(self._parts, values) if request.multipart is not None else None,
            raw=media if request.raw is not None else None,
        )

    async def _result(
        self,
        line: Line,
        poll: PollSettings,
        values: Mapping[str, Value],
        first: Json,
        until_s: float,
    ) -> Json:
        """The answer that is whole, asked for again and again; the caller bounds the time."""
        mine = self._poll_head.headers_of(values, first)
        named = {name.lower() for name in mine} | {"content-type"}
        inherited = self._head.headers_of(values)
        call = Call(
            poll.method,
            self._poll_head.path.text(values, first, in_path=True),
            self._poll_head.query_of(values, first),
            {name: text for name, text in inherited.items() if name.lower() not in named} | mine,
        )
        answer = first
        while not poll.done_when.holds(answer):
            if poll.failed_when is not None and poll.failed_when.holds(answer):
                raise Refused("it says that it could not judge this window")
            await asyncio.sleep(poll.every_s)
            answer = await line.ask(call, until_s=until_s)
        return answer

    def _read(self, answer: Json) -> Said:
        response = self._response
        model = ""
        if response.model is not None:
            model = bounded(Pointer.of(response.model).find(answer))
        for condition in response.abstain_when:
            if condition.holds(answer):
                found = bounded(str(Pointer.of(condition.at).find(answer)))
                return Said(abstained=f"it says {found} at {condition.at}", model=model)
        given = Pointer.of(response.confidence).find(answer)
        confidence = confidence_of(given, scale=response.scale, invert=response.invert)
        if confidence is None:
            return Said(abstained=NO_NUMBER, model=model)
        return Said(confidence, model=model, details={"calibrated": False})


@dataclass(frozen=True, slots=True, repr=False)
class _Head:
    """The address and the headers of a request, parsed."""

    path: Template
    query: Mapping[str, Template]
    headers: Mapping[str, Template]

    @classmethod
    def of(cls, where: str, settings: Asking, words: Vocabulary) -> _Head:
        return cls(
            _template(f"{where}.path", settings.path.get_secret_value(), words),
            _templates(f"{where}.query", settings.query, words),
            _templates(f"{where}.headers", settings.headers, words),
        )

    def query_of(self, values: Mapping[str, Value], answer: Json = None) -> list[tuple[str, str]]:
        return list(_texts(self.query, values, answer).items())

    def headers_of(self, values: Mapping[str, Value], answer: Json = None) -> dict[str, str]:
        return _texts(self.headers, values, answer)


def _template(where: str, text: str, words: Vocabulary, *, alone: bool = False) -> Template:
    """Raises `ValueError` that says where a placeholder is wrong, not what stands around it."""
    try:
        return Template.of(text, words, alone=alone)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _templates(
    where: str, texts: Mapping[str, SecretStr] | None, words: Vocabulary, *, alone: bool = False
) -> dict[str, Template]:
    return {
        name: _template(f"{where}.{name}", text.get_secret_value(), words, alone=alone)
        for name, text in (texts or {}).items()
    }


def _tree(where: str, body: Json, words: Vocabulary) -> Tree:
    if isinstance(body, str):
        return _template(where, body, words)
    if isinstance(body, list):
        return [_tree(f"{where}.{at}", each, words) for at, each in enumerate(body)]
    if isinstance(body, dict):
        return {name: _tree(f"{where}.{name}", each, words) for name, each in body.items()}
    return body


def _filled(tree: Tree, values: Mapping[str, Value]) -> Json:
    if isinstance(tree, Template):
        return tree.text(values)
    if isinstance(tree, list):
        return [_filled(each, values) for each in tree]
    if isinstance(tree, dict):
        return {name: _filled(each, values) for name, each in tree.items()}
    return tree


def _texts(
    templates: Mapping[str, Template], values: Mapping[str, Value], answer: Json = None
) -> dict[str, str]:
    return {name: template.text(values, answer) for name, template in templates.items()}


def _values(templates: Mapping[str, Template], values: Mapping[str, Value]) -> dict[str, Value]:
    return {name: template.value(values) for name, template in templates.items()}
