from __future__ import annotations

import sys

import pytest
from pydantic import ValidationError

from streammon.core.errors import ConfigError
from streammon.sinks.kafka import OURS, KafkaConfig


def test_only_the_topics_that_are_written_to_are_asked_for() -> None:
    config = KafkaConfig(topic_prefix="tv", results=False, overlays=True)
    assert config.topics() == ["tv.alerts.v1", "tv.health.v1", "tv.frames.v1"]


@pytest.mark.parametrize("taken", sorted(OURS))
def test_what_the_promises_rest_on_cannot_be_set(taken: str) -> None:
    with pytest.raises(ValidationError, match="no alert is lost"):
        KafkaConfig.model_validate({"properties": {taken: "1"}})


def test_secrets_are_not_shown() -> None:
    config = KafkaConfig.model_validate({"properties": {"sasl.password": "hunter2"}})
    assert "hunter2" not in repr(config)
    assert "hunter2" not in config.model_dump_json()


def test_without_the_client_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("streammon.sinks.kafka_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(ConfigError, match=r"sinks\.k: .*pip install 'streammon\[kafka\]'"):
        KafkaConfig().build("k")
