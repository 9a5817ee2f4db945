"""Names in a config become adapter classes, of ours and of outside packages alike."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from streammon.core.errors import ConfigError
from streammon.registry import (
    DETECTORS,
    RULES,
    SINKS,
    SOURCES,
    AdapterConfig,
    adapter_class,
    adapter_union,
    known,
)
from tests.packages import installed

TOYS = """
    from typing import Literal
    from streammon.registry import AdapterConfig

    class ToneConfig(AdapterConfig):
        type: Literal["toy_tone"] = "toy_tone"
        pitch_hz: float = 440.0

    class NoiseConfig(AdapterConfig):
        type: Literal["toy_noise"] = "toy_noise"

    class MislabelledConfig(AdapterConfig):
        type: Literal["toy_tone"] = "toy_tone"
"""
TARGETS = {
    "toy_tone": "streammon_toys:ToneConfig",
    "toy_noise": "streammon_toys:NoiseConfig",
    "toy_mislabelled": "streammon_toys:MislabelledConfig",
    "toy_needy": "streammon_toys_needy:NeedyConfig",
    "toy_lost": "streammon_toys_lost:LostConfig",
}


@pytest.fixture(autouse=True)
def toys(tmp_path: Path) -> Iterator[None]:
    needy = "import package_that_is_not_there\n"
    groups = {"streammon.sources": TARGETS}
    with (
        installed(
            tmp_path, "streammon_toys", source=TOYS, entry_points=groups, extras=["toy_needy"]
        ),
        installed(tmp_path, "streammon_toys_needy", source=needy, entry_points={}),
    ):
        yield


@pytest.mark.parametrize(
    ("group", "ours"),
    [
        (SOURCES, {"av_url", "webcam", "chat_jsonl"}),
        (DETECTORS, {"voice_spoof", "freeze", "chat_flood"}),
        (SINKS, {"websocket", "kafka", "jsonl", "console"}),
        (RULES, {"cusum"}),
    ],
)
def test_every_group_knows_its_adapters_in_order(group: str, ours: set[str]) -> None:
    names = known(group)
    assert ours <= set(names)
    assert names == sorted(set(names))


def test_an_outside_package_is_known_by_the_same_line() -> None:
    assert "toy_tone" in known(SOURCES)
    config = adapter_class(SOURCES, "toy_tone")(type="toy_tone", pitch_hz=220.0)  # type: ignore[call-arg]
    assert config.model_dump() == {"type": "toy_tone", "pitch_hz": 220.0}


def test_listing_names_imports_nothing() -> None:
    known(SOURCES)
    assert "streammon_toys" not in sys.modules


def test_only_the_adapters_that_are_named_are_imported() -> None:
    adapter_union(SOURCES, ["toy_tone"])
    assert "streammon_toys" in sys.modules
    assert "streammon_toys_needy" not in sys.modules


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'rtps' is not known; allowed: av_url, chat_jsonl, .*"):
        adapter_class(SOURCES, "rtps")


def test_a_missing_package_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(ConfigError) as caught:
        adapter_class(SOURCES, "toy_needy")
    assert str(caught.value) == (
        "'toy_needy' needs package_that_is_not_there, which is not installed; "
        "try: pip install 'streammon_toys[toy_needy]'"
    )


def test_no_extra_is_recommended_that_does_not_exist() -> None:
    with pytest.raises(ConfigError) as caught:
        adapter_class(SOURCES, "toy_lost")
    assert "streammon_toys_lost, which is not installed" in str(caught.value)
    assert "pip" not in str(caught.value)


def test_a_name_that_two_packages_claim_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "another"
    folder.mkdir()
    claim = {"streammon.sources": {"toy_tone": "streammon_other_toys:ToneConfig"}}
    with (
        installed(folder, "streammon_other_toys", source=TOYS, entry_points=claim),
        pytest.raises(ConfigError, match=r"claimed by streammon_other_toys:.* and streammon_toys:"),
    ):
        adapter_class(SOURCES, "toy_tone")


def test_a_tag_that_is_not_the_entrys_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="streammon_toys:MislabelledConfig is not tagged"):
        adapter_class(SOURCES, "toy_mislabelled")


def test_a_union_picks_the_adapter_by_its_type() -> None:
    union = TypeAdapter[AdapterConfig](adapter_union(SOURCES, ["toy_tone", "toy_noise"]))
    assert type(union.validate_python({"type": "toy_noise"})).__name__ == "NoiseConfig"
    with pytest.raises(ValidationError, match="toy_noise"):
        union.validate_python({"type": "other"})


def test_adapter_settings_are_closed_and_frozen() -> None:
    tone = adapter_class(SOURCES, "toy_tone")
    with pytest.raises(ValidationError, match="extra_forbidden"):
        tone.model_validate({"type": "toy_tone", "pich_hz": 1})
    with pytest.raises(ValidationError, match="frozen"):
        tone.model_validate({"type": "toy_tone"}).type = "other"  # type: ignore[attr-defined]
