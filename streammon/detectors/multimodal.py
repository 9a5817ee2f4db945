"""Sound, picture and text of one participant, each with its own detector, weighed together.

Each window is scored by the member for its modality. What the others last said of the same
participant, if it is not older than `remember_s` of media time, is weighed in. A window of which
its own member says nothing gets no verdict: what was said before is no new evidence.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from streammon.alerts.fusion import Opinion, conflicts, pooled, strongest
from streammon.core.errors import ConfigError
from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Json, Modality, Window, WindowSpec
from streammon.detectors.members import Answer
from streammon.detectors.panel import KIND, CombinatorConfig, Panel, answered, reasons
from streammon.detectors.stream_memory import StreamMemory


class MultimodalConfig(CombinatorConfig):
    """Detectors of different modalities of one participant, one answer."""

    type: Literal["multimodal"] = "multimodal"
    members: tuple[str, ...] = Field(min_length=2, max_length=len(Modality))
    """Names of other entries under `detectors`; no two of them look at the same modality."""
    kind: str = Field("synthetic_media", pattern=KIND)
    weights: Mapping[Modality, PositiveFloat] = {}
    """By modality; 1 for those not named."""
    mode: Literal["weighted", "strongest"] = "weighted"
    """`weighted`: the weighted mean of the log-odds. `strongest`: one forged modality is enough;
    for voices or faces that are put into an otherwise real recording."""
    remember_s: PositiveFloat = Field(8.0, le=120.0)
    """How long, in media time, a verdict on one modality is weighed with those on others."""
    sure: float = Field(0.8, gt=0.5, lt=1.0)
    """Two modalities are reported as inconsistent when one is so sure of synthetic and the other
    so sure of genuine."""
    threshold: float = Field(0.5, gt=0.0, lt=1.0)
    """Confidence from which a window counts as synthetic."""
    most_streams: PositiveInt = 256

    @model_validator(mode="after")
    def members_differ(self) -> MultimodalConfig:
        if len(set(self.members)) < len(self.members):
            raise ValueError(f"members: each once, got {', '.join(self.members)}")
        return self

    def build(self, name: str, members: Mapping[str, Detector]) -> Multimodal:
        """Raises `ConfigError` when two members look at the same modality."""
        return Multimodal(name, self, members)


Verdicts = dict[Modality, tuple[float, Answer]]
"""The newest that was said of each modality, and the media time at which its window ended."""


class Multimodal:
    """A `Detector` and `Evictable`; `Elsewhere` when a member is (`longest_wait_s` is then set).

    Never `Repeatable`: what it says depends on what the other modalities said before.
    """

    longest_wait_s: float

    def __init__(
        self, name: str, settings: MultimodalConfig, members: Mapping[str, Detector]
    ) -> None:
        self.name = name
        self.kind = settings.kind
        self._serves = _by_modality(settings, members)
        self.inputs: Mapping[Modality, WindowSpec] = {
            modality: members[member].inputs[modality] for modality, member in self._serves.items()
        }
        self._panel = Panel(members, settings.patience)
        self.on_device = self._panel.on_device
        self.max_batch = min(member.max_batch for member in members.values())
        self._settings = settings
        self._verdicts: StreamMemory[Verdicts] = StreamMemory(
            Verdicts, most_streams=settings.most_streams
        )
        if (wait_s := self._panel.longest_wait_s(self.max_batch)) is not None:
            self.longest_wait_s = wait_s

    @property
    def resident_bytes(self) -> int:
        return self._panel.resident_bytes

    def load(self, device: str) -> None:
        """Load the members. Raises `Permanent` when none can be loaded."""
        self._panel.load(device)

    def unload(self) -> None:
        self._panel.unload()

    def bucket(self, window: Window) -> str:
        member = self._panel.members[self._serves[window.modality]]
        return member.bucket(window, self.inputs[window.modality])

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        """One result per window, in order."""
        if not batch:
            return []
        began_s = time.perf_counter()
        modality = batch[0].modality
        member = self._panel.members[self._serves[modality]]
        answers = member.ask(batch, self.inputs[modality])
        each_s = (time.perf_counter() - began_s) / len(batch)
        return [
            self._result(window, answer, each_s)
            for window, answer in zip(batch, answers, strict=True)
        ]

    def _result(self, window: Window, answer: Answer, processing_time_s: float) -> DetectionResult:
        settings, own = self._settings, window.modality
        verdicts = self._verdicts.of(window)
        fresh = {
            modality: said
            for modality, (end_s, said) in verdicts.items()
            if modality is not own and abs(window.end_s - end_s) <= settings.remember_s
        }
        if answer.confidence is not None:
            verdicts[own] = (window.end_s, answer)
        voices = {**fresh, own: answer}
        opinions = [
            Opinion(modality.value, said.confidence, settings.weights.get(modality, 1.0))
            for modality, said in voices.items()
        ]
        fuse = pooled if settings.mode == "weighted" else strongest
        modalities: dict[str, Json] = {
            modality.value: said.told() for modality, said in sorted(voices.items())
        }
        found: list[Json] = [
            {"synthetic": each.synthetic, "genuine": each.genuine, "why": each.why}
            for each in conflicts(opinions, sure=settings.sure)
        ]
        return answered(
            window,
            list(voices.values()),
            detector=self.name,
            kind=self.kind,
            confidence=None if answer.confidence is None else fuse(opinions),
            abstained=reasons([answer]),
            threshold=settings.threshold,
            details={"mode": settings.mode, "modalities": modalities, "inconsistencies": found},
            processing_time_s=processing_time_s,
        )


def _by_modality(
    settings: MultimodalConfig, members: Mapping[str, Detector]
) -> dict[Modality, str]:
    """Which member serves which modality. Raises `ConfigError` when two want the same."""
    serves: dict[Modality, str] = {}
    for at, name in enumerate(settings.members):
        for modality in members[name].inputs:
            if modality in serves:
                raise ConfigError(
                    f"members.{at}: {name!r} looks at {modality} as {serves[modality]!r} does; "
                    "join the two in an `ensemble`, and name that here"
                )
            serves[modality] = name
    if strangers := sorted(set(settings.weights) - set(serves)):
        raise ConfigError(f"weights.{strangers[0]}: no member looks at {strangers[0]}")
    return serves
