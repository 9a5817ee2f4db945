from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

import streammon.demo
from streammon.core.types import DetectionResult, StreamId
from streammon.detectors.chat_flood import ChatFloodConfig
from tests.chatter import Said, judged, messages, most, talk
from tests.fakes import a_window

DEMO = Path(streammon.demo.__file__).parent
TEXT = "Claim your free gift card before midnight at the link in my profile"
DISGUISES = str.maketrans("aeo", "\u0430\u0435\u043e")
LIKELY = 0.5


def flood(
    rng: random.Random, *, from_s: float, to_s: float, per_s: float = 3.0, bots: int = 12
) -> list[Said]:
    """Variants of one text: with look-alikes, with zero-width letters, with tails."""
    said = []
    for number in range(int((to_s - from_s) * per_s)):
        text = TEXT
        if rng.random() < 0.5:
            text = text.translate(DISGUISES)
        if rng.random() < 0.4:
            text = text.replace("gift", "gi\u200bft")
        if rng.random() < 0.4:
            text += f" {rng.randrange(9999)}"
        said.append((from_s + number / per_s, f"b{rng.randrange(bots)}", text))
    return said


def first_above(results: list[DetectionResult], level: float = LIKELY) -> float:
    return next(result.end_s for result in results if (result.confidence or 0) > level)


@pytest.mark.parametrize("seed", range(5))
def test_a_disguised_flood_over_accounts_is_found_within_five_seconds(seed: int) -> None:
    rng = random.Random(seed)
    said = talk(rng, duration_s=60) + flood(rng, from_s=30, to_s=50)
    results = judged(said)
    assert 30.0 < first_above(results) <= 35.0
    assert most(results) > 0.95
    assert most([result for result in results if result.end_s < 30.0]) < 0.1
    assert most([result for result in results if result.end_s > 57.5]) < 0.1, "it is over"


def test_a_flood_in_a_fast_chat_is_found_as_soon() -> None:
    rng = random.Random(3)
    said = talk(rng, duration_s=30, per_s=100, people=800)
    assert most(judged(said)) < LIKELY
    assert first_above(judged(said + flood(rng, from_s=20, to_s=30))) <= 25.0


def test_a_plain_flood_of_new_accounts_is_found_once_the_chat_is_known() -> None:
    rng = random.Random(4)
    said = talk(rng, duration_s=120)
    bots: list[Said] = [(80 + n * 0.2, f"b{n % 40}", TEXT) for n in range(100)]
    assert most(judged(said + bots)) > 0.9


@pytest.mark.parametrize("reaction", ["LUL", "gg", "GOAL!!!", "\U0001f44f", "KEKW KEKW KEKW"])
def test_a_crowd_that_cheers_does_not_fire(reaction: str) -> None:
    rng = random.Random(5)
    said = talk(rng, duration_s=60)
    crowd: list[Said] = [(30 + n * 0.05, f"p{rng.randrange(60)}", reaction) for n in range(200)]
    assert most(judged(said + crowd)) < LIKELY


@pytest.mark.parametrize("people", [4, 12, 60])
def test_copypasta_that_people_paste_once_each_does_not_fire(people: int) -> None:
    rng = random.Random(6)
    said = talk(rng, duration_s=120, per_s=4)
    pasta = "I came for the weather report and stayed for the goats, please tell my family"
    copies: list[Said] = [(80 + rng.uniform(0, 15), f"p{n}", pasta) for n in range(people)]
    assert most(judged(said + copies)) < LIKELY


def test_one_account_alone_or_two_are_not_a_flood_over_accounts() -> None:
    rng = random.Random(7)
    said: list[Said] = [(30 + n * 0.2, f"b{n % 2}", TEXT) for n in range(80)]
    assert most(judged(talk(rng, duration_s=60) + said)) < 0.1


def test_short_lines_fire_only_in_disguise_and_again_and_again() -> None:
    rng = random.Random(8)
    said = talk(rng, duration_s=60)
    plain: list[Said] = [(20 + n * 0.1, f"b{n % 12}", "buy now x.example") for n in range(200)]
    worn = [(at_s, who, text.translate(DISGUISES)) for at_s, who, text in plain]
    assert most(judged(said + plain)) < LIKELY
    assert most(judged(said + worn)) > LIKELY


def test_with_too_few_messages_it_says_so() -> None:
    said: list[Said] = [(float(n * 14), "ann", "hello there") for n in range(4)]
    results = judged(said)
    assert results
    assert {result.abstained for result in results} == {"fewer than 5 messages"}


def test_details_tell_of_groups_but_never_their_text_unless_asked() -> None:
    rng = random.Random(9)
    said = talk(rng, duration_s=40) + flood(rng, from_s=20, to_s=40)
    silent, open_ = judged(said)[-1], judged(said, show_text=True)[-1]
    group = json.loads(json.dumps(silent.details))["groups"][0]
    assert group["accounts"] == 12
    assert 50 <= group["size"] <= 60
    assert set(group["tricks"]) == {"look_alike", "invisible"}
    assert group["first_s"] == pytest.approx(20.0)
    assert 38.0 < group["last_s"] < 40.0
    assert len(group["message_ids"]) == 5
    assert "gift" not in json.dumps(silent.details, ensure_ascii=False)
    assert "midnight" in json.dumps(open_.details)


def test_the_same_chat_gives_the_same_results_also_when_a_window_is_scored_again() -> None:
    rng = random.Random(10)
    said = talk(rng, duration_s=30) + flood(rng, from_s=15, to_s=30)
    once, again = judged(said), judged(said)
    assert [replace(r, processing_time_s=0) for r in once] == [
        replace(r, processing_time_s=0) for r in again
    ]
    detector = ChatFloodConfig().build("chat_flood")
    window = a_window(*messages(said), end_s=30.0)
    first, second = (detector.score([window])[0] for _ in range(2))
    assert replace(first, processing_time_s=0) == replace(second, processing_time_s=0)


def test_chats_do_not_mix() -> None:
    """The same text from one account in each of many chats is no flood in any."""
    detector = ChatFloodConfig().build("chat_flood")
    rng = random.Random(11)
    for room in range(8):
        said = [*talk(rng, duration_s=10), (5.0, f"b{room}", TEXT)]
        stream = StreamId(f"chat{room}")
        window = a_window(*messages(said, stream=stream), end_s=10.0)
        assert most(detector.score([window])) < 0.1


def demo(name: str) -> list[Said]:
    rows = map(json.loads, (DEMO / name).read_text(encoding="utf-8").splitlines())
    return [(row["captured_s"], row["author_id"], row["text"]) for row in rows]


def test_the_demo_chat_is_clean_until_it_is_flooded() -> None:
    assert most(judged(demo("chat_clean.jsonl"))) < 0.1
    results = judged(demo("chat_flood.jsonl"))
    assert most([result for result in results if result.end_s < 30.0]) < 0.1
    assert 30.0 < first_above(results) <= 35.0
    assert most([result for result in results if result.end_s > 70.0]) < 0.1
