"""Finding monitors by name or path, and what the command line adds to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from streammon.config import MonitorConfig
from streammon.core.errors import ConfigError
from streammon.pipelines import presets


@pytest.mark.parametrize("name", presets.names())
def test_every_ready_made_monitor_is_a_valid_configuration(name: str) -> None:
    config = presets.load(name, environment={})
    assert config.name == name
    assert config.detectors
    assert config.server.host == "127.0.0.1"


def test_the_three_monitors_and_the_demo_are_there() -> None:
    assert {"call_guard", "monitoring_wall", "chat_moderation", "demo"} <= set(presets.names())


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="perhaps 'monitoring_wall'; ready-made: call_guard, "):
        presets.load("monitoring_wal")


def test_a_problem_has_its_line_unless_the_command_line_made_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\n\nserver:\n  port: 99999\nsources:\n  a: {type: av_url}\n")
    with pytest.raises(ConfigError) as caught:
        presets.load(str(path))
    places = [line.partition(":")[0] for line in str(caught.value).splitlines()]
    assert places == ["sources.a.url (line 6)", "server.port (line 4)"]
    with pytest.raises(ConfigError) as caught:
        presets.load(str(path), changes={"server": {"port": 80000}})
    places = [line.partition(":")[0] for line in str(caught.value).splitlines()]
    assert places == ["sources.a.url (line 6)", "server.port"]


def test_a_source_of_the_command_line_stands_in_for_a_ready_made_one() -> None:
    config = presets.load("call_guard", sources=["call=rtsp://127.0.0.1/x"], environment={})
    assert list(config.sources) == ["call"]


def test_a_source_of_the_command_line_joins_those_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("sources: {door: {type: av_url, url: 'lavfi:testsrc2'}}\n")
    config = presets.load(str(path), sources=["lobby=rtsp://127.0.0.1/x"])
    assert sorted(config.sources) == ["door", "lobby"]
    assert config.name == "mine"


def test_changes_are_laid_over_single_settings() -> None:
    config = presets.load("demo", changes={"server": {"port": 0}}, environment={})
    assert config.server.port == 0
    assert config.server.host == "127.0.0.1"
    assert len(config.sources) > 3


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("rtsp://user:secret@camera.local:8554/front/door", "door"),
        ("rtsp://user:secret@camera.local", "camera.local"),
        ("/recordings/My Call.mp4", "My-Call"),
        ("https://host/live/index.m3u8?token=abc", "index"),
        ("lavfi:testsrc2=size=640x360", "pattern"),
        ("-", "stdin"),
    ],
)
def test_a_stream_is_named_after_its_url_without_its_secrets(url: str, name: str) -> None:
    ((given, _),) = presets.named([url])
    assert given == name
    assert "secret" not in given


def test_equal_names_are_made_unique() -> None:
    names = [name for name, _ in presets.named(["a/x.mp4", "b/x.mp4", "c/x.mp4"])]
    assert names == ["x", "x-2", "x-3"]


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        presets.named(["a=x.mp4", "a=y.mp4"])


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("chat:messages.jsonl", "chat_jsonl"),
        ("messages.jsonl", "chat_jsonl"),
        ("-", "chat_jsonl"),
        ("webcam:0", "webcam"),
        ("webcam:/dev/video2", "webcam"),
        ("srt://host:9000", "av_url"),
        ("clip.mp4", "av_url"),
    ],
)
def test_the_adapter_follows_from_the_url(url: str, kind: str) -> None:
    assert presets.source_settings(url)["type"] == kind


def test_recordings_are_read_once_and_fast() -> None:
    config = presets.recordings(dict(presets.named(["clip.mp4", "chat.jsonl"])))
    assert isinstance(config, MonitorConfig)
    assert {getattr(source, "pace", None) for source in config.sources.values()} == {"fast"}


def test_the_shipped_detectors_are_those_of_all_ready_made_monitors_with_their_rules() -> None:
    shipped = presets.shipped_detectors()
    monitors = [presets.load(name, changes={"sources": None}) for name in presets.JUDGES]
    assert set(shipped.detectors) == {name for one in monitors for name in one.detectors}
    assert shipped.detectors["freeze"] == monitors[0].detectors["freeze"]
    for kind in {kind for one in monitors for kind in one.alerts.rules_by_kind}:
        first = next(one for one in monitors if kind in one.alerts.rules_by_kind)
        rule = first.rules[first.alerts.rules_by_kind[kind]]
        assert shipped.rules[shipped.alerts.rules_by_kind[kind]] == rule, "the earlier stands"


def test_what_cannot_be_a_name_before_a_url_is_refused_and_not_taken_for_a_file() -> None:
    with pytest.raises(ConfigError, match=r"--source: a name has .* \(given: 'Front door'\)"):
        presets.named(["Front door=rtsp://user:secret@10.0.0.7/live"])
    assert presets.named(["rtsp://10.0.0.7/live?a=http://b"])[0][0] == "live"
