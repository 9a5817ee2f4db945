"""What a microphone makes of the pieces that a driver gives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from pydantic import ValidationError

from streammon.core.types import HealthState
from streammon.ingest.microphone import TOLD_FOR_S, Account, MicrophoneConfig
from streammon.ingest.sound_card import Capture, InputDevice
from streammon.ingest.sound_ring import Piece, SoundRing
from tests.fakes import Reports

RATE_HZ = 16_000
COUNT = 320


def an_account(reports: Reports, *, channels: int = 1) -> Account:
    device = InputDevice(0, "desk", channels, RATE_HZ)
    return Account(Capture(device, RATE_HZ, SoundRing(most_samples=RATE_HZ)), channels, reports)


def pieces(numbers: Sequence[int], *, channels: int = 1) -> list[Piece]:
    """The pieces of these numbers of an endless ramp, each arriving when it is complete."""
    made = []
    for number in numbers:
        first = number * COUNT
        samples = np.repeat((first + np.arange(COUNT)) % 30_000, channels).astype("<i2")
        arrived_ns = round((first + COUNT) / RATE_HZ * 1e9)
        made.append(Piece(first, COUNT, samples.tobytes(), arrived_ns, COUNT / RATE_HZ))
    return made


@pytest.mark.parametrize("channels", [1, 2])
def test_pieces_become_chunks_on_the_time_of_their_samples(channels: int) -> None:
    reports = Reports()
    account = an_account(reports, channels=channels)
    chunks = [
        chunk
        for piece in pieces(range(100), channels=channels)
        for chunk in account.take(piece, wanted=True)
    ]
    assert [round(media_s, 6) for media_s, _ in chunks] == [n / 5 for n in range(len(chunks))]
    assert len(chunks) >= 9
    pcm = np.concatenate([pcm for _, pcm in chunks])
    expected = (np.arange(len(pcm)) % 30_000) / np.float32(32_768)
    assert np.allclose(pcm, expected, atol=1e-6)
    assert list(reports) == []


def test_sound_that_gave_way_in_the_ring_is_a_gap_in_time_and_told_once() -> None:
    reports = Reports()
    account = an_account(reports)
    took = [*range(50), *range(75, 100), *range(110, 150)]
    chunks = [chunk for piece in pieces(took) for chunk in account.take(piece, wanted=True)]
    for media_s, pcm in chunks:
        begins = round(media_s * RATE_HZ)
        expected = (begins + np.arange(len(pcm))) % 30_000 / np.float32(32_768)
        assert np.allclose(pcm, expected, atol=1e-6)
    assert reports == [(HealthState.DEGRADED, "0.50 s of sound lost: streammon was too slow")]


def test_a_stream_that_lost_sound_is_up_again_after_a_while() -> None:
    reports = Reports()
    account = an_account(reports)
    whole = round(TOLD_FOR_S * RATE_HZ / COUNT)
    for piece in pieces([*range(10), *range(20, 22 + whole)]):
        account.take(piece, wanted=True)
    assert [state for state, _ in reports] == [HealthState.DEGRADED, HealthState.UP]


def test_sound_that_never_came_moves_the_time_of_what_follows() -> None:
    """The driver lost a second and says nothing: its numbers go on as if nothing had happened."""
    reports = Reports()
    account = an_account(reports)
    chunks = []
    for piece in pieces(range(500)):
        late_ns = 10**9 if piece.first >= 5 * RATE_HZ else 0
        late = Piece(piece.first, COUNT, piece.data, piece.arrived_ns + late_ns, piece.waiting_s)
        chunks += account.take(late, wanted=True)
    assert reports[0] == (HealthState.DEGRADED, "1.00 s of sound lost before it came here")
    end_s = chunks[-1][0] + len(chunks[-1][1]) / RATE_HZ
    assert end_s == pytest.approx(11.0, abs=0.25)


def test_sound_that_nobody_wants_is_not_made_and_takes_its_time() -> None:
    account = an_account(Reports())
    wanted = [piece.first >= 2 * RATE_HZ for piece in pieces(range(150))]
    made = [account.take(p, wanted=w) for p, w in zip(pieces(range(150)), wanted, strict=True)]
    chunks = [chunk for each in made for chunk in each]
    assert chunks[0][0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    "settings",
    [{"rate_hz": 4_000}, {"channels": 3}, {"stall_s": 0}, {"ring_s": 0.1}, {"devise": "x"}],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MicrophoneConfig.model_validate(settings)
