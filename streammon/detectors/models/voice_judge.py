"""Two who listen for synthetic speech, and what they say together.

One judges by the first layers of a speech recogniser, which were never trained for this and
therefore know no recording chain by heart; the other is a small network that learned the traces
of vocoders in fine bands, and is surer of those. Each has its own front end. The second counts
only where it hears such traces: that it hears none it knows says nothing for a voice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streammon.detectors.models.speech_layers import WIDTH, SpeechLayers
from streammon.detectors.models.vocoder_cnn import VocoderCnn

LAYERS = 3
HEARD = (2, 3)
"""What is judged by: the means over the time of speech after these layers, side by side."""


class VoiceJudge(nn.Module):
    """Windows of speech (n, samples), float32 at 16 kHz -> logits (n,); above zero: synthetic.

    How much each counts, and from where on the second does, is in its last weights. Each row is
    judged by itself: the batch it travels in changes nothing but the rounding.
    """

    def __init__(self) -> None:
        super().__init__()
        self.speech = SpeechLayers(layers=LAYERS)
        self.head = nn.Linear(len(HEARD) * WIDTH, 1)
        self.vocoders = VocoderCnn()

    def forward(self, samples: Tensor) -> Tensor:
        traces: Tensor = torch.relu(self.vocoders(samples))
        return self.by_layers(samples) + traces

    def by_layers(self, samples: Tensor) -> Tensor:
        """What the first says alone; (n,)."""
        heard, share = self.speech(samples)
        with torch.autocast(samples.device.type, enabled=False):
            means = [(share[:, None] @ heard[layer].float())[:, 0] for layer in HEARD]
            logits: Tensor = self.head(torch.cat(means, dim=1))
        return logits[:, 0]
