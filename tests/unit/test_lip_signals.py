"""Numbers for mouths and sounds that mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.detectors.faces.finder import Finder
from streammon.detectors.faces.landmarks import Mesher, square_of
from streammon.detectors.lip_signals import (
    BANDS,
    MEASURES,
    SHAPES,
    STEP_S,
    levels,
    mouth,
    shapes,
    spectrum,
    spoken,
)
from tests.drawn_face import drawn_face
from tests.fakes import RATE_HZ


def test_a_mouth_that_opens_is_measured_as_opening() -> None:
    finder, mesher = Finder(), Mesher()
    found = []
    for opened in (0.0, 0.25, 0.5, 0.75, 1.0):
        image = drawn_face(opened, size_px=75)
        face = finder.find(image)[0]
        found.append(mouth(mesher.read(image, square_of(face.box, face.points[0], face.points[1]))))
    gaps, outer, jaw = np.array(found)[:, 0], np.array(found)[:, 1], np.array(found)[:, 2]
    assert (np.diff(gaps) > 0).all()
    assert (np.diff(outer) > 0).all()
    assert jaw[-1] > jaw[0]


@given(scale=st.floats(0.2, 8.0), seed=st.integers(0, 100))
def test_shapes_do_not_depend_on_how_large_the_face_is(scale: float, seed: int) -> None:
    mouths = np.random.default_rng(seed).uniform(1, 60, (20, MEASURES))
    assert shapes(mouths).shape == (20, SHAPES)
    np.testing.assert_allclose(shapes(scale * mouths), shapes(mouths), rtol=1e-9)


@pytest.mark.parametrize("seconds", [0.064, 1.0, 3.0])
def test_there_is_one_spectrum_for_each_step(seconds: float) -> None:
    pcm = np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE_HZ)).astype(np.float32)
    assert spectrum(pcm, RATE_HZ).shape == (int(seconds / STEP_S + 1e-9), BANDS)
    assert len(spectrum(pcm[:1000], RATE_HZ)) == 0


@pytest.mark.parametrize(("hz", "band"), [(300, 1), (700, 2), (2000, 4), (6000, 6)])
def test_a_tone_is_in_its_own_band(hz: int, band: int) -> None:
    tone = np.sin(2 * np.pi * hz * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    powers = spectrum(tone, RATE_HZ).mean(axis=0)
    assert powers[1:].argmax() == band - 1
    assert (powers[0] > powers.sum() / 4) == (200 <= hz < 4000)


def test_the_loud_is_spoken_and_the_silent_is_not_however_loud_all_is() -> None:
    burst = np.random.default_rng(1).normal(0, 0.1, RATE_HZ).astype(np.float32)
    pcm = np.concatenate([burst, np.zeros(RATE_HZ, np.float32), burst])
    for gain in (1.0, 0.05):
        powers = spectrum(np.float32(gain) * pcm, RATE_HZ)
        heard = spoken(powers)
        assert heard[:24].all()
        assert not heard[26:49].any()
        assert heard[51:].all()
        assert np.isfinite(levels(powers)).all()
    assert not spoken(spectrum(np.zeros(RATE_HZ, np.float32), RATE_HZ)).any()
