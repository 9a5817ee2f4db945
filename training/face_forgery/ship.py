"""From a network to a weight file: calibration and threshold by the scores of unseen forgeries."""

from __future__ import annotations

from pathlib import Path

from streammon.detectors.models.lite_cnn import LiteCnn
from training.face_forgery.fit import Floats
from training.shipping import threshold_log_odds, write_weights
from training.voice_spoof.calibration import platt

FALSE_ALARMS = 0.05
"""Share of unseen originals that may reach the threshold."""


def save(
    model: LiteCnn, original: Floats, forged: Floats, out: Path, *, seed: int, steps: int
) -> str:
    """Write the weights with their calibration beside them; returns the file's SHA-256.

    `original`, `forged`: leave-out logits, (n,) each. Even prior odds.
    """
    calibration = platt(original, forged)
    log_odds = threshold_log_odds(calibration.log_odds(original), false_alarms=FALSE_ALARMS)
    return write_weights(
        model.state_dict(),
        out,
        model="face-forgery-4",
        calibration=calibration,
        log_odds=log_odds,
        training={"seed": seed, "steps": steps},
    )
