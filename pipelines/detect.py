"""One call for any content: loaded detectors look at it, and one standard result comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from os import PathLike, fspath
from typing import TypeAlias

from streammon.config import MonitorConfig, SchedulerConfig, parse_config
from streammon.core.errors import ConfigError, TooLarge
from streammon.core.ports import Detector
from streammon.core.types import Json, Modality
from streammon.pipelines import building, presets
from streammon.pipelines.content import Asked, ContentKind, Given, Limits, content_of
from streammon.pipelines.examine import Examiner
from streammon.pipelines.verdict import Pool, Pooling, Verdict, mean_confidence, most
from streammon.scheduler.device import choose_device

Detectors: TypeAlias = "str | PathLike[str] | Sequence[str] | None"


@dataclass(frozen=True, slots=True)
class Detection:
    """What all detectors together say of one piece of content.

    `confidence` is the probability, 0..1, that it is synthetic or manipulated, and `None` when
    every detector abstained; then `abstained` says why. `judged` states how it comes about.
    """

    modality: ContentKind
    confidence: float | None
    is_ai_generated: bool | None
    """`None`: no detector that decides this could judge it."""
    abstained: str | None
    detectors: tuple[Verdict, ...]
    processing_time_s: float
    """Reading, decoding and scoring; loading the models is not in it."""
    model_used: str
    """The models behind `confidence`; empty when all abstained."""

    def to_json(self) -> dict[str, Json]:
        """As `POST /detect` and `streammon detect --json` give it; see docs/detect.md."""
        return {
            "v": 1,
            "type": "detection",
            "modality": self.modality.value,
            "confidence": self.confidence,
            "is_ai_generated": self.is_ai_generated,
            "abstained": self.abstained,
            "detectors": [verdict.to_json() for verdict in self.detectors],
            "processing_time_s": round(self.processing_time_s, 6),
            "model_used": self.model_used,
        }


def judged(
    kind: ContentKind, verdicts: Sequence[Verdict], *, processing_time_s: float
) -> Detection:
    """Several detectors' verdicts as one.

    Detectors of one `kind` on one modality answer one question: their confidences are pooled by the
    mean of their log-odds, and most of them decide whether it is AI-generated. Content that is
    forged in one way is forged: the highest confidence of any question stands, and any question may
    be answered with AI-generated. Agreement does not raise it (as a noisy-or would), since
    detectors that look at the same content err together. Questions of AI generation go before those
    that are not (a frozen picture, a flooded chat): these give the confidence only when no other
    could be answered, and `is_ai_generated` is then `None`. What experimental detectors say is told
    and decides nothing.
    """
    scored = [
        verdict
        for verdict in verdicts
        if verdict.confidence is not None and not verdict.experimental
    ]
    deciding = [verdict for verdict in scored if verdict.is_ai_generated is not None]
    opinions = list(_by_question(deciding or scored))
    if not opinions:
        return Detection(kind, None, None, _why(kind, verdicts), tuple(verdicts),
                         processing_time_s, "")  # fmt: skip
    confidence, strongest = max(opinions, key=lambda opinion: opinion[0])
    return Detection(
        modality=kind,
        confidence=confidence,
        is_ai_generated=any(map(_is_generated, opinions)) if deciding else None,
        abstained=None,
        detectors=tuple(verdicts),
        processing_time_s=processing_time_s,
        model_used=", ".join(dict.fromkeys(verdict.model_used for verdict in strongest)),
    )


_Opinion: TypeAlias = tuple[float, list[Verdict]]


def _by_question(scored: Sequence[Verdict]) -> Iterator[_Opinion]:
    """The pooled confidence of each kind on each modality, with the verdicts it comes of."""
    questions: dict[tuple[str, Modality], list[Verdict]] = {}
    for verdict in scored:
        questions.setdefault((verdict.kind, verdict.modality), []).append(verdict)
    for same in questions.values():
        confidences = [verdict.confidence for verdict in same if verdict.confidence is not None]
        yield (confidences[0] if len(same) == 1 else mean_confidence(confidences)), same


def _is_generated(opinion: _Opinion) -> bool:
    confidence, same = opinion
    ayes = sum(bool(verdict.is_ai_generated) for verdict in same)
    return most(ayes, len(same), confidence=confidence)


def _why(kind: ContentKind, verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return f"no detector looks at {kind}"
    return "; ".join(
        f"{verdict.detector}: {verdict.abstained or 'experimental, decides nothing alone'}"
        for verdict in verdicts
    )


class Panel:
    """Detectors that judge one piece of content after another; each is loaded at its first use.

    For one thread at a time.
    """

    def __init__(
        self,
        detectors: Mapping[str, Detector],
        *,
        device: str = "auto",
        limits: Limits = Limits(),
        pool: Pool = "log_odds",
        scheduler: SchedulerConfig = SchedulerConfig(),
    ) -> None:
        """`device` is `auto`, `cpu`, `cuda` or `cuda:N`; nothing is loaded yet.

        Of `scheduler`, `hang_s` and `load_hang_s` say how long a detector may take.
        """
        self.limits = limits
        self._detectors = dict(detectors)
        self._pool = pool

        @cache
        def chosen() -> str:
            return choose_device(device).device

        self._examiner = Examiner(self._detectors, device=chosen, lazily=True, limits=scheduler)

    @classmethod
    def of(
        cls,
        detectors: Detectors = None,
        *,
        device: str = "auto",
        limits: Limits = Limits(),
        pool: Pool = "log_odds",
    ) -> Panel:
        """A panel of the detectors of a monitor, or of types of detectors with their defaults.

        `detectors` is a path to a configuration, the name of a ready-made monitor, or one or more
        types of detectors; unset: those of the ready-made monitors. Raises `ConfigError`.
        """
        config = configured(detectors)
        if not config.detectors:
            raise ConfigError("detectors: name at least one, for example `freeze: {}`")
        built = building.build_detectors(config)
        return cls(built, device=device, limits=limits, pool=pool, scheduler=config.scheduler)

    @property
    def given_up(self) -> Mapping[str, str]:
        """Detectors that hang, and what is known of it: they abstain from all that comes."""
        return self._examiner.given_up

    @property
    def inputs(self) -> Mapping[str, tuple[Modality, ...]]:
        """The modalities that each detector looks at, by its name."""
        return {name: tuple(one.inputs) for name, one in self._detectors.items()}

    @property
    def kinds(self) -> Mapping[str, str]:
        """What each detector finds, by its name."""
        return {name: one.kind for name, one in self._detectors.items()}

    def detect(
        self,
        content: Given,
        modality: Asked = "auto",
        *,
        only: Collection[str] | None = None,
        name: str = "content",
        rate_hz: int | None = None,
        fps: float | None = None,
        within_s: float | None = None,
        progress: Callable[[float], None] = lambda media_s: None,
    ) -> Detection:
        """Judge one piece of content, with all detectors or `only` these; blocking.

        `content`, `modality`, `rate_hz` and `fps` are those of `content_of`, as are the errors.
        Further raises `ConfigError` for a detector that is none of the panel's, `Permanent` for
        one that cannot be loaded, and `TooLarge` when judging takes longer than `within_s`,
        looked at between windows.
        """
        names = self._named(only)
        found = content_of(
            content, modality, name=name, limits=self.limits, rate_hz=rate_hz, fps=fps
        )
        examination = self._examiner.examine(found.source, only=names)
        pooling, began_s = Pooling(self._pool), time.perf_counter()

        def look_at_the_clock(media_s: float) -> None:
            if within_s is not None and time.perf_counter() - began_s > within_s:
                raise TooLarge(f"judging it takes longer than {within_s:g} s: send less of it")
            progress(media_s)

        for result in examination.results(progress=look_at_the_clock):
            pooling.add(result)
        silent = self._silent(
            names if only is not None else (), pooling.verdicts(), found.source.modalities
        )
        verdicts = (*pooling.verdicts(), *silent)
        spent_s = time.perf_counter() - began_s
        return judged(found.kind, verdicts, processing_time_s=spent_s)

    def _named(self, only: Collection[str] | None) -> Collection[str]:
        unknown = sorted(set(only or ()) - self._detectors.keys())
        if unknown:
            known = ", ".join(self._detectors)
            raise ConfigError(f"no such detector: {', '.join(unknown)}; there are: {known}")
        return self._detectors.keys() if only is None else only

    def _silent(
        self,
        asked: Collection[str],
        given: Iterable[Verdict],
        modalities: Collection[Modality],
    ) -> Iterator[Verdict]:
        """Verdicts of the detectors that had no window: those asked for by name, and all that
        look at what is there.
        """
        heard = {verdict.detector for verdict in given}
        for name, detector in self._detectors.items():
            looks_at = list(detector.inputs)
            fits = any(modality in modalities for modality in looks_at)
            if name in heard or not (fits or name in asked):
                continue
            others = " and ".join(looks_at)
            why = "there is nothing in it to look at" if fits else f"it looks at {others} only"
            yield Verdict(
                name, detector.kind, looks_at[0], None, None, why, windows=0, scored=0,
                model_used="",
            )  # fmt: skip


def detect(
    content: Given,
    modality: Asked = "auto",
    *,
    detectors: Detectors = None,
    device: str = "auto",
    rate_hz: int | None = None,
    fps: float | None = None,
) -> Detection:
    """Judge one piece of content: whether it is synthetic or manipulated.

    `content` is a path (`pathlib.Path` to media, an image, text, or chat as JSON lines), the bytes
    of such a file, a `str` of text, or an array: an image (height, width, 3) uint8 RGB, frames
    (count, height, width, 3) uint8 RGB with `fps` a second, or mono sound (n,) of floats in [-1, 1]
    with `rate_hz` samples a second. `modality` is `auto`, `image`, `video`, `audio` or `text`.

    `detectors` is a path to a configuration, the name of a ready-made monitor, or one or more types
    of detectors; unset: those of the ready-made monitors. They are loaded anew by each call: for
    more than one piece of content make one `Panel.of(detectors)` and call its `detect`.

    Raises `streammon.core.errors.Undecodable` and `TooLarge` for content, `ConfigError` for
    detectors, `Permanent` for a model that cannot be loaded, `ValueError` for arrays of another
    shape or type. What no detector can judge is no error: `confidence` is then `None`, and
    `abstained` says why.
    """
    panel = Panel.of(detectors, device=device)
    return panel.detect(content, modality, rate_hz=rate_hz, fps=fps)


def configured(detectors: Detectors) -> MonitorConfig:
    """The configuration that `detectors` of `Panel.of` means. Raises `ConfigError`."""
    if detectors is None:
        return presets.shipped_detectors()
    if isinstance(detectors, PathLike):
        detectors = fspath(detectors)
        return presets.load(detectors, changes={"sources": None})
    if isinstance(detectors, str):
        if detectors in presets.names() or detectors.endswith((".yaml", ".yml")):
            return presets.load(detectors, changes={"sources": None})
        detectors = [detectors]
    return parse_config({"name": "detect", "detectors": {name: {} for name in detectors}})
