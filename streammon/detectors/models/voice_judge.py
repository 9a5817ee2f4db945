"""Two who listen for synthetic speech, and what they say together.

One judges by the first layers of a speech recogniser, which were never trained for this and
therefore know no recording chain by heart; the other is a small network that learned the traces
of vocoders in fine bands, and is surer of those. Each has its own front end.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streammon.detectors.models.speech_layers import WIDTH, SpeechLayers
from streammon.detectors.models.vocoder_cnn import VocoderCnn

LAYERS = 2


class VoiceJudge(nn.Module):
    """Windows of speech (n, samples), float32 at 16 kHz -> logits (n,); above zero: synthetic.

    The sum of both; how much each counts is in its last weights. Each row is judged by itself: the
    batch it travels in changes nothing but the rounding.
    """

    def __init__(self) -> None:
        super().__init__()
        self.speech = SpeechLayers(layers=LAYERS)
        self.head = nn.Linear(WIDTH, 1)
        self.vocoders = VocoderCnn()

    def forward(self, samples: Tensor) -> Tensor:
        heard = self.speech(samples)[-1].float().mean(dim=1)
        with torch.autocast(samples.device.type, enabled=False):
            by_layers: Tensor = self.head(heard)[:, 0]
        by_bands: Tensor = self.vocoders(samples)
        return by_layers + by_bands
