"""The result cache with a real Redis behind it, which is frozen, killed and started again."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streammon.config import CacheConfig
from streammon.core.types import Json, Region
from streammon.flow.supervise import Backoff
from streammon.scheduler import redis_results
from streammon.scheduler.cache import Cached, ResultCache
from streammon.scheduler.redis_results import PREFIX, RedisResults
from tests.fakes import a_frame, a_result, a_window
from tests.loopback.redis_server import RedisServer, needs_redis
from tests.unit.test_cache import Steady, seen

pytestmark = [pytest.mark.redis, needs_redis]

KEY = "0" * 40
LIMIT_S = 10.0


@pytest.fixture
def server(tmp_path: Path) -> Generator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_results, "PAUSES", Backoff(first_s=0.05, most_s=0.1))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of a server that is well: a busy machine does not always answer in 50 ms."""
    monkeypatch.setattr(redis_results, "ANSWER_S", LIMIT_S)


@contextmanager
def redis_at(url: str, *, ttl_s: int = 60) -> Generator[RedisResults]:
    results = RedisResults(url, ttl_s=ttl_s)
    yield results
    results.close()


@contextmanager
def cache_at(url: str) -> Generator[ResultCache]:
    cache = ResultCache(CacheConfig.model_validate({"redis": url}))
    yield cache
    cache.close()


def until(true: Callable[[], object]) -> None:
    until_s = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def stored(server: RedisServer) -> int:
    return int(server.client().dbsize())


@pytest.mark.usefixtures("patient")
def test_what_one_monitor_has_scored_another_does_not_score_again(server: RedisServer) -> None:
    one, two = Steady("one"), Steady("two")
    with cache_at(server.url) as cache:
        Cached(one, cache).score([seen(10), seen(20)])
        until(lambda: stored(server) == 2)
    with cache_at(server.url) as cache:
        results = Cached(two, cache).score([seen(20, stream="x"), seen(30), seen(10)])
        stats = cache.stats()
        assert (stats.hits, stats.misses, stats.redis_hits) == (2, 1, 2)
        assert (stats.redis_errors, stats.entries) == (0, 3)
        again = Cached(two, cache).score([seen(20)])
        assert cache.stats().redis_hits == 2, "now it is in memory"
    assert two.batches == [1]
    assert [result.confidence for result in results] == [20 / 255, 30 / 255, 10 / 255]
    assert (results[0].stream, results[0].detector) == ("x", "two")
    assert again[0].details == {"cached": True}


@pytest.mark.usefixtures("patient")
def test_everything_a_result_says_comes_back_and_nothing_of_whose_it_was(
    server: RedisServer,
) -> None:
    said = a_result(
        stream="secret-stream",
        confidence=0.25,
        is_ai_generated=False,
        regions=(Region(0.1, 0.2, 0.3, 0.4, "face", 0.5), Region(0, 0, 1, 1)),
        details={"scores": [0.1, {"a": None}], "name": "ü"},
    )
    abstained = a_result(confidence=None, abstained="no face in it")
    with redis_at(server.url) as redis:
        redis.put({KEY: said, "1" * 40: abstained})
        until(lambda: stored(server) == 2)
        found = redis.get([KEY, "1" * 40, "2" * 40])
    assert set(found) == {KEY, "1" * 40}
    back = found[KEY]
    for field in ("kind", "modality", "confidence", "model_used", "is_ai_generated", "regions"):
        assert getattr(back, field) == getattr(said, field)
    assert back.details == said.details
    assert found["1" * 40].abstained == "no face in it"
    raw = server.client().get(PREFIX + KEY)
    assert isinstance(raw, bytes)
    assert b"secret-stream" not in raw
    assert isinstance(json.loads(raw), dict)


@pytest.mark.usefixtures("patient")
def test_results_are_kept_for_their_time(server: RedisServer) -> None:
    with redis_at(server.url, ttl_s=77) as redis:
        redis.put({KEY: a_result()})
        until(lambda: stored(server) == 1)
    left_s = server.client().ttl(PREFIX + KEY)
    assert isinstance(left_s, int)
    assert 70 <= left_s <= 77


SOUND: dict[str, Json] = {
    "kind": "k",
    "modality": "video",
    "confidence": 0.5,
    "model_used": "m",
    "is_ai_generated": None,
    "abstained": None,
    "regions": [],
    "details": {},
}
WRONG: list[dict[str, Json]] = [
    {"confidence": 7},
    {"confidence": "0.5"},
    {"confidence": float("nan")},
    {"confidence": None},
    {"abstained": 5, "confidence": None},
    {"kind": None},
    {"modality": "smell"},
    {"regions": [[1]]},
    {"regions": 5},
    {"details": []},
]
NO_RESULTS = [
    b"",
    b"not json",
    b"[1, 2]",
    b"null",
    b"{}",
    b'"' + b"x" * 100_000 + b'"',
    b"[" * 50_000,
    *(json.dumps({**SOUND, **wrong}).encode() for wrong in WRONG),
]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("value", NO_RESULTS, ids=lambda value: str(value[:40]))
def test_a_value_that_is_no_result_is_a_miss(server: RedisServer, value: bytes) -> None:
    server.client().set(PREFIX + KEY, value)
    with redis_at(server.url) as redis:
        assert redis.get([KEY]) == {}
        assert redis.errors == 0
        server.client().set(PREFIX + KEY, json.dumps(SOUND))
        assert redis.get([KEY])[KEY].confidence == 0.5


@pytest.mark.usefixtures("patient")
def test_what_json_cannot_hold_is_not_stored_and_costs_nothing_else(server: RedisServer) -> None:
    odd = a_result(details={"score": float("nan")})
    large = a_result(details={"text": "x" * 100_000})
    with redis_at(server.url) as redis:
        redis.put({KEY: odd, "1" * 40: large, "2" * 40: a_result()})
        until(lambda: stored(server) == 1)
        assert set(redis.get([KEY, "1" * 40, "2" * 40])) == {"2" * 40}


@pytest.mark.usefixtures("patient")
def test_killed_and_started_again_in_mid_run_nothing_fails_and_it_is_used_again(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with cache_at(server.url) as cache:
        cached = Cached(Steady(), cache)
        cached.score([seen(1)])
        until(lambda: stored(server) == 1)
        server.kill()
        for level in range(2, 12):
            (result,) = cached.score([seen(level)])
            assert result.confidence == level / 255
        assert cache.stats().redis_errors > 0
        server.start()
        level = 12

        def stored_again() -> bool:
            nonlocal level
            level += 1
            cached.score([seen(level)])
            return stored(server) > 0

        until(stored_again)
    events = [record.message for record in caplog.records if record.name == redis_results.__name__]
    assert events == ["redis_away", "redis_back"]


def test_frozen_it_costs_fifty_milliseconds_and_then_nothing_for_a_while(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.client().set(PREFIX + KEY, json.dumps(SOUND))
    waits_s: list[float] = []
    for _ in range(5):
        with redis_at(server.url) as redis:
            until(lambda redis=redis: redis.get([KEY]))  # type: ignore[misc]
            before = redis.errors
            monkeypatch.setattr(redis_results, "PAUSES", Backoff(first_s=60.0, most_s=60.0))
            with server.frozen():
                began_s = time.monotonic()
                assert redis.get([KEY]) == {}
                waits_s.append(time.monotonic() - began_s)
                for _ in range(1000):
                    assert redis.get([KEY]) == {}
                assert redis.errors == before + 1, "it was not asked again"
            monkeypatch.setattr(redis_results, "PAUSES", Backoff(first_s=0.05, most_s=0.1))
    assert min(waits_s) >= 0.04
    assert min(waits_s) < 0.5, "one of them at least was not held up by anything else"


def test_a_server_that_is_no_redis_is_a_miss_and_its_password_is_in_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with redis_at(f"redis://user:hunter2@127.0.0.1:{port}/0") as redis:
            assert redis.get([KEY]) == {}
            assert redis.errors == 1
    assert "redis_away" in caplog.messages
    said = " ".join(str(record.__dict__) for record in caplog.records)
    assert "hunter2" not in said


def test_after_it_is_closed_it_knows_nothing_and_fails_nobody(server: RedisServer) -> None:
    redis = RedisResults(server.url, ttl_s=60)
    redis.put({KEY: a_result()})
    redis.close()
    assert redis.get([KEY]) == {}
    redis.put({KEY: a_result()})


@pytest.mark.usefixtures("patient")
def test_a_window_of_several_frames_is_kept_like_any(server: RedisServer) -> None:
    window = a_window(a_frame(level=3), a_frame(1, level=4))
    with cache_at(server.url) as cache:
        Cached(Steady(), cache).score([window])
        until(lambda: stored(server) == 1)
