"""Judges wire messages by the published schema, more strictly than readers may."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from streammon.sinks import wire


@cache
def schema() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(wire.SCHEMA_FILE.read_text(encoding="utf-8"))
    return document


@cache
def _validator(kind: str) -> Draft202012Validator:
    """Of one definition; a field that it does not name is an error."""
    document = copy.deepcopy(schema())
    for definition in _objects(document):
        definition.setdefault("additionalProperties", False)
    del document["oneOf"]
    document["$defs"]["result"]["properties"]["details"].pop("additionalProperties", None)
    return Draft202012Validator({**document, "$ref": f"#/$defs/{kind}"})


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            yield node
        for child in node.values():
            yield from _objects(child)
    elif isinstance(node, list):
        for child in node:
            yield from _objects(child)


def checked(data: bytes | str) -> dict[str, Any]:
    """The message, once the schema has nothing against it."""
    message: dict[str, Any] = json.loads(data)
    _validator(message["type"]).validate(message)
    return message
