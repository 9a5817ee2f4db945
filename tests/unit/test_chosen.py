"""Which detectors are measured for what the command line says."""

from __future__ import annotations

from pathlib import Path

import pytest

from streammon.core.errors import ConfigError
from streammon.evaluation import chosen
from streammon.pipelines.building import build_detectors


@pytest.fixture
def pipeline(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "sources: {door: {type: av_url, url: 'lavfi:testsrc2'}}\n"
        "detectors:\n"
        "  short: {type: voice_spoof}\n"
        "  long: {type: voice_spoof, window_s: 4.0}\n"
        "  both: {type: ensemble, members: [short, long]}\n"
        "  freeze: {}\n"
    )
    return str(path)


def test_a_type_is_measured_with_its_default_settings() -> None:
    assert list(build_detectors(chosen.monitor("voice_spoof", None))) == ["voice_spoof"]


def test_all_detectors_of_a_monitor_are_measured_without_its_streams(pipeline: str) -> None:
    config = chosen.monitor(None, pipeline)
    assert config.sources == {}
    assert set(build_detectors(config)) == {"both", "freeze"}
    assert "voice_spoof" in chosen.monitor(None, None).detectors


@pytest.mark.parametrize("name", ["both", "short", "freeze"])
def test_one_of_a_monitors_detectors_brings_its_members(pipeline: str, name: str) -> None:
    """A member is measured by itself when it is the one that is named."""
    assert list(build_detectors(chosen.monitor(name, pipeline))) == [name]


@pytest.mark.parametrize(
    ("name", "monitor", "cause"),
    [
        ("short", None, "is not a type of detector; allowed: "),
        ("nobody", "monitoring_wall", "monitoring_wall has no detector 'nobody'; it has: "),
        (None, "no_such_monitor", "neither a file nor a ready-made monitor"),
    ],
)
def test_what_there_is_not_is_said(name: str | None, monitor: str | None, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        chosen.monitor(name, monitor)
