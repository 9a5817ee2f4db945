"""State what the `voice_spoof` weights can and cannot hear.

    python -m training.voice_spoof.evaluate figures --data DIR [--weights FILE] [--json OUT]
    python -m training.voice_spoof.evaluate nuisance --data DIR [--json OUT]
    python -m training.voice_spoof.evaluate gate --data DIR [--music DIR] [--json OUT]
    python -m training.voice_spoof.evaluate unseen --data DIR --steps 1200 [--json OUT]

`figures`: the dev split, whose systems were in training. `nuisance`: how far level, pauses and
noise floor alone tell the classes apart (near 0.5: not at all). `gate`: how many windows of
speech, as they are and distorted, the run-time gate would not judge. `unseen`: networks trained
without some systems AND some corpora, judged only on those: the honest figure.
The score of a clip is the mean logit over its windows.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from streammon.detectors.models.vocoder_cnn import VocoderCnn
from streammon.detectors.voice_activity import listen
from streammon.detectors.weights import read_weights
from streammon.evaluation.bootstrap import Redrawn
from streammon.evaluation.measures import Counts, auc, equal_error_rate
from training.voice_spoof.augment import Distortion
from training.voice_spoof.calibration import Calibration, platt
from training.voice_spoof.clips import (
    CODECS,
    RATE_HZ,
    Clip,
    manifest_of,
    read_clips,
    through_codec,
    with_codec_copies,
)
from training.voice_spoof.nuisance import nuisances
from training.voice_spoof.ship import (
    FALSE_ALARMS,
    threshold_log_odds,
    window_logits,
    windows_of,
)
from training.voice_spoof.train import fit

SHIPPED = Path("streammon/detectors/models/voice_spoof.safetensors")
FOLDS = {
    # held-out sources, held-out systems: together every source and every system once
    "librispeech": (("resemble-ai",), ("copy-hifigan", "piper-vits")),
    "picovoice": (("Picovoice/",), ("copy-world", "hibari", "kokoro")),
    "prompts-and-digits": (
        ("Debian asterisk", "Jakobovski"),
        ("copy-gl", "espeak-ng", "festival-", "flite"),
    ),
}
Figures = dict[str, object]


@dataclass(frozen=True, slots=True)
class Scored:
    """Clips with the logits of their windows."""

    clips: Sequence[Clip]
    logits: Sequence[NDArray[np.float64]]

    def where(self, keep: Iterable[bool]) -> Scored:
        rows = [index for index, kept in enumerate(keep) if kept]
        return Scored([self.clips[row] for row in rows], [self.logits[row] for row in rows])

    def windows(self, *, fake: bool) -> NDArray[np.float64]:
        parts = [
            part for part, clip in zip(self.logits, self.clips, strict=True) if clip.fake == fake
        ]
        return np.concatenate(parts)

    def discrimination(self, *, seconds: int) -> Figures:
        """AUC and EER with 95 % intervals by speaker, of the first window or of the whole clip.

        No interval where one class is all of one speaker.
        """
        fake = np.array([clip.fake for clip in self.clips])
        scores = np.array([part[0] if seconds == 2 else part.mean() for part in self.logits])
        groups = [f"{clip.fake}:{clip.speaker}" for clip in self.clips]
        measures = {"auc": auc, "eer": equal_error_rate}
        intervals = Redrawn(fake, scores, groups).intervals(measures)
        figures: Figures = {"real": int((~fake).sum()), "fake": int(fake.sum())}
        counts = Counts.of(scores[~fake], scores[fake])
        for name, measure in measures.items():
            ends = intervals[name]
            numbers = [measure(counts), *((ends.low, ends.high) if ends else ())]
            figures[name] = [round(number, 3) for number in numbers]
        return figures


def load(path: Path) -> tuple[VocoderCnn, Calibration, float]:
    """Network, calibration and threshold (log-odds) of a weight file."""
    model = VocoderCnn().eval()
    weights = read_weights(path, sha256=None)
    weights.into(model)
    calibration = Calibration(
        weights.number("calibration_slope"), weights.number("calibration_offset")
    )
    threshold = weights.number("threshold")
    return model, calibration, float(np.log(threshold / (1 - threshold)))


def seen(clips: Sequence[Clip], weights: Path) -> Figures:
    """Figures on the dev split: all systems were heard in training."""
    model, calibration, threshold = load(weights)
    dev = [clip for clip in clips if clip.split == "dev"]
    scored = Scored(dev, window_logits(model, dev))
    reals = scored.where(not clip.fake for clip in dev)
    by_system: Figures = {}
    for system in sorted({clip.system for clip in dev if clip.fake}):
        fakes = scored.where(clip.system == system for clip in dev)
        both = Scored([*reals.clips, *fakes.clips], [*reals.logits, *fakes.logits])
        by_system[system] = {
            "clips": len(fakes.clips),
            "auc_4s": both.discrimination(seconds=4)["auc"],
            "windows_flagged": share(fakes, calibration, threshold, fake=True),
        }
    alarms = {
        source: share(
            reals.where(clip.source == source for clip in reals.clips),
            calibration,
            threshold,
            fake=False,
        )
        for source in sorted({clip.source for clip in reals.clips})
    }
    return {
        "one_window_2s": scored.discrimination(seconds=2),
        "clip_4s": scored.discrimination(seconds=4),
        "real_windows": len(scored.windows(fake=False)),
        "false_alarms": share(scored, calibration, threshold, fake=False),
        "false_alarms_by_source": alarms,
        "windows_flagged": share(scored, calibration, threshold, fake=True),
        "by_system": by_system,
        "by_codec": by_codec(dev, model, calibration, threshold),
    }


def by_codec(
    clips: Sequence[Clip], model: VocoderCnn, calibration: Calibration, threshold: float
) -> Figures:
    """What each codec does to false alarms and to what is flagged, at the same threshold."""
    found: Figures = {}
    for codec in CODECS:
        coded = [replace(clip, pcm=through_codec(clip.pcm, codec)) for clip in clips]
        scored = Scored(coded, window_logits(model, coded))
        encoder, _, rate_hz, bit_rate = codec
        found[f"{encoder} {rate_hz} Hz {bit_rate or ''}".strip()] = {
            "auc_4s": scored.discrimination(seconds=4)["auc"],
            "false_alarms": share(scored, calibration, threshold, fake=False),
            "windows_flagged": share(scored, calibration, threshold, fake=True),
        }
    return found


def share(scored: Scored, calibration: Calibration, threshold: float, *, fake: bool) -> float:
    """The share of windows of one class whose log-odds reach the threshold."""
    log_odds = calibration.log_odds(scored.windows(fake=fake))
    return round(float((log_odds >= threshold).mean()), 4)


def unseen(
    clips: Sequence[Clip], *, steps: int, seed: int, batch: int, cache: Path, codec_copies: int
) -> Figures:
    """Leave-systems-and-corpora-out: what a fold holds out, its network never heard."""
    figures: Figures = {}
    for fold, (sources, systems) in FOLDS.items():

        def out_source(clip: Clip, sources: tuple[str, ...] = sources) -> bool:
            return clip.source.startswith(sources)

        def out_system(clip: Clip, systems: tuple[str, ...] = systems) -> bool:
            return clip.fake and clip.system.startswith(systems)

        kept = [clip for clip in clips if not out_source(clip) and not out_system(clip)]
        test = [
            clip
            for clip in clips
            if (out_source(clip) and not clip.fake)
            or (out_system(clip) and (out_source(clip) or clip.origin is None))
        ]
        training = with_codec_copies(
            [clip for clip in kept if clip.split == "train"], count=codec_copies, cache=cache
        )
        model = fit(training, steps=steps, seed=seed, batch=batch, label=f"without {fold}")
        dev = [clip for clip in kept if clip.split == "dev"]
        known = Scored(dev, window_logits(model, dev))
        calibration = platt(known.windows(fake=False), known.windows(fake=True))
        threshold = threshold_log_odds(calibration.log_odds(known.windows(fake=False)))
        held = Scored(test, window_logits(model, test))
        reals = held.where(not clip.fake for clip in test)
        figures[fold] = {
            "held_out_sources": sources,
            "held_out_systems": systems,
            "seen_clip_4s": known.discrimination(seconds=4),
            "unseen_one_window_2s": held.discrimination(seconds=2),
            "unseen_clip_4s": held.discrimination(seconds=4),
            "unseen_false_alarms": share(held, calibration, threshold, fake=False),
            "unseen_windows_flagged": share(held, calibration, threshold, fake=True),
            "unseen_auc_4s_by_system": {
                system: Scored(
                    [*reals.clips, *(part := held.where(c.system == system for c in test)).clips],
                    [*reals.logits, *part.logits],
                ).discrimination(seconds=4)["auc"]
                for system in sorted({clip.system for clip in test if clip.fake})
            },
        }
    figures["false_alarm_target"] = FALSE_ALARMS
    return figures


def nuisance(clips: Sequence[Clip], *, seed: int) -> Figures:
    """AUC on dev of classifiers that hear nothing but the nuisances; trained on train."""
    rng = np.random.default_rng(seed)
    parts = {}
    for split in ("train", "dev"):
        chosen = [clip for clip in clips if clip.split == split]
        fakes = [clip for clip in chosen if clip.fake]
        reals = [clip for clip in chosen if not clip.fake]
        take = rng.permutation(len(reals))[: len(fakes)]
        chosen = [*fakes, *(reals[index] for index in take)]
        features = np.stack([nuisances(windows_of(clip.pcm)[0]) for clip in chosen])
        parts[split] = (features, np.array([clip.fake for clip in chosen]))
    found: Figures = {"train": len(parts["train"][1]), "dev": len(parts["dev"][1])}
    for name, classifier in (
        ("logistic", make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))),
        ("boosting", GradientBoostingClassifier(random_state=seed)),
    ):
        classifier.fit(*parts["train"])
        score = classifier.predict_proba(parts["dev"][0])[:, 1]
        fake = parts["dev"][1]
        found[f"auc_{name}"] = round(auc(Counts.of(score[~fake], score[fake])), 3)
    return found


def gate(clips: Sequence[Clip], *, seed: int, music: Path | None) -> Figures:
    """The share of first windows by the gate's answer; `judged` where it lets them through."""
    windows = np.stack([windows_of(clip.pcm)[0] for clip in clips])
    fake = np.array([clip.fake for clip in clips])
    distort = Distortion(seed=seed, device=torch.device("cpu"))
    parts = [
        distort(torch.from_numpy(part), torch.arange(len(part))).numpy()
        for part in np.array_split(windows, max(len(windows) // 48, 1))
    ]
    sets = {
        "real": windows[~fake],
        "fake": windows[fake],
        "real_distorted": np.concatenate(parts)[~fake],
        "fake_distorted": np.concatenate(parts)[fake],
    }
    for path in sorted(music.iterdir()) if music else ():
        sound, _ = librosa.load(path, sr=RATE_HZ, duration=60.0)
        sets[path.stem[:40]] = windows_of((sound * 32767).astype(np.int16))
    found: Figures = {}
    for name, part in sets.items():
        answers = [listen(window, least_speech_s=0.6).reason or "judged" for window in part]
        found[name] = {answer: round(answers.count(answer) / len(answers), 3)
                       for answer in sorted(set(answers))}  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("figures", "nuisance", "gate", "unseen"))
    parser.add_argument("--data", type=Path, required=True, help="manifest.csv or its folder")
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--music", type=Path, help="a folder of sound files without speech")
    parser.add_argument("--cache", type=Path, default=Path("bench-out/voice_spoof-cache"))
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--codec-copies", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    clips = read_clips(manifest_of(settings.data))
    if settings.what == "figures":
        found = seen(clips, settings.weights)
    elif settings.what == "nuisance":
        found = nuisance(clips, seed=settings.seed)
    elif settings.what == "gate":
        found = gate(clips, seed=settings.seed, music=settings.music)
    else:
        found = unseen(
            clips,
            steps=settings.steps,
            seed=settings.seed,
            batch=settings.batch,
            cache=settings.cache,
            codec_copies=settings.codec_copies,
        )
    text = json.dumps(found, indent=2)
    print(text)
    if settings.json:
        settings.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
