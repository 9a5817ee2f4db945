"""Results in Redis, shared by monitors: as JSON, and as if Redis were not there when it is not."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, cast

from streammon.core.errors import ConfigError
from streammon.core.types import DetectionResult, Modality, Region, StreamId
from streammon.flow.supervise import Backoff
from streammon.scheduler.thread import CallThread
from streammon.telemetry.redact import redact_url

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

PREFIX = "streammon:result:v1:"
"""The version changes with what is stored."""
ANSWER_S = 0.05
"""A Redis that takes longer is taken for dead."""
MOST_BYTES = 64 * 1024
"""A larger result is not kept there, and a larger value there is not read."""
MOST_CALLS = 16
PAUSES = Backoff(first_s=1.0, most_s=30.0)


class RedisResults:
    """Get and put with a limit of 50 ms on every wait. Thread-safe.

    All talk is on a thread of its own, so that the limit also holds where a name is looked up.
    After an error nothing is asked for a second or so, doubling to 30: a dead Redis costs
    nothing in between.
    """

    def __init__(self, url: str, *, ttl_s: int) -> None:
        """Connects when first asked. Raises `ConfigError` without the `redis` extra."""
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            need = "needs the client: pip install 'streammon[redis]'"
            raise ConfigError(f"scheduler.cache.redis: {need}") from None
        try:
            self._client: Redis = redis.Redis.from_url(
                url,
                socket_timeout=ANSWER_S,
                socket_connect_timeout=ANSWER_S,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as error:
            raise ConfigError(f"scheduler.cache.redis: {redact_url(str(error))}") from None
        self.errors = 0
        self._shown_url = redact_url(url)
        self._ttl_s = ttl_s
        self._thread = CallThread("streammon-redis", most=MOST_CALLS)
        self._lock = threading.Lock()
        self._failures = 0
        self._ask_again_ns = 0
        self._closed = False

    def get(self, keys: Sequence[str]) -> dict[str, DetectionResult]:
        """What is stored under these keys; nothing when it cannot be had in 50 ms."""
        future = self._ask(keys, None)
        if future is None:
            return {}
        try:
            error = future.exception(ANSWER_S)
        except (TimeoutError, CancelledError) as late:
            future.cancel()
            error = late
        self._noted(error)
        if error is not None:
            return {}
        values = zip(keys, future.result(), strict=False)
        found = {key: _decoded(value) for key, value in values if value is not None}
        return {key: result for key, result in found.items() if result is not None}

    def put(self, results: Mapping[str, DetectionResult]) -> None:
        """Store them soon; never waits."""
        future = self._ask((), results)
        if future is not None:
            future.add_done_callback(self._put)

    def close(self) -> None:
        """End the thread after what it is doing; never waits."""
        self._closed = True
        try:
            self._thread.submit(self._client.close)
        except RuntimeError:
            log.info("redis_busy_at_end", extra={"url": self._shown_url})
        self._thread.end()

    def _ask(
        self, keys: Sequence[str], results: Mapping[str, DetectionResult] | None
    ) -> Future[list[Any]] | None:
        """Begin to talk to Redis, unless it is taken for dead."""
        with self._lock:
            now_ns = time.monotonic_ns()
            if self._closed or now_ns < self._ask_again_ns:
                return None
            if self._failures:  # one tries, the others wait for what comes of it
                self._ask_again_ns = now_ns + round(PAUSES.first_s * 1e9)
        try:
            return self._thread.submit(self._talk, keys, results)
        except RuntimeError as error:
            self._noted(error)
            return None

    def _talk(
        self, keys: Sequence[str], results: Mapping[str, DetectionResult] | None
    ) -> list[Any]:
        """On the thread: one round trip."""
        if results is None:
            return cast(list[Any], self._client.mget([PREFIX + key for key in keys]))
        pipe = self._client.pipeline(transaction=False)
        for key, result in results.items():
            value = _encoded(result)
            if value is not None:
                pipe.set(PREFIX + key, value, ex=self._ttl_s)
        return pipe.execute()

    def _put(self, done: Future[list[Any]]) -> None:
        if not done.cancelled():
            self._noted(done.exception())

    def _noted(self, error: BaseException | None) -> None:
        """Open or close the breaker; people are told when it changes."""
        with self._lock:
            before = self._failures
            if error is None:
                self._failures = self._ask_again_ns = 0
            else:
                self.errors += 1
                self._failures += 1
                pause_ns = round(PAUSES.delay_s(before) * 1e9)
                self._ask_again_ns = time.monotonic_ns() + pause_ns
        if error is not None and not before:
            cause = redact_url(f"{type(error).__name__}: {error}")
            log.warning("redis_away", extra={"url": self._shown_url, "cause": cause})
        elif error is None and before:
            log.info("redis_back", extra={"url": self._shown_url})


def _encoded(result: DetectionResult) -> bytes | None:
    """What it says, without of what and when; `None` for what JSON cannot hold."""
    fields = {
        "kind": result.kind,
        "modality": str(result.modality),
        "confidence": result.confidence,
        "model_used": result.model_used,
        "is_ai_generated": result.is_ai_generated,
        "abstained": result.abstained,
        "regions": [[r.x1, r.y1, r.x2, r.y2, r.label, r.score] for r in result.regions],
        "details": dict(result.details),
    }
    try:
        value = json.dumps(fields, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        return None
    return value if len(value) <= MOST_BYTES else None


def _decoded(value: object) -> DetectionResult | None:
    """A result of nothing in particular; `None` unless it is as `_encoded` makes it."""
    if not isinstance(value, bytes) or len(value) > MOST_BYTES:
        return None
    try:
        fields = json.loads(value)
        confidence, is_ai_generated = fields["confidence"], fields["is_ai_generated"]
        abstained, details = fields["abstained"], fields["details"]
        texts = (fields["kind"], fields["model_used"], abstained or "")
        if not (
            all(isinstance(text, str) for text in texts)
            and isinstance(confidence, float | int | None)
            and isinstance(is_ai_generated, bool | None)
            and isinstance(details, dict)
        ):
            return None
        return DetectionResult(
            stream=StreamId(""),
            detector="",
            kind=fields["kind"],
            modality=Modality(fields["modality"]),
            epoch=0,
            start_s=0.0,
            end_s=0.0,
            captured_ns=0,
            confidence=None if confidence is None else float(confidence),
            model_used=fields["model_used"],
            is_ai_generated=is_ai_generated,
            abstained=abstained,
            regions=tuple(_region(*region) for region in fields["regions"]),
            details=details,
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _region(x1: float, y1: float, x2: float, y2: float, label: str, score: float | None) -> Region:
    return Region(float(x1), float(y1), float(x2), float(y2), str(label), score)
