"""The published description of the wire says what the schema says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from streammon.sinks.websocket_client import parse_subscribe
from tests.wire_schema import checked, schema

TEXT = (Path(__file__).parents[2] / "docs" / "wire-protocol.md").read_text(encoding="utf-8")
EXAMPLES = [block.strip() for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_valid(example: str) -> None:
    message: dict[str, Any] = json.loads(example)
    if message["type"] == "subscribe":
        Draft202012Validator({**schema(), "oneOf": [{"$ref": "#/$defs/subscribe"}]}).validate(
            message
        )
        parse_subscribe(example)
    else:
        checked(example)


def test_every_message_has_an_example() -> None:
    shown = {json.loads(example)["type"] for example in EXAMPLES}
    assert shown == set(schema()["$defs"]) - {"region", "wall_time"}


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        (name, field)
        for name, definition in schema()["$defs"].items()
        for field in definition.get("properties", {})
    ],
)
def test_every_field_is_described(definition: str, field: str) -> None:
    assert f"`{field}`" in TEXT, f"{field} of {definition}"
