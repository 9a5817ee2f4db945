"""Windows that were asked about whatever the gates say, and what each gate is worth on them. Pure.

A window *counts* when its confidence would add to an alarm: above `COUNTS`, where the default
rule's drift ends. A gate earns its place if it turns away a larger share of the false alarms
(real windows that count) than of the detections (synthetic ones that count). Both shares are of
the windows that are judged and those that this one gate turns away; the other gates stay shut.
A gate also keeps synthetic windows that would speak for a clean stream (below even odds) from
doing so, which this measure leaves out and the table shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from streammon.evaluation.bootstrap import share_interval

COUNTS = 0.6
FEW = 20
"""Real windows turned away, or twice the windows that count among those: fewer say little."""
FEW_ALARMS = 3
"""Nor do fewer false alarms, with the gate open: a single window decides."""
COLUMNS = (
    "turned away because",
    "real windows, that would count",
    "synthetic, that would count",
    "synthetic, that would speak for a clean stream",
    "false alarms, gate open / shut",
    "detections, open / shut",
    "earns its place",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One window: what the gate said, and what the model says although nobody may ask it."""

    family: str
    """What was done to it, or what it is."""
    fake: bool
    gate: str | None
    """Why it is turned away; `None`: it is judged."""
    confidence: float

    @property
    def counts(self) -> bool:
        return self.confidence > COUNTS


@dataclass(frozen=True, slots=True)
class Worth:
    """What one gate does to one class."""

    turned: int
    counted: int
    """Of those turned away, how many would have counted."""
    clearing: int
    """And how many would have spoken for a clean stream."""
    judged: int
    judged_counted: int

    @property
    def lost(self) -> float | None:
        """The share of all windows that count which the gate takes away."""
        all_counted = self.counted + self.judged_counted
        return self.counted / all_counted if all_counted else None

    @property
    def without(self) -> float:
        """The share of windows that count where the gate is open."""
        return (self.counted + self.judged_counted) / max(self.turned + self.judged, 1)

    @property
    def kept(self) -> float:
        """The same where it is shut: what is turned away counts for nothing."""
        return self.judged_counted / max(self.turned + self.judged, 1)


def worth(asked: Sequence[Asked], gate: str, *, fake: bool) -> Worth:
    own = [one for one in asked if one.fake is fake]
    turned = [one for one in own if one.gate == gate]
    judged = [one for one in own if one.gate is None]
    return Worth(
        len(turned),
        sum(one.counts for one in turned),
        sum(one.confidence < 0.5 for one in turned),
        len(judged),
        sum(one.counts for one in judged),
    )


def verdict(real: Worth, fake: Worth) -> str:
    """In words, with what is too little to say."""
    if not real.turned:
        return "turned no real window away"
    alarms, found = real.lost or 0.0, fake.lost or 0.0
    if not real.counted and not fake.counted:
        return "neither: nothing that it turns away counts"
    if alarms == found:
        return "as many of both"
    earns = "yes" if alarms > found else "no"
    few = (
        real.turned < FEW
        or real.counted + fake.counted < FEW / 2
        or real.counted + real.judged_counted < FEW_ALARMS
    )
    return f"{earns}, of few" if few else earns


def report(name: str, asked: Iterable[Asked]) -> Iterator[str]:
    """Lines of Markdown: a table of the gates, and beneath it what each family came to."""
    windows = list(asked)
    judged = {fake: worth(windows, "", fake=fake) for fake in (False, True)}
    yield f"\n### {name}\n"
    yield (
        f"Judged: {judged[False].judged} real windows, of which "
        f"{_share(judged[False].judged_counted, judged[False].judged)} count; "
        f"{judged[True].judged} synthetic, of which "
        f"{_share(judged[True].judged_counted, judged[True].judged)} do.\n"
    )
    yield f"| {' | '.join(COLUMNS)} |"
    yield "| --- " * len(COLUMNS) + "|"
    for gate in dict.fromkeys(one.gate for one in windows if one.gate is not None):
        real, fake = (worth(windows, gate, fake=fake) for fake in (False, True))
        yield (
            f"| {gate} | {real.turned}, {_share(real.counted, real.turned)} "
            f"| {fake.turned}, {_share(fake.counted, fake.turned)} "
            f"| {_share(fake.clearing, fake.turned)} "
            f"| {real.without:.1%} / {real.kept:.1%} | {fake.without:.1%} / {fake.kept:.1%} "
            f"| {verdict(real, fake)} |"
        )
    yield "\n| windows | real: turned away (would count); judged that count | synthetic: the same |"
    yield "| --- | --- | --- |"
    for family in dict.fromkeys(one.family for one in windows):
        cells = [_family([one for one in windows if one.family == family], fake=fake)
                 for fake in (False, True)]  # fmt: skip
        yield f"| {family} | {' | '.join(cells)} |"


def _family(windows: Sequence[Asked], *, fake: bool) -> str:
    own = [one for one in windows if one.fake is fake]
    if not own:
        return "-"
    turned = [one for one in own if one.gate is not None]
    judged = [one for one in own if one.gate is None]
    would, count = (sum(one.counts for one in some) for some in (turned, judged))
    return f"{len(turned)} of {len(own)} ({would}); {count} of {len(judged)}"


def _share(count: int, of: int) -> str:
    if not of:
        return "-"
    ends = share_interval(count, of)
    return f"{count / of:.1%} [{ends.low:.1%}, {ends.high:.1%}]"
