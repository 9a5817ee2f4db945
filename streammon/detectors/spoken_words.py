"""Does a transcript fit the sound it is of? Counting only, no recogniser. Pure.

Three things cannot be: words where nobody speaks, speech for long without a word, and more words
than a mouth can form. Times are the monitor's own, in seconds: the two streams share no other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from streammon.detectors.finding import LEAST, MOST, UNREMARKABLE, Finding

WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
UNSPACED = re.compile(r"[぀-ヿ㐀-鿿가-힯฀-๿]")
"""Scripts that are written without spaces: two of their signs count as a word."""
FASTEST_WORDS_PER_S = 7.0
"""Conversation runs at two to four; auctioneers at about five or six."""
LEAST_WORDS = 5
"""Fewer may be a caption for a noise."""
LEAST_UNWRITTEN_S = 5.0
"""Speech that a transcript may leave out: a greeting, a repetition."""


def words_in(text: str) -> float:
    """How many words a text has, about."""
    signs = len(UNSPACED.findall(text))
    return len(WORD.findall(UNSPACED.sub(" ", text))) + signs / 2


@dataclass(frozen=True, slots=True)
class Heard:
    """A stretch of sound: how much of it is speech, or `None` where that cannot be told."""

    start_s: float
    end_s: float
    speech_s: float | None


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the transcript, when it came."""

    at_s: float
    words: float


def compare(
    heard: Sequence[Heard], said: Sequence[Said], *, start_s: float, end_s: float, slack_s: float
) -> Finding | str:
    """What does not fit in [start_s, end_s), or why that cannot be told.

    A line may come `slack_s` before or after its words: words count as unspoken only if nobody
    speaks that far around them, and speech as unwritten only if no line comes that far around it.
    """
    around = [
        one for one in heard if one.end_s > start_s - slack_s and one.start_s < end_s + slack_s
    ]
    inside = [one for one in around if one.end_s > start_s and one.start_s < end_s]
    if not inside:
        return "no sound was heard at that time"
    if any(one.speech_s is None for one in around):
        return "the sound cannot be told from speech (music, noise, clipping)"
    speech_s = sum(one.speech_s or 0.0 for one in inside)
    nearby_s = sum(one.speech_s or 0.0 for one in around)
    words = sum(one.words for one in said if start_s <= one.at_s < end_s)
    nearby = sum(one.words for one in said if start_s - slack_s <= one.at_s < end_s + slack_s)
    if not words and not speech_s:
        return "neither speech nor words"
    counted = {"words": round(words), "speech_s": round(speech_s, 2)}
    found: list[Finding] = []
    if words >= LEAST_WORDS and nearby_s == 0.0:
        found.append(Finding("words_without_speech", _sure(words / LEAST_WORDS), counted))
    elif words >= LEAST_WORDS and words > FASTEST_WORDS_PER_S * nearby_s:
        rate = words / nearby_s
        found.append(
            Finding(
                "impossible_rate",
                _sure(rate / FASTEST_WORDS_PER_S),
                {**counted, "words_per_s": round(rate, 1)},
            )
        )
    if speech_s >= LEAST_UNWRITTEN_S and nearby == 0.0:
        found.append(Finding("speech_without_words", _sure(speech_s / LEAST_UNWRITTEN_S), counted))
    return max(
        found,
        key=lambda one: one.confidence,
        default=Finding(None, UNREMARKABLE, counted),
    )


def _sure(times: float) -> float:
    """0.6 where it just counts, 0.8 at twice that, never certain: a rule of thumb."""
    return min(MOST, max(LEAST, 1.0 - 0.4 / max(times, 1.0)))
