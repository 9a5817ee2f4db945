"""Discovery messages for Home Assistant, and their topics. Pure.

home-assistant.io/integrations/mqtt: a retained message at
`<discovery prefix>/<component>/<node>/<object>/config` makes an entity, an empty one removes it.
"""

from __future__ import annotations

import hashlib
import json
import re

from streammon import __version__
from streammon.core.types import StreamId
from streammon.sinks.mqtt import HomeAssistantConfig


def discovery(
    config: HomeAssistantConfig, stream: StreamId, state_topic: str, availability_topic: str
) -> dict[str, bytes]:
    """Topic and payload of each entity of one stream: a problem, and the highest score."""
    key = object_id(stream)
    shared: dict[str, object] = {
        "state_topic": state_topic,
        "availability_mode": "all",
        "availability": [
            {"topic": availability_topic},
            {
                "topic": state_topic,
                "value_template": "{{ 'offline' if value_json.health in "
                "['failed', 'ended'] else 'online' }}",
            },
        ],
        "device": {
            "identifiers": [f"{config.node}_{key}"],
            "name": stream,
            "manufacturer": "streammon",
            "model": "monitored stream",
            "sw_version": __version__,
        },
        "origin": {"name": "streammon", "sw_version": __version__},
    }
    problem: dict[str, object] = {
        "name": "Synthetic media",
        "unique_id": f"{config.node}_{key}_problem",
        "device_class": "problem",
        "value_template": "{{ value_json.problem }}",
        "json_attributes_topic": state_topic,
        "json_attributes_template": "{{ {'severity': value_json.severity, "
        "'kinds': value_json.kinds} | tojson }}",
    }
    score: dict[str, object] = {
        "name": "Score",
        "unique_id": f"{config.node}_{key}_score",
        "icon": "mdi:account-question",
        "state_class": "measurement",
        "unit_of_measurement": "%",
        "suggested_display_precision": 0,
        "value_template": "{{ (value_json.score * 100) | round if value_json.score is not none "
        "else none }}",
    }
    entities = {"binary_sensor": problem, "sensor": score}
    topics = discovery_topics(config, stream)
    return {
        topics[component]: json.dumps(entity | shared, sort_keys=True).encode()
        for component, entity in entities.items()
    }


def discovery_topics(config: HomeAssistantConfig, stream: StreamId) -> dict[str, str]:
    """By component."""
    place = f"{config.node}/{object_id(stream)}/config"
    return {
        component: f"{config.discovery_prefix}/{component}/{place}"
        for component in ("binary_sensor", "sensor")
    }


def object_id(stream: StreamId) -> str:
    """The stream's name in the characters that are allowed, different for different names."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", stream)[:64]
    if plain == stream:
        return plain
    mark = hashlib.sha256(stream.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain}_{mark}"
