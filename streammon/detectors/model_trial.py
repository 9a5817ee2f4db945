"""A first window, to try a model with before any real one: grey, quiet, or two words."""

from __future__ import annotations

import numpy as np

from streammon.core.types import (
    AudioChunk,
    ChatMessage,
    Item,
    Modality,
    StreamId,
    VideoFrame,
    Window,
)

STREAM = StreamId("trial")
RATE_HZ = 16_000


def trial_window(modality: Modality) -> Window:
    """One second of something harmless that every model of the modality can be asked about."""
    item: Item
    if modality is Modality.VIDEO:
        grey = np.full((180, 320, 3), 128, np.uint8)
        item = VideoFrame(STREAM, 0, 0.0, 0, grey)
    elif modality is Modality.AUDIO:
        quiet = 0.01 * np.sin(np.arange(RATE_HZ, dtype=np.float32) * 0.1).astype(np.float32)
        item = AudioChunk(STREAM, 0, 0.0, 0, quiet, RATE_HZ, RATE_HZ)
    else:
        item = ChatMessage(STREAM, 0, 0.0, 0, "trial", "hello there", "trial")
    return Window(STREAM, modality, 0, 0.0, 1.0, (item,))
