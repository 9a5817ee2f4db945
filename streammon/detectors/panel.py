"""What `ensemble`, `cascade` and `multimodal` have in common: settings, life and result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from streammon.core.errors import ConfigError, Permanent
from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Json, Modality, Region, Window, WindowSpec
from streammon.detectors.members import Answer, How, Member, Patience, offers
from streammon.detectors.shared_cut import Wanted, shared_cut, shared_modalities
from streammon.registry import AdapterConfig

MOST_REGIONS = 16
KIND = r"^[a-z][a-z0-9_]{0,63}$"


class CombinatorConfig(AdapterConfig):
    """What is said of members that do not answer."""

    kind: str | None = Field(None, pattern=KIND)
    """What incidents are called; unset: as the members call theirs, if all call it the same."""
    answer_within_s: PositiveFloat | None = None
    """Give up a member that has not answered by then. It then runs on a thread of its own, in
    full precision. Unset: it is waited for, and the scheduler's own limit is for all together."""
    rest_after: PositiveInt = 3
    """A member that fails so many times in a row is left alone for `rest_s`, then tried again."""
    rest_s: PositiveFloat = 30.0

    @property
    def patience(self) -> Patience:
        return Patience(self.rest_after, self.rest_s, self.answer_within_s)


class WindowChoice(BaseModel):
    """The window that members share, in the unit of theirs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    length: PositiveFloat
    overlap: float = Field(0.0, ge=0.0)

    @model_validator(mode="after")
    def overlap_fits(self) -> WindowChoice:
        if self.overlap >= self.length:
            raise ValueError(f"overlap must be below length ({self.length:g})")
        return self


class SharedWindowConfig(CombinatorConfig):
    """Settings of a combinator whose members all look at the same windows."""

    modality: Modality | None = None
    """Needed only when members look at more than they have in common."""
    window: WindowChoice | None = None
    """Unset: as long as the longest of the members', as often as the most frequent."""

    def cut(self, members: Mapping[str, Detector]) -> dict[Modality, WindowSpec]:
        """How the windows for these members are cut. Raises `ConfigError` when none fits all."""
        looks = {name: member.inputs for name, member in members.items()}
        wanted = None if self.window is None else Wanted(self.window.length, self.window.overlap)
        return {
            modality: shared_cut({name: looks[name][modality] for name in looks}, wanted=wanted)
            for modality in shared_modalities(looks, only=self.modality)
        }


def kind_of(members: Mapping[str, Detector], kind: str | None) -> str:
    """The kind that was set, or the one that all members share. Raises `ConfigError`."""
    if kind is not None:
        return kind
    kinds = {member.kind for member in members.values()}
    if len(kinds) > 1:
        raise ConfigError(f"kind: the members say {' and '.join(sorted(kinds))}; name one")
    return kinds.pop()


class Panel:
    """The members of one combinator, by name, from loading to the result they add up to."""

    def __init__(self, members: Mapping[str, Detector], patience: Patience) -> None:
        self.members = {name: Member(detector, patience) for name, detector in members.items()}
        self.on_device = any(detector.on_device for detector in members.values())

    def longest_wait_s(self, batch: int) -> float | None:
        """How long all of them may take over so many windows, one member after the other.

        `None` when none waits for another machine.
        """
        if not any(offers(each.detector, "longest_wait_s") for each in self.members.values()):
            return None
        return sum(each.longest_call_s * -(-batch // each.most) for each in self.members.values())

    @property
    def resident_bytes(self) -> int:
        return sum(member.resident_bytes for member in self.members.values())

    def load(self, device: str, *, least: int = 1, needed: Iterable[str] = ()) -> None:
        """Load all that can be loaded. Raises `Permanent` when fewer than `least` can, or one of
        the `needed` cannot, and says why of each.
        """
        causes = {
            name: cause for name, each in self.members.items() if (cause := each.load(device))
        }
        if len(self.members) - len(causes) < least or set(needed) & set(causes):
            said = "; ".join(f"{name} {cause}" for name, cause in causes.items())
            raise Permanent(f"too few members can be used: {said}")

    def unload(self) -> None:
        for member in self.members.values():
            member.unload()


def answered(
    window: Window,
    answers: Sequence[Answer],
    *,
    detector: str,
    kind: str,
    confidence: float | None,
    abstained: str,
    threshold: float,
    details: Mapping[str, Json],
    processing_time_s: float,
) -> DetectionResult:
    """The result of a combinator: `abstained` is why, when there is no confidence.

    It is experimental where everybody who spoke is.
    """
    spoke = [each.result for each in answers if each.how is How.SPOKE and each.result is not None]
    regions: list[Region] = [
        region
        for result in spoke
        if result.modality is window.modality
        for region in result.regions
    ]
    models = dict.fromkeys(result.model_used for result in spoke)
    if spoke and all(result.experimental for result in spoke):
        details = {**details, "experimental": True}
    return DetectionResult.of(
        window,
        detector=detector,
        kind=kind,
        model_used=" + ".join(models) or "none",
        confidence=confidence,
        abstained=abstained if confidence is None else None,
        is_ai_generated=None if confidence is None else confidence >= threshold,
        regions=tuple(regions[:MOST_REGIONS]) if confidence is not None else (),
        details=details,
        processing_time_s=processing_time_s,
    )


def reasons(answers: Iterable[Answer]) -> str:
    """Why nobody spoke, in words: `fast: too little speech; deep: resting for 12 s more`."""
    said = [
        f"{each.member}: {'' if each.how is How.ABSTAINED else each.how.value + ' '}{each.why}"
        for each in answers
        if each.how is not How.SPOKE
    ]
    return "; ".join(said) or "no member was asked"
