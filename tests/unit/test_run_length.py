"""The simulation of run lengths, in small."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.run_length import VOICE, measure, scored, segments_of
from streammon.alerts.calibration import log_odds


def test_no_calibrated_stream_alarms_sooner_than_the_bound() -> None:
    figures, details = measure(windows=4000, runs=20)
    for name in ("weak_voice", "good_voice", "weak_freeze", "good_freeze", "worst"):
        assert figures[f"{name}_windows"] >= figures["bound_windows"]
    assert details["alarms"]["worst"] >= 5, "or nothing was measured"
    assert all(math.isfinite(figures[name]) for name in figures if name.startswith("delay"))


def test_simulated_windows_are_calibrated() -> None:
    """E[exp(z)] = 1 over genuine windows, which is what the bound rests on."""
    rng = np.random.default_rng(0)
    row = segments_of(rng, 60_000, cut=VOICE, d=1.0, synthetic=False)
    ratios = [math.exp(log_odds(window.confidence or 0.0)) for window in scored(row, VOICE)]
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)
