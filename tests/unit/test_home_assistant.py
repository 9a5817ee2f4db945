"""What Home Assistant is told, as its documentation has it."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from streammon.core.types import StreamId
from streammon.sinks.home_assistant import discovery, discovery_topics, object_id
from streammon.sinks.mqtt import HomeAssistantConfig

CONFIG = HomeAssistantConfig()


def test_a_stream_is_a_device_with_a_problem_and_a_score() -> None:
    messages = discovery(CONFIG, StreamId("lobby"), "s/lobby/state", "s/availability")
    assert set(messages) == {
        "homeassistant/binary_sensor/streammon/lobby/config",
        "homeassistant/sensor/streammon/lobby/config",
    }
    problem, score = (json.loads(messages[topic]) for topic in sorted(messages))
    assert problem["device_class"] == "problem"
    assert problem["value_template"] == "{{ value_json.problem }}"
    assert problem["unique_id"] == "streammon_lobby_problem"
    assert score["unit_of_measurement"] == "%"
    for entity in (problem, score):
        assert entity["device"]["identifiers"] == ["streammon_lobby"]
        assert entity["device"]["name"] == "lobby"
        assert entity["availability_mode"] == "all"
        assert [each["topic"] for each in entity["availability"]] == [
            "s/availability", "s/lobby/state",
        ]  # fmt: skip


@given(st.lists(st.text(min_size=1), min_size=2, max_size=6, unique=True))
def test_any_name_has_a_place_of_its_own(names: list[str]) -> None:
    topics = [
        topic for name in names for topic in discovery_topics(CONFIG, StreamId(name)).values()
    ]
    assert len(set(topics)) == 2 * len(names)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,73}", object_id(StreamId(name)))
