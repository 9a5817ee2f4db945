"""Why an incident was raised, in a sentence for people. Pure; never any chat text.

Details are a detector's own words, so only keys that are known are read and all is bounded: a
number that is no number, or a text that is no text, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from streammon.core.types import DetectionResult, Json

MOST_CAUSE = 120
"""Characters of a detector's own words in a sentence."""
LIKELY = 0.5
"""Windows above this probability are counted as showing it."""

SUBJECTS = {
    "voice_spoof": "speech carries vocoder artefacts",
    "freeze": "picture or sound is not live",
    "chat_flood": "accounts post near-identical messages",
    "ai_text": "somebody writes as language models do",
    "face_forgery": "a face looks swapped or blended in",
}
CAUSES = {
    "frozen": "the picture is frozen",
    "black": "the picture is black",
    "slate": "a slate stands in place of a picture",
    "looped": "the picture repeats itself",
    "silent": "the sound has gone silent",
    "stuck": "the sound is stuck",
}
"""What `freeze` finds, by its `details.cause`."""


def raised_because(
    results: Sequence[DetectionResult], *, level: float, clear_s: float, carried: bool = False
) -> str:
    """What was seen, for how long and how strongly, and what would clear it.

    `results`: the scored windows behind it, oldest first, at least one. `carried`: they are only
    those since the stream began anew, and the evidence is partly from before.
    """
    strongest = max(results, key=lambda result: (result.confidence or 0.0, result.end_s))
    subject = _subject(strongest)
    windows = _strength(results, over=" since the stream began anew" if carried else "")
    evidence = "evidence" if level >= 1.0 else "evidence fading,"
    if carried:
        evidence = f"{evidence.rstrip(',')}, part of it from before,"
    return (
        f"{subject[:1].upper()}{subject[1:]}: {windows}; {evidence} at "
        f"{level:.1f} of the alarm level; clears after {clear_s:g} s of clean windows."
    )


def also_suspected(results: Sequence[DetectionResult]) -> str:
    """What experimental detectors say beside it, as another sentence; empty: nothing.

    `results`: the newest of each that would raise the alarm if it might.
    """
    said = [f"{_subject(one)} ({one.confidence or 0.0:.2f}, {one.detector})" for one in results]
    return f" Experimental detectors add: {'; '.join(said)}." if said else ""


def cleared_because(results: Sequence[DetectionResult], *, lasted_s: float) -> str:
    """What the clean stretch looked like and how long the incident was."""
    scores = [result.confidence for result in results if result.confidence is not None]
    seen = f"{_strength(results)}" if scores else "nothing more was seen"
    return f"Clear again: {seen}. It lasted {lasted_s:.0f} s."


def ended_because(why: str, *, lasted_s: float) -> str:
    """Why it was closed although nothing had cleared it."""
    return f"Closed, not cleared: {_words(why) or 'the stream ended'}. It lasted {lasted_s:.0f} s."


def _subject(result: DetectionResult) -> str:
    """What the strongest window shows, in its detector's words where it has some."""
    if result.kind == "chat_flood" and (flood := _flood(result.details)):
        return flood
    if result.kind == "freeze" and (cause := _words(result.details.get("cause"))):
        return CAUSES.get(cause, cause) + _for(result.details.get("for_s"))
    return SUBJECTS.get(result.kind, _words(result.kind.replace("_", " ")) or "synthetic media")


def _for(lasting_s: Json) -> str:
    lasting = _number(lasting_s)
    return "" if lasting is None else f" for {lasting:.0f} s"


def _flood(details: Mapping[str, Json]) -> str:
    """`14 accounts posted 20 near-identical messages within 8 s (9 disguised)`.

    Of the strongest group, which comes first; empty where its numbers are missing.
    """
    groups = details.get("groups")
    group = groups[0] if isinstance(groups, list) and groups else None
    if not isinstance(group, dict):
        return ""
    accounts, messages = _number(group.get("accounts")), _number(group.get("size"))
    first_s, last_s = _number(group.get("first_s")), _number(group.get("last_s"))
    if not accounts or not messages or first_s is None or last_s is None:
        return ""
    disguised = _number(group.get("disguised"))
    return (
        f"{accounts:.0f} {'account' if accounts == 1 else 'accounts'} posted {messages:.0f} "
        f"near-identical messages within {max(1.0, last_s - first_s):.0f} s"
        + (f" ({disguised:.0f} disguised)" if disguised else "")
    )


def _strength(results: Sequence[DetectionResult], *, over: str = "") -> str:
    """`6 of 7 windows over 10 s, mean probability 0.93`; `over` says more of the time."""
    scores = [result.confidence for result in results if result.confidence is not None]
    likely = sum(score > LIKELY for score in scores)
    over_s = max(result.end_s for result in results) - min(result.start_s for result in results)
    windows = "window" if len(scores) == 1 else "windows"
    mean = sum(scores) / len(scores)
    counted = f"{likely} of {len(scores)} {windows} over {over_s:.0f} s{over}"
    return f"{counted}, mean probability {mean:.2f}"


def _number(value: Json) -> float | None:
    """A finite count or duration, not negative; anything else is not used."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def _words(value: Json) -> str:
    """A short text on one line; empty if it is none."""
    if not isinstance(value, str):
        return ""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in value).split())
    return line if len(line) <= MOST_CAUSE else line[: MOST_CAUSE - 1] + "…"
