from __future__ import annotations

from collections.abc import Sequence

import pytest

from streammon.detectors.chat_accounts import MOST_TEXTS, ChatAccounts, Voices

FLOODED = "the one text that is flooded"
FROM_S, NOW_S = 100.0, 120.0


def regulars(accounts: ChatAccounts, *, texts: int = 3, until_s: float = FROM_S) -> list[str]:
    """Twenty who wrote so many different sentences, and one newcomer each five seconds."""
    names = [f"regular-{number}" for number in range(20)]
    lines = [(text, name) for text in range(texts) for name in names]
    for number in range(int(until_s // 5)):
        lines.insert(number * len(lines) // int(until_s // 5), (0, f"late-{number}"))
    for at, (text, name) in enumerate(lines):
        accounts.hear(name, f"{name} says {text}", at_s=at * until_s / len(lines))
    return names


def judge(
    accounts: ChatAccounts,
    bots: Sequence[str],
    others: Sequence[str],
    *,
    flooded: Sequence[str] = (FLOODED,),
) -> Voices:
    """Each bot says each flooded text once, each of the others a sentence of its own."""
    recent = [(name, text) for name in bots for text in flooded]
    recent += [(name, f"{name} says 0") for name in others]
    for number, (name, text) in enumerate(recent):
        accounts.hear(name, text, at_s=FROM_S + 20 * number / len(recent))
    around = accounts.around(recent, flooded=set(flooded), since_s=FROM_S)
    return accounts.voices(dict.fromkeys(bots, len(flooded)), around, since_s=FROM_S, now_s=NOW_S)


def test_bots_among_people_who_said_more_are_a_surprise_and_come_without_a_crowd() -> None:
    accounts = ChatAccounts(most=1_000)
    others = regulars(accounts)
    voices = judge(accounts, [f"bot-{number}" for number in range(12)], others)
    assert (voices.new, voices.people, voices.again) == (1.0, 0.0, 1.0)
    assert voices.surprise > 12.0
    assert voices.crowd == 0.0


def test_where_everybody_wrote_only_once_newness_is_no_surprise() -> None:
    accounts = ChatAccounts(most=1_000)
    others = regulars(accounts, texts=1)
    voices = judge(accounts, [f"bot-{number}" for number in range(12)], others)
    assert voices.new == 1.0
    assert voices.surprise < 1.0


def test_a_raid_brings_others_too() -> None:
    accounts = ChatAccounts(most=1_000)
    regulars(accounts)
    raiders = [f"raider-{number}" for number in range(30)]
    voices = judge(accounts, [f"caller-{number}" for number in range(25)], raiders)
    assert voices.crowd > 1 / 3


def test_before_anything_is_known_of_arrivals_a_crowd_is_assumed() -> None:
    accounts = ChatAccounts(most=1_000)
    voices = judge(accounts, [f"bot-{number}" for number in range(12)], [])
    assert voices.crowd == 1.0


def test_accounts_that_say_many_things_are_people_and_their_lines_are_no_repetition() -> None:
    accounts = ChatAccounts(most=1_000)
    others = regulars(accounts, texts=MOST_TEXTS + 1)
    recent = [(name, FLOODED) for name in others]
    around = accounts.around(recent, flooded={FLOODED}, since_s=FROM_S)
    voices = accounts.voices(dict.fromkeys(others, 9), around, since_s=FROM_S, now_s=NOW_S)
    assert (voices.new, voices.people, voices.again) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize("texts", [1, 2, 3])
def test_who_says_nothing_but_a_few_flooded_texts_is_new(texts: int) -> None:
    accounts = ChatAccounts(most=1_000)
    others = regulars(accounts)
    flooded = [f"{FLOODED} {number}" for number in range(texts)]
    voices = judge(accounts, [f"bot-{number}" for number in range(9)], others, flooded=flooded)
    assert voices.new == 1.0


def test_only_so_many_accounts_are_remembered() -> None:
    accounts = ChatAccounts(most=50)
    for number in range(500):
        accounts.hear(f"u{number}", "hello", at_s=float(number))
    assert len(accounts) == 50
    assert len(accounts._arrivals) == len(accounts._arrived) <= 100
