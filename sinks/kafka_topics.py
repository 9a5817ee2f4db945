"""Makes sure that the topics are there before the first record. Blocking: run it on a thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streammon.core.errors import Permanent, Retryable
from streammon.sinks.kafka import KafkaConfig

log = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_S = 10.0
NEEDS_A_PERSON = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._INVALID_ARG,
        KafkaError._SSL,
        KafkaError._UNSUPPORTED_FEATURE,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.POLICY_VIOLATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
    }
)


def failure(error: KafkaError, *, doing: str) -> Permanent | Retryable:
    """What an error of the broker or the client means for the sink."""
    cause = f"{doing}: {error.str()}"
    if error.code() in NEEDS_A_PERSON:
        return Permanent(f"{cause}; check the settings, the login and the rights it has")
    return Retryable(cause)


def ensure_topics(config: KafkaConfig, properties: Mapping[str, str | int | bool]) -> None:
    """Check every topic, creating the missing ones if that is allowed.

    Raises `Permanent` naming the topics that a person must create, `Retryable` when no broker
    answers.
    """
    said: list[KafkaError] = []
    settings: dict[str, Any] = {"log_level": 3, **properties, "error_cb": said.append}
    logger = logging.getLogger(f"{__name__}.client")
    admin = _answer(lambda: AdminClient(settings, logger=logger), said, doing="starting the client")
    doing = f"asking {config.bootstrap} for its topics"
    there = _answer(lambda: admin.list_topics(timeout=ANSWER_S), said, doing=doing)
    missing = [topic for topic in config.topics() if topic not in there.topics]
    if missing and config.on_missing == "fail":
        raise Permanent(
            f"{config.bootstrap} has no topic {', '.join(missing)}: create it, or set "
            "`on_missing: create`"
        )
    asked = admin.create_topics([_new_topic(config, topic) for topic in missing]) if missing else {}
    for topic, created in asked.items():
        try:
            _answer(created.result, said, doing=f"creating the topic {topic}")
            log.info("kafka_topic_created", extra={"topic": topic})
        except FileExistsError:
            log.info("kafka_topic_there", extra={"topic": topic})


def _answer(question: Callable[[], T], said: list[KafkaError], *, doing: str) -> T:
    """What the broker answers; `FileExistsError` when the topic is there already."""
    try:
        return question()
    except KafkaException as raised:
        error: KafkaError = raised.args[0]
        if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            raise FileExistsError from raised
        # The client's own complaint (login refused, name not found) says more than a time-out.
        telling = [other for other in said if other.code() in NEEDS_A_PERSON]
        raise failure((telling or said or [error])[-1], doing=doing) from raised


def _new_topic(config: KafkaConfig, topic: str) -> NewTopic:
    settings = {}
    if topic == config.topic("frames"):
        kept_ms = round(config.frames_kept_min * 60_000)
        settings = {
            "retention.ms": str(kept_ms),
            "max.message.bytes": str(config.max_frame_kb * 1024 + 100_000),
        }
    return NewTopic(
        topic,
        num_partitions=config.partitions,
        replication_factor=config.replication or -1,
        config=settings,
    )
