"""How long until a false alarm, and how long until a true one, under stated assumptions.

Streams are simulated, the rule is the real one (`streammon.alerts.sequential`, its defaults).
Media is a row of half-second segments. Each segment adds an independent, normally distributed
amount to the log-likelihood ratio of every window that holds it, so that the windows' scores are
exactly calibrated and windows that overlap share what they share. `d` is the distance of the two
score distributions of a whole window in standard deviations: 1.5 is a weak detector (AUC 0.86),
3 a good one (AUC 0.98).

`worst` draws windows side by side from the calibrated distribution that alarms most often: all
of the genuine windows that may score high do so just as high as the cap. `shifted` is not
calibrated: one nat too much on every window, as from a source unlike the training data.

`own_level` are sources of an hour each, judged by a rule with a `baseline` and by one without: the
detector is calibrated on them or a nat off, and each is learnt from its own first clean stretch.
Delays are of forgeries that begin after a quarter of an hour.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from streammon.alerts.baseline import BaselineConfig
from streammon.alerts.calibration import probability
from streammon.alerts.sequential import LEAST_NATS, Cusum, CusumConfig, CusumEvidence
from streammon.core.types import DetectionResult, Evidence, Modality, StreamId

SEGMENT_S = 0.5
SETTINGS = CusumConfig()
THRESHOLDS = (5.0, 7.0, 9.0)
"""The default and two stricter ones."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How windows are cut, in segments."""

    length: int
    hop: int


VOICE, FREEZE = Cut(4, 3), Cut(8, 2)
"""2 s every 1.5 s; 4 s every second."""


def window(stream: str, start_s: float, end_s: float, log_ratio: float) -> DetectionResult:
    return DetectionResult(
        stream=StreamId(stream),
        detector="simulated",
        kind="simulated",
        modality=Modality.AUDIO,
        epoch=0,
        start_s=start_s,
        end_s=end_s,
        captured_ns=0,
        confidence=probability(log_ratio),
        model_used="simulated",
    )


def scored(segments: NDArray[np.float64], cut: Cut) -> Iterator[DetectionResult]:
    """The windows of a row of segments' log-likelihood ratios."""
    sums = np.concatenate([[0.0], np.cumsum(segments)])
    for first in range(0, len(segments) - cut.length + 1, cut.hop):
        after = first + cut.length
        yield window("s", first * SEGMENT_S, after * SEGMENT_S, float(sums[after] - sums[first]))


def segments_of(
    rng: np.random.Generator, count: int, *, cut: Cut, d: float, synthetic: bool, shift: float = 0.0
) -> NDArray[np.float64]:
    """Log-likelihood ratios of segments, calibrated for windows that are `d` apart."""
    mean = (d * d / 2 if synthetic else -d * d / 2) + shift
    return rng.normal(mean / cut.length, d / math.sqrt(cut.length), count)


def worst_case(rng: np.random.Generator, count: int) -> Iterator[DetectionResult]:
    """Genuine windows that score at the cap as often as calibration allows, else at the least."""
    highest = SETTINGS.threshold / SETTINGS.min_windows + SETTINGS.drift
    share = -math.expm1(LEAST_NATS) / (math.exp(highest) - math.exp(LEAST_NATS))
    for at, high in enumerate(rng.random(count) < share):
        yield window("s", float(at), at + 1.0, highest if high else LEAST_NATS)


def windows_per_false_alarm(
    results: Iterator[DetectionResult], *, threshold: float = SETTINGS.threshold
) -> tuple[float, int]:
    """Mean run length, starting anew after each alarm, and the number of alarms.

    With no alarm at all: a bound that the mean exceeds with a probability of 95 % (rule of three).
    """
    rule = CusumConfig(threshold=threshold).build("simulated")
    evidence: Evidence | None = None
    windows = alarms = 0
    for result in results:
        windows += 1
        evidence = rule.advance(evidence, result)
        if evidence.alarm:
            alarms, evidence = alarms + 1, None
    return (windows / alarms if alarms else windows / 3), alarms


def delays_s(
    rng: np.random.Generator, runs: int, *, cut: Cut, d: float, threshold: float
) -> list[float]:
    """Media seconds from the onset of a forgery to the alarm, after ten clean windows."""
    rule = CusumConfig(threshold=threshold).build("simulated")
    found = []
    clean = 10 * cut.hop + cut.length
    for _ in range(runs):
        before = segments_of(rng, clean, cut=cut, d=d, synthetic=False)
        after = segments_of(rng, 240, cut=cut, d=d, synthetic=True)
        onset_s = clean * SEGMENT_S
        evidence: Evidence | None = None
        delay_s = math.inf
        for result in scored(np.concatenate([before, after]), cut):
            evidence = rule.advance(evidence, result)
            if evidence.alarm and result.end_s > onset_s:
                delay_s = result.end_s - onset_s
                break
        found.append(delay_s)
    return found


def own_level(rule: CusumConfig, *, sources: int, d: float, shift: float) -> tuple[float, float]:
    """Windows to a false alarm on clean sources of an hour, and the median delay to a true one.

    Infinite where there was none.
    """
    judge = rule.build("simulated")
    rng = np.random.default_rng(5)
    quarter = 900 / SEGMENT_S
    windows = alarms = 0
    delays = list[float]()
    for _ in range(sources):
        clean = segments_of(rng, round(4 * quarter), cut=VOICE, d=d, synthetic=False, shift=shift)
        forged = segments_of(rng, 240, cut=VOICE, d=d, synthetic=True, shift=shift)
        evidence: CusumEvidence | None = None
        for result in scored(clean, VOICE):
            windows += 1
            evidence = judge.advance(evidence, result)
            if evidence.alarm:
                alarms, evidence = alarms + 1, _begun_anew(evidence)
        turned = np.concatenate([clean[: round(quarter)], forged])
        delays.append(_delay_s(judge, turned, onset_s=quarter * SEGMENT_S))
    return (windows / alarms if alarms else math.inf), float(np.median(delays))


def _delay_s(judge: Cusum, segments: NDArray[np.float64], *, onset_s: float) -> float:
    evidence: CusumEvidence | None = None
    for result in scored(segments, VOICE):
        evidence = judge.advance(evidence, result)
        if evidence.alarm and result.end_s > onset_s:
            return result.end_s - onset_s
        if evidence.alarm:
            evidence = _begun_anew(evidence)
    return math.inf


def _begun_anew(evidence: CusumEvidence) -> CusumEvidence:
    """Nothing against the source any more; what was learnt of it stays."""
    return replace(evidence, log_odds=0.0, level=0.0, alarm=False, windows=0)


GENUINE = {
    "weak_voice": (VOICE, 1.5, 0.0),
    "good_voice": (VOICE, 3.0, 0.0),
    "weak_freeze": (FREEZE, 1.5, 0.0),
    "good_freeze": (FREEZE, 3.0, 0.0),
    "shifted_voice": (VOICE, 3.0, 1.0),
}
"""Cut, distance of the distributions, and nats too much."""


def measure(*, windows: int, runs: int) -> tuple[dict[str, float], dict[str, Any]]:
    """The figures, and how many windows and alarms they rest on."""
    figures: dict[str, float] = {"bound_windows": math.exp(SETTINGS.threshold)}
    alarms: dict[str, int] = {}
    for name, (cut, d, shift) in GENUINE.items():
        rng = np.random.default_rng(1)
        row = segments_of(rng, windows * cut.hop, cut=cut, d=d, synthetic=False, shift=shift)
        run, alarms[name] = windows_per_false_alarm(scored(row, cut))
        figures[f"{name}_windows"] = run
        figures[f"{name}_hours"] = run * cut.hop * SEGMENT_S / 3600
    worst = worst_case(np.random.default_rng(2), windows)
    figures["worst_windows"], alarms["worst"] = windows_per_false_alarm(worst)
    row = segments_of(
        np.random.default_rng(3), windows * VOICE.hop, cut=VOICE, d=1.5, synthetic=False
    )
    for threshold in THRESHOLDS:
        at = f"at_{threshold:g}"
        run, alarms[at] = windows_per_false_alarm(scored(row, VOICE), threshold=threshold)
        figures[f"weak_voice_windows_{at}"] = run
        for name, cut in (("voice", VOICE), ("freeze", FREEZE)):
            rng = np.random.default_rng(4)
            found = delays_s(rng, runs, cut=cut, d=3.0, threshold=threshold)
            figures[f"delay_{name}_p50_s_{at}"] = float(np.quantile(found, 0.5))
            figures[f"delay_{name}_p95_s_{at}"] = float(np.quantile(found, 0.95))
    figures |= own_levels(sources=max(windows // 20_000, 2))
    return figures, {"settings": SETTINGS.model_dump(), "alarms": alarms, "windows": windows}


def own_levels(*, sources: int) -> dict[str, float]:
    """With and without a baseline, on sources where the detector is calibrated or a nat off."""
    figures: dict[str, float] = {}
    rules = {
        "without": SETTINGS,
        "with": CusumConfig(baseline=BaselineConfig()),
        "with_lower": CusumConfig(baseline=BaselineConfig(most_lower=1.0)),
    }
    for name, d in (("weak", 1.5), ("good", 3.0)):
        for off in (-1.0, 0.0, 1.0):
            for how, rule in rules.items():
                run, delay_s = own_level(rule, sources=sources, d=d, shift=off)
                at = f"{name}_{off:+g}_{how}"
                figures[f"own_level_windows_{at}"] = run
                figures[f"own_level_delay_p50_s_{at}"] = delay_s
    return figures


def main() -> None:
    args = report.parse_args("Run length to a false alarm and delay to a true one, simulated.")
    figures, details = measure(
        windows=100_000 if args.quick else 1_000_000, runs=300 if args.quick else 2_000
    )
    report.write(figures, details, args)


if __name__ == "__main__":
    main()
