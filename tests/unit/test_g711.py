"""G.711, against FFmpeg's."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext

from streammon.ingest.calls.g711 import decoded


@pytest.mark.parametrize("coding", ["mulaw", "alaw"])
def test_every_code_means_what_ffmpeg_says(coding: str) -> None:
    decoder = av.CodecContext.create(f"pcm_{coding}", "r")
    assert isinstance(decoder, AudioCodecContext)
    decoder.sample_rate, decoder.layout = 8_000, "mono"
    codes = bytes(range(256))
    (frame,) = decoder.decode(av.Packet(codes))
    assert np.array_equal(decoded(codes, coding), frame.to_ndarray()[0])


def test_nothing_is_nothing() -> None:
    assert len(decoded(b"", "mulaw")) == 0
