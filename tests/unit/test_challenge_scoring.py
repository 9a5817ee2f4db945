"""Whether a face follows a screen, on renderings of which everything is known."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from streammon.detectors.challenge.scoring import Answer, Judgement, Shown, Skin, judge
from streammon.detectors.challenge.skin import SkinReader
from tests.lit_faces import Scene, pictures, scene, skins

SEEDS = range(6)


def judged(what: Scene) -> Judgement:
    return judge(what.steps, what.ended_s, skins(what), random=Random(what.seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lit_face_follows_with_the_delay_of_its_call(seed: int) -> None:
    what = scene("lit face", seed)
    found = judged(what)
    assert found.answer is Answer.FOLLOWS
    assert found.confidence is not None
    assert found.confidence >= 0.998
    assert found.delay_s == pytest.approx(what.delay_s, abs=0.15)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_delayed_replay_is_told_by_its_delay(seed: int) -> None:
    found = judged(scene("delayed replay", seed))
    assert found.answer is Answer.DOES_NOT
    assert found.confidence == 0.0
    assert found.delay_s is not None
    assert found.delay_s > 2.0
    assert "no call does that" in found.why


@pytest.mark.parametrize("seed", SEEDS)
def test_a_replay_of_another_challenge_does_not_follow(seed: int) -> None:
    bright = replace(scene("replay of another challenge", seed), strength=0.3)
    found = judged(bright)
    assert found.answer is Answer.DOES_NOT
    assert "not as the screen does" in found.why


@pytest.mark.parametrize("kind", ["unlit replay", "constant face", "lit face, bright room"])
@pytest.mark.parametrize("seed", SEEDS)
def test_where_the_screen_is_not_seen_nothing_is_claimed(kind: str, seed: int) -> None:
    found = judged(scene(kind, seed))
    assert found.answer is Answer.ABSTAINS
    assert "darken the room" in found.why


def some(count: int = 160) -> list[Skin]:
    return [Skin(at / 10, (120.0, 90.0, 80.0)) for at in range(count)]


STEPS = [Shown(2.0 + 0.7 * at, at % 2) for at in range(16)]
ENDED_S = 13.2


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ([], "no face"),
        ([Skin(at / 10, None) for at in range(160)], "no face"),
        ([Skin(at / 10, (9.0, 9.0, 9.0) if at % 2 else None) for at in range(160)], "no face"),
        ([Skin(at / 2, (120.0, 90.0, 80.0)) for at in range(32)], "too few pictures"),
        (some(100), "too few pictures"),
        (some()[40:], "too few pictures"),
        ([Skin(at / 10, (250.0, 240.0, 239.0)) for at in range(160)], "too bright"),
        ([Skin(at / 10, (0.0, 0.0, 0.0)) for at in range(160)], "darken the room"),
        (some(), "darken the room"),
    ],
)
def test_what_cannot_be_judged_is_said(seen: list[Skin], why: str) -> None:
    found = judge(STEPS, ENDED_S, seen, random=Random(0))
    assert found.answer is Answer.ABSTAINS
    assert why in found.why
    assert found.confidence is None


def test_noise_alone_follows_no_more_often_than_stated() -> None:
    rng = np.random.default_rng(3)
    answers = []
    for seed in range(20):
        noise = np.clip(rng.normal(110, 30, (160, 3)), 20, 230)
        seen = [Skin(at / 10, tuple(map(float, rgb))) for at, rgb in enumerate(noise)]  # type: ignore[arg-type]
        answers.append(judge(STEPS, ENDED_S, seen, random=Random(seed)).answer)
    assert Answer.FOLLOWS not in answers


def test_the_same_pictures_are_judged_the_same() -> None:
    what = scene("lit face", 1)
    assert judged(what) == judged(what)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [("lit face", Answer.FOLLOWS), ("constant face", Answer.ABSTAINS)],
)
def test_the_skin_is_found_in_coded_pictures(kind: str, answer: Answer) -> None:
    what = replace(scene(kind, 2), fps=8.0)
    reader = SkinReader()
    seen = [reader.read(image, at_s) for at_s, image in pictures(what)]
    assert sum(skin.rgb is not None for skin in seen) > 0.9 * len(seen)
    found = judge(what.steps, what.ended_s, seen, random=Random(0))
    assert found.answer is answer
