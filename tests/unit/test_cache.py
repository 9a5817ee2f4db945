"""Results of content that was seen before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.config import CacheConfig
from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Item, StreamId, Window
from streammon.scheduler.cache import (
    SELDOM,
    WINDOWS_IN_VAIN,
    Answers,
    Cached,
    ResultCache,
    Worth,
    content_key,
)
from tests.fakes import Brightness, a_chunk, a_frame, a_message, a_window


class Steady(Brightness):
    """Says the same of the same content."""

    fingerprint = "steady@1"

    def __init__(self, name: str = "steady") -> None:
        super().__init__(name)
        self.load("cpu")


def seen(level: int, *, stream: str = "cam", at_s: float = 0.0) -> Window:
    frame = a_frame(stream=StreamId(stream), level=level, media_s=at_s, captured_ns=int(at_s * 1e9))
    return a_window(frame)


def a_cache(entries: int = 8) -> ResultCache:
    return ResultCache(CacheConfig(entries=entries))


# --- what counts as the same -------------------------------------------------------------------

ITEMS: list[Item] = [
    a_frame(level=1),
    a_frame(level=2),
    a_frame(level=1, damaged=True),
    replace(a_frame(), image_rgb=np.zeros((2, 8, 3), np.uint8)),
    a_chunk(pitch_hz=440.0),
    a_chunk(pitch_hz=441.0),
    a_chunk(pitch_hz=440.0, source_rate_hz=8_000),
    a_message(text="hello"),
    a_message(text="hello "),
    a_message(text="h\ud800"),
]


def test_every_difference_that_a_detector_sees_makes_another_key() -> None:
    windows = [a_window(item) for item in ITEMS]
    windows += [
        a_window(a_frame(level=1), a_frame(1, level=1)),
        a_window(a_frame(level=1), a_frame(1, level=1, media_s=0.5)),
        a_window(a_message(text="hel"), a_message(text="lo")),
        a_window(a_message(text="hello"), a_message(text="")),
    ]
    keys = [content_key(window, "x") for window in windows]
    assert len(set(keys)) == len(keys)
    assert content_key(windows[0], "x") != content_key(windows[0], "y")


@given(at_s=st.floats(0, 1e6), seq=st.integers(0, 10**6), epoch=st.integers(0, 9))
def test_whose_it_is_and_when_makes_no_difference(at_s: float, seq: int, epoch: int) -> None:
    here = [a_frame(level=7), a_frame(1, level=8)]
    there = [
        replace(
            frame,
            stream=StreamId("other"),
            participant="ann",
            media_s=frame.media_s + at_s,
            captured_ns=round(at_s * 1e9),
            seq=seq,
            epoch=epoch,
        )
        for frame in here
    ]
    assert content_key(a_window(*here), "x") == content_key(a_window(*there), "x")


def test_pictures_that_lie_crosswise_in_memory_are_the_same_pictures() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    crosswise = np.asfortranarray(image)
    windows = [a_window(replace(a_frame(), image_rgb=each)) for each in (image, crosswise)]
    assert len({content_key(window, "x") for window in windows}) == 1


# --- what is answered --------------------------------------------------------------------------


def test_a_batch_is_split_what_is_not_known_is_scored_at_once_and_the_order_kept() -> None:
    steady, cache = Steady(), a_cache()
    cached = Cached(steady, cache)
    cached.score([seen(10), seen(30)])
    batch = [seen(level, stream=f"s{level}", at_s=5.0) for level in (40, 30, 20, 10)]
    results = cached.score(batch)
    assert steady.batches == [2, 2]
    assert [result.confidence for result in results] == [level / 255 for level in (40, 30, 20, 10)]
    assert [result.stream for result in results] == ["s40", "s30", "s20", "s10"]
    assert [result.details.get("cached", False) for result in results] == [False, True, False, True]
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.entries) == (2, 4, 4)


def test_a_hit_is_a_result_of_the_new_window() -> None:
    cached = Cached(Steady(), a_cache())
    (first,) = cached.score([seen(9)])
    window = replace(seen(9, stream="new", at_s=33.0), epoch=3, participant="ann")
    (second,) = cached.score([window])
    assert second == replace(
        first,
        stream=StreamId("new"),
        epoch=3,
        start_s=window.start_s,
        end_s=window.end_s,
        captured_ns=33 * 10**9,
        participant="ann",
        processing_time_s=0.0,
        details={"cached": True},
    )


def test_content_that_occurs_twice_in_a_batch_is_scored_once() -> None:
    steady = Steady()
    results = Cached(steady, a_cache()).score([seen(5, stream="a"), seen(5, stream="b")])
    assert steady.batches == [1]
    assert [result.stream for result in results] == ["a", "b"]


def test_abstentions_are_kept_too() -> None:
    steady = Steady()
    cached = Cached(steady, a_cache())
    for stream in ("a", "b"):
        (result,) = cached.score([a_window(a_frame(stream=StreamId(stream), damaged=True))])
        assert result.abstained == "damaged frames"
    assert steady.batches == [1]


def test_the_least_recently_used_entry_leaves_first() -> None:
    steady, cache = Steady(), a_cache(2)
    cached = Cached(steady, cache)
    for level in (1, 2, 1, 3, 1, 2):
        cached.score([seen(level)])
    assert len(steady.batches) == 4, "1, 2, 3, and 2 again"
    assert cache.stats().entries == 2


def test_another_fingerprint_or_kind_is_another_detector() -> None:
    cache, one = a_cache(), Steady("one")
    same, changed, other = Steady("same"), Steady("changed"), Steady("other")
    changed.fingerprint = "steady@2"
    other.kind = "darkness"
    for detector in (one, same, changed, other):
        Cached(detector, cache).score([seen(5)])
    assert [len(each.batches) for each in (one, same, changed, other)] == [1, 0, 1, 1]


def test_a_hit_speaks_in_the_name_of_the_detector_that_was_asked() -> None:
    cache = a_cache()
    Cached(Steady("one"), cache).score([seen(5)])
    (result,) = Cached(Steady("two"), cache).score([seen(5)])
    assert result.detector == "two"


def test_a_detector_that_remembers_is_asked_each_time() -> None:
    bright = Brightness()
    cached = Cached(bright, a_cache())
    cached.load("cpu")
    for _ in range(2):
        cached.score([seen(5)])
    assert bright.batches == [1, 1]


class Failing(Steady):
    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        if not self.batches:
            self.batches.append(0)
            raise RuntimeError("no such kernel")
        return super().score(batch)


def test_an_error_is_raised_and_not_kept() -> None:
    cached = Cached(Failing(), a_cache())
    with pytest.raises(RuntimeError, match="no such kernel"):
        cached.score([seen(5)])
    (result,) = cached.score([seen(5)])
    assert result.confidence == 5 / 255


def test_a_cached_detector_is_the_detector_in_everything_else() -> None:
    steady = Steady()
    cached: Detector = Cached(steady, a_cache())
    window = seen(1)
    assert (cached.name, cached.kind, cached.max_batch) == ("steady", "brightness", 8)
    assert (cached.inputs, cached.on_device) == (steady.inputs, False)
    assert cached.bucket(window) == steady.bucket(window)


def test_where_nothing_comes_again_one_batch_in_sixteen_is_looked_up_until_something_does() -> None:
    worth = Worth()
    results = tuple(Steady().score([seen(level) for level in range(8)]))
    for _ in range(WINDOWS_IN_VAIN // 8):
        assert worth.ask()
        worth.learn(Answers(results, fresh=8))
    asked = [worth.ask() for _ in range(10 * SELDOM)]
    assert asked.count(True) == 10
    worth.learn(Answers(results, fresh=7))
    assert worth.ask()
    assert worth.ask()
