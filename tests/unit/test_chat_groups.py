from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.detectors.chat_accounts import Voices
from streammon.detectors.chat_groups import (
    ChatMemory,
    Group,
    Limits,
    merged,
    strongest,
    weigh,
)
from streammon.detectors.skeleton import Skeleton, Skeletons
from tests.chatter import Said, messages, talk
from tests.fakes import a_message

LIMITS = Limits(
    look_back_s=30.0, messages=10_000, alike=80.0, leaders=100, skeletons=1_000, accounts=1_000
)
LONG = "the same long line about free gift cards tonight"
SKELETONS = Skeletons()


def memory(said: Iterable[Said], *, now_s: float = 30.0, limits: Limits = LIMITS) -> ChatMemory:
    kept = ChatMemory(SKELETONS, limits)
    kept.hear(messages(said), now_s=now_s)
    return kept


def test_lines_that_say_the_same_are_one_group_over_accounts() -> None:
    said: list[Said] = [(float(n), f"u{n}", LONG + tail) for n, tail in enumerate(["", "!", " 7a"])]
    (group,) = memory([*said, (4.0, "x", "something else entirely, quite long")]).groups()
    assert (len(group.messages), len(group.accounts), len(group.wordings)) == (3, 3, 2)
    assert (group.start_s, group.end_s, group.long) == (0.0, 2.0, True)


def test_two_accounts_are_no_group() -> None:
    assert memory([(float(n), f"u{n % 2}", LONG) for n in range(9)]).groups() == []


def test_short_lines_group_only_when_they_are_the_same() -> None:
    said: list[Said] = [
        (n / 10, f"u{n}", text) for n, text in enumerate(["gg", "GG!", "gg", "ggg", "wp"])
    ]
    (group,) = memory(said).groups()
    assert not group.long
    assert [message.text for message in group.messages] == ["gg", "GG!", "gg", "ggg"]


def test_what_is_out_of_the_look_back_no_longer_counts_and_what_was_heard_counts_once() -> None:
    said: list[Said] = [(float(n), f"u{n}", LONG) for n in range(20)]
    kept = memory(said, now_s=20.0)
    kept.hear(messages(said), now_s=20.0)
    assert kept.recent == 20
    kept.hear([], now_s=40.0)
    assert kept.recent == 10


def test_a_group_to_which_nobody_adds_is_over() -> None:
    said: list[Said] = [(float(n), f"u{n}", LONG) for n in range(5)]
    kept = memory(said, now_s=5.0)
    assert len(strongest(kept, now_s=5.0)) == 1
    assert strongest(kept, now_s=20.0) == []


def test_a_wall_of_one_emote_is_a_reaction_however_long() -> None:
    said: list[Said] = [(n / 10, f"u{n}", " ".join(["PogChamp"] * (n + 1))) for n in range(8)]
    (group,) = memory(said).groups()
    assert not group.long
    assert len(group.accounts) == 8


def test_memory_is_bounded_whatever_is_said() -> None:
    limits = replace(LIMITS, messages=200, leaders=50, skeletons=100, accounts=60)
    rng = random.Random(2)
    kept = memory(talk(rng, duration_s=30, per_s=60, people=900), limits=limits)
    sizes = (kept.recent, len(kept._lines), len(kept._leader_of), len(kept._leaders))
    assert sizes == (200, 100, sizes[2], 50)
    assert sizes[2] <= 100
    assert len(kept._accounts) == 60


def group_of(lines: int, accounts: int, *, disguised: int = 0, wordings: int = 1) -> Group:
    group = Group(long=True)
    for number in range(lines):
        tricks = ("invisible",) if number < disguised else ()
        skeleton = Skeleton(f"{LONG}{number % wordings}", tricks)
        group.add(a_message(number, author_id=f"u{number % accounts}", text=LONG), skeleton)
    return group


UNKNOWN = Voices(new=1.0, people=0.0, surprise=0.0, crowd=1.0, known=0.0, again=1.0)
"""Nothing is known of the accounts but what they say here."""
NEW = replace(UNKNOWN, surprise=20.0, crowd=0.0, known=1.0)


def voiced(group: Group, voices: Voices = UNKNOWN) -> float:
    return weigh(group, replace(voices, again=len(group.messages) / len(group.accounts)))


@pytest.mark.parametrize("people", [3, 10, 100, 1_000])
def test_the_same_words_once_each_stay_below_one_half(people: int) -> None:
    group = group_of(people, people)
    assert voiced(group) < 0.5
    assert voiced(group, replace(NEW, new=0.5)) < 0.5
    assert voiced(group, replace(NEW, crowd=0.5)) < 0.5
    assert voiced(group, replace(NEW, known=0.0)) < 0.5


def test_two_signs_together_go_above_one_half() -> None:
    assert voiced(group_of(24, 12, disguised=12)) > 0.5
    assert voiced(group_of(24, 12, wordings=12)) > 0.5
    assert voiced(group_of(40, 40), NEW) > 0.5


def test_people_who_are_known_here_need_more_than_a_text_of_many_wordings() -> None:
    known = replace(UNKNOWN, new=0.0, people=1.0)
    assert voiced(group_of(24, 24, wordings=12), known) < 0.5
    assert voiced(group_of(24, 24, wordings=12, disguised=20), known) > 0.5


@given(st.integers(3, 60), st.integers(1, 5), st.integers(0, 300), st.integers(1, 60))
def test_more_disguise_and_more_wordings_never_weigh_less(
    accounts: int, each: int, disguised: int, wordings: int
) -> None:
    lines = accounts * each
    less = voiced(group_of(lines, accounts))
    more = voiced(group_of(lines, accounts, disguised=disguised, wordings=wordings))
    assert 0.0 < less <= more < 1.0


def test_a_few_texts_that_the_same_accounts_say_in_turn_are_one_group() -> None:
    other = "and now something about a river that nobody asked for"
    turns: list[Said] = [(float(n), f"u{n % 4}", (LONG, other)[n // 4 % 2]) for n in range(16)]
    (group,) = merged(memory(turns).groups())
    assert (len(group.messages), len(group.accounts), len(group.leaders)) == (16, 4, 2)
    assert [message.seq for message in group.messages] == list(range(16))
    apart = [(at_s, f"{who}{text[:3]}", text) for at_s, who, text in turns]
    assert len(merged(memory(apart).groups())) == 2


def test_accounts_that_say_a_few_flooded_texts_in_turn_are_new_all_the_same() -> None:
    other = "and now something about a river that nobody asked for"
    before: list[Said] = [(float(n), "anna", f"line {n}") for n in range(70)]
    turns: list[Said] = [(70 + n, f"u{n % 4}", (LONG, other)[n // 4 % 2]) for n in range(16)]
    kept = memory(before + turns, now_s=90.0)
    (group,) = groups = merged(group for group in kept.groups() if group.long)
    assert len(group.messages) == 16
    (voices,) = kept.voices(groups, groups, now_s=90.0)
    assert (voices.new, voices.people, voices.again) == (1.0, 0.0, 4.0)
