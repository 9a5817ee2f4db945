"""Weights and calibration of `lip_sync`, and how well they do on clips left out.

    python -m training.lip_sync.fit --data FOLDER [--group REGEX]

FOLDER holds clips of one talker each, in step. Shifted sound makes the others. The weights are a
regularised canonical correlation, the calibration a logistic regression at even odds beforehand;
both are deterministic. For the figures each group is judged by what was fitted without it. Prints
the constants for streammon/detectors/lip_match.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from streammon.detectors import lip_match
from streammon.detectors.lip_match import Match, match, quick
from streammon.detectors.lip_signals import STEP_S, Floats, levels, shapes
from training.lip_sync.clips import Series, series_in

SHIFTS = (-25, -20, -15, -10, -8, -6, -5, 5, 6, 8, 10, 15, 20, 25)
"""In steps of 40 ms: 0.2 to 1 s either way."""
STRETCHES_S = (6.0, 12.0, 24.0)
MOST_OF_A_CLIP = 150
"""Instants that one clip counts for: long ones must not decide alone."""
RIDGE = 1.0
ROUNDS = 1000


@dataclass(frozen=True, slots=True)
class Case:
    """One stretch of a clip at one shift."""

    clip: str
    group: str
    length_s: float
    shift: int
    near: float
    far: float
    offset_s: float


def weights(clips: Sequence[Series]) -> tuple[Floats, Floats]:
    """For mouth shapes and sound bands: what makes them follow each other most closely."""
    mouths, sounds = [], []
    for clip in clips:
        both = clip.seen & clip.heard
        fair = min(1.0, MOST_OF_A_CLIP / both.sum()) ** 0.5
        mouths.append(fair * quick(shapes(clip.mouths[clip.seen]), clip.seen)[both])
        sounds.append(fair * quick(levels(clip.powers[clip.heard]), clip.heard)[both])
    face, voice = np.vstack(mouths), np.vstack(sounds)
    whiten_face, whiten_voice = _whitener(face), _whitener(voice)
    left, _, right = np.linalg.svd(whiten_face @ face.T @ voice @ whiten_voice / len(face))
    of_mouth, of_sound = whiten_face @ left[:, 0], whiten_voice @ right[0]
    sign = np.sign(of_sound.sum())
    return sign * of_mouth / np.abs(of_mouth).sum(), sign * of_sound / np.abs(of_sound).sum()


def _whitener(rows: Floats) -> Floats:
    covariance = rows.T @ rows / len(rows)
    covariance += RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors @ np.diag(values**-0.5) @ vectors.T)


def cases(clip: Series, stretches_s: Sequence[float] = STRETCHES_S) -> Iterator[Case]:
    """Stretches of a clip, half overlapping, in step and shifted; a short clip is one stretch."""
    whole = len(clip.mouths)
    lengths = [round(s / STEP_S) for s in stretches_s if round(s / STEP_S) <= whole] or [whole]
    for length in lengths:
        for begin in range(0, whole - length + 1, max(1, length // 2)):
            cut = slice(begin, begin + length)
            for shift in (0, *SHIFTS):
                powers = np.roll(clip.powers[cut], shift, axis=0)
                heard = np.roll(clip.heard[cut], shift)
                found = match(clip.mouths[cut], clip.seen[cut], powers, heard)
                if found is not None:
                    yield _case(clip, length, shift, found)


def _case(clip: Series, length: int, shift: int, found: Match) -> Case:
    return Case(
        clip.name, clip.group, length * STEP_S, shift, found.near, found.far, found.offset_s
    )


def calibration(found: Sequence[Case]) -> tuple[float, float, float]:
    """Bias and slopes of the log-odds of being out of step; every clip counts the same."""
    features = np.array([[case.near, case.far] for case in found])
    shifted = np.array([case.shift != 0 for case in found])
    counts: dict[tuple[str, bool], int] = {}
    for case in found:
        key = (case.clip, case.shift != 0)
        counts[key] = counts.get(key, 0) + 1
    share = np.array([1.0 / counts[case.clip, case.shift != 0] for case in found])
    model = LogisticRegression(C=1.0).fit(features, shifted, sample_weight=share)
    return float(model.intercept_[0]), float(model.coef_[0, 0]), float(model.coef_[0, 1])


def left_out(clips: Sequence[Series]) -> list[tuple[Case, float]]:
    """Every case with the probability by what was fitted without its group."""
    answers = []
    for group in sorted({clip.group for clip in clips}):
        others = [clip for clip in clips if clip.group != group]
        _put(*weights(others))
        bias, near, far = calibration([case for clip in others for case in cases(clip)])
        for clip in clips:
            if clip.group == group:
                for case in cases(clip):
                    nats = bias + near * case.near + far * case.far
                    answers.append((case, float(1.0 / (1.0 + np.exp(-nats)))))
    return answers


def _put(of_mouth: Floats, of_sound: Floats) -> None:
    """What `match` weighs by from now on, in this process."""
    lip_match.MOUTH_WEIGHTS, lip_match.SOUND_WEIGHTS = of_mouth, of_sound


def report(answers: Sequence[tuple[Case, float]]) -> None:
    """Figures per length of stretch, with 95 % intervals by group."""
    print("flagged: at 0.8, in step and shifted")
    print("seconds  clips  groups  in step  shifted  AUC [95 %]               Brier   flagged")
    lengths = sorted({round(case.length_s) for case, _ in answers})
    for length in lengths:
        rows = [(case, sure) for case, sure in answers if round(case.length_s) == length]
        shifted = np.array([case.shift != 0 for case, _ in rows])
        sure = np.array([sure for _, sure in rows])
        fair = np.where(shifted, (~shifted).sum() / shifted.sum(), 1.0)
        low, high = interval([case.group for case, _ in rows], shifted, sure)
        print(
            f"{length:7d}  {len({case.clip for case, _ in rows}):5d}"
            f"  {len({case.group for case, _ in rows}):6d}  {(~shifted).sum():7d}"
            f"  {shifted.sum():7d}  {roc_auc_score(shifted, sure):.3f} [{low:.3f}, {high:.3f}]"
            f"  {brier_score_loss(shifted, sure, sample_weight=fair):10.3f}"
            f"   {(sure[~shifted] >= 0.8).mean():.1%}, {(sure[shifted] >= 0.8).mean():.1%}"
        )
    for shift in sorted({abs(case.shift) for case, _ in answers} - {0}):
        some = [(c, s) for c, s in answers if abs(c.shift) in {0, shift} and c.length_s >= 5.9]
        if some:
            area = roc_auc_score([c.shift != 0 for c, _ in some], [s for _, s in some])
            print(f"shifted by {40 * shift:4d} ms, stretches of 6 s and more: AUC {area:.3f}")


def interval(
    names: Sequence[str], truth: np.ndarray[tuple[int], np.dtype[np.bool_]], sure: Floats
) -> tuple[float, float]:
    """The 95 % interval of the AUC when groups are drawn again; of one group it is not known."""
    random = np.random.default_rng(0)
    clips = sorted(set(names))
    if len(clips) == 1:
        return float("nan"), float("nan")
    rows = {clip: np.flatnonzero(np.array(names) == clip) for clip in clips}
    drawn = []
    for _ in range(ROUNDS):
        chosen = np.concatenate([rows[clip] for clip in random.choice(clips, len(clips))])
        if 0 < truth[chosen].sum() < len(chosen):
            drawn.append(roc_auc_score(truth[chosen], sure[chosen]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--group", default="", help="what clips to hold out together share")
    parser.add_argument("--scale", type=float, default=1.0, help="make the pictures smaller")
    arguments = parser.parse_args()
    clips = list(series_in(arguments.data, group=arguments.group, scale=arguments.scale))
    print(f"{len(clips)} clips, {len({clip.group for clip in clips})} groups; left out in turn:")
    report(left_out(clips))
    of_mouth, of_sound = weights(clips)
    _put(of_mouth, of_sound)
    bias, near, far = calibration([case for clip in clips for case in cases(clip)])
    print("\nMOUTH_WEIGHTS:", np.array2string(of_mouth, precision=3, separator=", "))
    print("SOUND_WEIGHTS:", np.array2string(of_sound, precision=3, separator=", "))
    print(f"BIAS, PER_NEAR, PER_FAR = {bias:.3f}, {near:.3f}, {far:.3f}")


if __name__ == "__main__":
    main()
