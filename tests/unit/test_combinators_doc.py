"""The examples of docs/combinators.md are configs that can be built."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from streammon.config import parse_config
from streammon.pipelines.building import build_detectors

PAGE = Path(__file__).parents[2] / "docs" / "combinators.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.M | re.S)
EXAMPLES = [yaml.safe_load(text) for text in BLOCKS]


def outermost(example: Any) -> set[str]:
    """The entries that no other entry names."""
    entries = example["detectors"]
    named = {
        member
        for entry in entries.values()
        for member in [entry.get("first"), entry.get("then"), *entry.get("members", [])]
    }
    return set(entries) - named


def test_there_is_an_example_of_each() -> None:
    text = PAGE.read_text()
    types = ("cascade", "ensemble", "multimodal", "av_sync", "transcript", "image_text")
    assert [one for one in types if f"type: {one}" not in text and f"  {one}:" not in text] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_built(example: Any) -> None:
    detectors = build_detectors(parse_config(example))
    assert set(detectors) == outermost(example)
    for name, detector in detectors.items():
        assert detector.name == name
        assert detector.inputs


def test_the_shared_window_is_what_the_page_says() -> None:
    (guard,) = build_detectors(parse_config(EXAMPLES[0])).values()
    (spec,) = guard.inputs.values()
    assert (spec.length, spec.hop) == (4.0, 1.5)
