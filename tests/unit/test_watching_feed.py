"""What waits for one viewer: little, from a keyframe on, and never late."""

from __future__ import annotations

import av
from hypothesis import given
from hypothesis import strategies as st

from streammon.server.watching.coding import Coded
from streammon.server.watching.feed import MOST_PICTURES, MOST_SOUND, Feed


def a_picture(number: int, *, key: bool = False) -> Coded:
    return Coded(av.Packet(b"x"), number / 25, key)


async def numbers(feed: Feed) -> list[int]:
    """What waits now."""
    return [round((await feed.pictures.recv()).at_s * 25) for _ in range(len(feed.pictures))]


async def test_it_begins_with_a_keyframe_that_it_asks_for_once_connected() -> None:
    asked: list[int] = []
    feed = Feed("VP8", sound=True, need_keyframe=lambda: asked.append(1))
    feed.offer_picture(a_picture(0, key=True))
    feed.offer_sound(a_picture(0))
    assert not asked
    assert not len(feed.pictures)
    assert not len(feed.sound)
    feed.start()
    feed.start()
    assert len(asked) == 1
    feed.offer_picture(a_picture(1))
    feed.offer_picture(a_picture(2, key=True))
    feed.offer_picture(a_picture(3))
    feed.offer_sound(a_picture(3))
    assert await numbers(feed) == [2, 3]
    assert len(feed.sound) == 1


async def test_a_slow_viewer_loses_pictures_and_goes_on_with_a_keyframe() -> None:
    asked: list[int] = []
    feed = Feed("VP8", sound=False, need_keyframe=lambda: asked.append(1))
    feed.start()
    for number in range(MOST_PICTURES + 5):
        feed.offer_picture(a_picture(number, key=number == 0))
    assert feed.left_out == 5
    assert len(asked) > 1
    assert await numbers(feed) == list(range(MOST_PICTURES))
    feed.offer_picture(a_picture(20))
    feed.offer_picture(a_picture(21, key=True))
    feed.offer_picture(a_picture(22))
    assert await numbers(feed) == [21, 22]


async def test_sound_that_was_not_taken_gives_way_to_newer() -> None:
    feed = Feed(None, sound=True, need_keyframe=lambda: None)
    feed.start()
    for number in range(MOST_SOUND + 3):
        feed.offer_sound(a_picture(number))
    assert len(feed.sound) == MOST_SOUND
    assert round((await feed.sound.recv()).at_s * 25) == 3


def test_once_closed_it_takes_nothing() -> None:
    feed = Feed("VP8", sound=True, need_keyframe=lambda: None)
    feed.start()
    feed.close()
    feed.offer_picture(a_picture(0, key=True))
    feed.offer_sound(a_picture(0))
    assert feed.pictures.closed


@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=60))
def test_whatever_is_taken_when_no_picture_follows_one_that_was_left_out(
    steps: list[tuple[bool, int]],
) -> None:
    feed = Feed("VP8", sound=False, need_keyframe=lambda: None)
    feed.start()
    taken: list[tuple[int, bool]] = []
    waiting: list[tuple[int, bool]] = []
    for number, (key, takes) in enumerate(steps):
        before = len(feed.pictures)
        feed.offer_picture(a_picture(number, key=key))
        if len(feed.pictures) > before:
            waiting.append((number, key))
        for _ in range(min(takes, len(feed.pictures))):
            feed.pictures._items.popleft()
            taken.append(waiting.pop(0))
    assert len(feed.pictures) <= MOST_PICTURES
    shown = taken + waiting
    for at, (number, key) in enumerate(shown):
        assert key or shown[at - 1][0] == number - 1
