"""Several detectors of one thing, heard together: the answer is theirs, and says who gave it.

A member that raises, answers wrongly or hangs is left out of the window's answer and named in
`details.members`; the others go on without it. Too few that spoke make the ensemble abstain.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from streammon.alerts.fusion import Opinion, agreed, pooled, spoken
from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Json, Window
from streammon.detectors.members import Answer, How
from streammon.detectors.panel import Panel, SharedWindowConfig, answered, kind_of, reasons

Mode = Literal["weighted", "majority", "unanimous"]


class EnsembleConfig(SharedWindowConfig):
    """Several detectors of the same modality, one answer."""

    type: Literal["ensemble"] = "ensemble"
    members: tuple[str, ...] = Field(min_length=2, max_length=16)
    """Names of other entries under `detectors`."""
    mode: Mode = "weighted"
    """`weighted`: the weighted mean of the log-odds. `majority`, `unanimous`: the confidence that
    more than half, or all, of those who spoke reach."""
    weights: Mapping[str, PositiveFloat] = {}
    """By member, for `weighted`; 1 for those not named."""
    least: PositiveInt | None = None
    """Abstain when fewer members spoke. Unset: half of them, rounded up; all for `unanimous`."""
    threshold: float = Field(0.5, gt=0.0, lt=1.0)
    """Confidence from which a window counts as synthetic."""

    @model_validator(mode="after")
    def panel_makes_sense(self) -> EnsembleConfig:
        if len(set(self.members)) < len(self.members):
            raise ValueError(f"members: each once, got {', '.join(self.members)}")
        if self.weights and self.mode != "weighted":
            raise ValueError(f"weights are for mode weighted; votes of {self.mode} count alike")
        if strangers := sorted(set(self.weights) - set(self.members)):
            raise ValueError(f"weights: {', '.join(strangers)} not among the members")
        if self.least is not None and self.least > len(self.members):
            raise ValueError(f"least: there are only {len(self.members)} members")
        return self

    @property
    def quorum(self) -> int:
        """How many must speak."""
        if self.least is not None:
            return self.least
        return len(self.members) if self.mode == "unanimous" else (len(self.members) + 1) // 2

    def build(self, name: str, members: Mapping[str, Detector]) -> Ensemble:
        """Raises `ConfigError` when the members cannot share windows or a kind."""
        return Ensemble(name, self, members)


class Ensemble:
    """A `Detector` and `Evictable`; `Elsewhere` when a member is (`longest_wait_s` is then set)."""

    longest_wait_s: float

    def __init__(
        self, name: str, settings: EnsembleConfig, members: Mapping[str, Detector]
    ) -> None:
        self.name = name
        self.inputs = settings.cut(members)
        self.kind = kind_of(members, settings.kind)
        self._own = {each: members[each].inputs for each in settings.members}
        self._panel = Panel(members, settings.patience)
        self.on_device = self._panel.on_device
        self.max_batch = min(member.max_batch for member in members.values())
        self._settings = settings
        if (wait_s := self._panel.longest_wait_s(self.max_batch)) is not None:
            self.longest_wait_s = wait_s

    @property
    def resident_bytes(self) -> int:
        return self._panel.resident_bytes

    def load(self, device: str) -> None:
        """Load the members. Raises `Permanent` when fewer than `least` can be loaded."""
        self._panel.load(device, least=self._settings.quorum)

    def unload(self) -> None:
        self._panel.unload()

    def bucket(self, window: Window) -> str:
        return "|".join(
            member.bucket(window, self._own[name][window.modality])
            for name, member in self._panel.members.items()
        )

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        """One result per window, in order: what those members say who can."""
        began_s = time.perf_counter()
        heard = [
            member.ask(batch, self._own[name][batch[0].modality])
            for name, member in self._panel.members.items()
            if batch
        ]
        each_s = (time.perf_counter() - began_s) / max(len(batch), 1)
        return [
            self._result(window, answers, each_s)
            for window, answers in zip(batch, zip(*heard, strict=True), strict=True)
        ]

    def _result(
        self, window: Window, answers: Sequence[Answer], processing_time_s: float
    ) -> DetectionResult:
        settings = self._settings
        opinions = [
            Opinion(each.member, each.confidence, settings.weights.get(each.member, 1.0))
            for each in answers
        ]
        said = spoken(opinions)
        enough = len(said) >= settings.quorum
        confidence = _together(opinions, settings.mode) if enough else None
        members: list[Json] = []
        for opinion, answer in zip(opinions, answers, strict=True):
            members.append(answer.told() | {"weight": opinion.weight})
        details: dict[str, Json] = {"mode": settings.mode, "members": members, "spoke": len(said)}
        if len(said) > 1:
            details["disagreement"] = round(max(said) - min(said), 4)
        failed = [answer.member for answer in answers if answer.how in (How.FAILED, How.RESTING)]
        if failed:
            details["without"] = [*failed]
        return answered(
            window,
            answers,
            detector=self.name,
            kind=self.kind,
            confidence=confidence,
            abstained=f"{len(said)} of {len(answers)} members spoke, {settings.quorum} must: "
            + reasons(answers),
            threshold=settings.threshold,
            details=details,
            processing_time_s=processing_time_s,
        )


def _together(opinions: Sequence[Opinion], mode: Mode) -> float | None:
    """The opinions as one; `None` when nobody spoke."""
    count = len(spoken(opinions))
    if mode == "weighted" or not count:
        return pooled(opinions)
    return agreed(opinions, votes=count if mode == "unanimous" else count // 2 + 1)
