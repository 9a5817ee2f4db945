"""Published methods by name: what the catalogue tells people to write is a configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from streammon.catalogue.entries import Entry, read_catalogue
from streammon.core.ports import Evictable, Repeatable
from streammon.core.types import Modality
from streammon.detectors.aasist import AasistConfig
from streammon.registry import DETECTORS, adapter_class

PAGE = Path(__file__).parents[2] / "docs" / "published-detectors.md"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def detector_of(settings: dict[str, Any]) -> Any:
    config: Any = adapter_class(DETECTORS, settings["type"]).model_validate(settings)
    return config.build("published")


@pytest.mark.parametrize("entry", read_catalogue().values(), ids=lambda entry: entry.name)
def test_what_the_catalogue_says_to_write_makes_a_detector(entry: Entry) -> None:
    lines = "\n".join(entry.settings(dict.fromkeys(entry.hub, COMMIT) | entry.pinned))
    detector = detector_of({"type": entry.detector, **yaml.safe_load(lines)})
    assert detector.kind == entry.kind
    assert set(detector.inputs) == {Modality(entry.modality)}
    assert isinstance(detector, Evictable)
    assert isinstance(detector, Repeatable)
    assert detector.resident_bytes == 0


def test_the_pages_examples_make_detectors() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert len(blocks) >= 4
    for block in blocks:
        for name, settings in yaml.safe_load(block)["detectors"].items():
            assert detector_of({"type": name, **settings}).name == "published"


def test_every_model_of_the_catalogue_is_on_the_page() -> None:
    page = PAGE.read_text()
    assert [name for name in read_catalogue() if f"`{name}`" not in page] == []


def test_a_pin_needs_a_file() -> None:
    with pytest.raises(ValueError, match="weights_sha256 pins `weights`"):
        AasistConfig(weights_sha256="0" * 64)
