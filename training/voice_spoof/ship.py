"""From a head and a network to a weight file: calibrated on what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from streammon.detectors.models.speech_layers import SpeechLayers
from streammon.detectors.models.vocoder_cnn import VocoderCnn
from streammon.detectors.models.voice_judge import VoiceJudge
from streammon.detectors.scale import Scale
from streammon.evaluation.measures import Floats
from training.shipping import threshold_log_odds, write_weights
from training.voice_spoof.calibration import platt
from training.voice_spoof.clips import Clip
from training.voice_spoof.head import Head
from training.voice_spoof.leftout import FUSIONS
from training.voice_spoof.whisper import stored_form
from training.voice_spoof.windows import window_logits

FALSE_ALARMS = 0.01
SHARES = FUSIONS["shipped"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What `compare` found on systems and corpora left out of training."""

    law: Scale
    """Of the sum of log-odds that were calibrated on systems that were heard."""
    real: Floats
    """Log-odds by that law of the real windows left out."""


def judge(layers: SpeechLayers, head: Head, bands: VocoderCnn, dev: Sequence[Clip]) -> VoiceJudge:
    """Both listeners, each calibrated on the dev split, in their shares.

    What a logit is multiplied by is folded into the weights that make it.
    """
    model = VoiceJudge()
    model.speech.load_state_dict(layers.state_dict())
    model.vocoders.load_state_dict(bands.state_dict())
    last = model.vocoders.head[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        model.head.weight[0] = torch.from_numpy(head.weight)
        model.head.bias.fill_(head.bias)
        for one, linear, share in (
            (Alone(model), model.head, SHARES["whisper"]),
            (model.vocoders, last, SHARES["cnn"]),
        ):
            law = platt(*by_class(one.eval(), dev))
            linear.weight.mul_(share.times * law.slope)
            linear.bias.mul_(share.times * law.slope)
            linear.bias.add_(share.times * (law.offset - (share.above or 0.0)))
    return model.eval()


class Alone(nn.Module):
    """What the head on the layers says without the other."""

    def __init__(self, model: VoiceJudge) -> None:
        super().__init__()
        self.model = model

    def forward(self, samples: Tensor) -> Tensor:
        return self.model.by_layers(samples)


def by_class(model: nn.Module, clips: Sequence[Clip]) -> tuple[Floats, Floats]:
    """The logits of all windows of real clips, and of fake ones."""
    logits = window_logits(model, clips)
    real, fake = (
        np.concatenate(
            [part for part, clip in zip(logits, clips, strict=True) if clip.fake == kind]
        )
        for kind in (False, True)
    )
    return real, fake


def save(
    model: VoiceJudge, dev: Sequence[Clip], out: Path, *, draws: int, left_out: LeftOut
) -> str:
    """Write the weights with their calibration beside them; returns the file's SHA-256.

    Even prior odds. The threshold is the confidence that at most 1 % of the real windows of the
    dev split reach, and at most 1 % of those left out.
    """
    real, _ = by_class(model, dev)
    log_odds = max(
        threshold_log_odds(one, false_alarms=FALSE_ALARMS)
        for one in (left_out.law.log_odds(real), left_out.real)
    )
    return write_weights(
        stored_form(model.state_dict()),
        out,
        model="voice-spoof-6",
        calibration=left_out.law,
        log_odds=log_odds,
        training={"draws": draws},
    )
