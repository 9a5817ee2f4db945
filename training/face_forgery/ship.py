"""From a network to a weight file: calibration and threshold by the scores of unseen forgeries."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from streammon.detectors.models.lite_cnn import LiteCnn
from training.face_forgery.fit import Floats
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
    log_odds = float(np.quantile(calibration.log_odds(original), 1 - FALSE_ALARMS))
    metadata = {
        "model": "face-forgery-1",
        "calibration_slope": f"{calibration.slope:.6f}",
        "calibration_offset": f"{calibration.offset:.6f}",
        "calibration_prior": "0.5",
        "threshold": f"{1 / (1 + np.exp(-log_odds)):.6f}",
        "training_seed": str(seed),
        "training_steps": str(steps),
    }
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, out, metadata=metadata)
    return f"{hashlib.sha256(out.read_bytes()).hexdigest()}  {out}\n{metadata}"
