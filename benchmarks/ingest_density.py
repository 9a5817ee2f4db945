"""What reading a stream costs, against the least it could cost and against OpenCV.

Every variant reads the same 720p25 H.264 and AAC recording with N threads, one a stream, in a
process of its own, as fast as it can: the work per second of media is the same as in real time,
and on a shared machine CPU time is the only honest measure. (`paced` is ours in real time too,
with the sleeping that it takes.) CPU is user and system time of the process less what it spent
before the streams began; RSS is the growth of the process's peak, per stream. A ratio compares the
least disturbed runs, and a figure is the worst of its ratios over all N.

    idle       ours: keyframes as 640x360 RGB, packet ring, sound as 16 kHz mono
    sampled    ours: two pictures a second, ring, sound
    floor_*    a bare PyAV loop doing the same decoding, scaling and resampling, nothing kept
    opencv     VideoCapture.read() of every frame, without sound
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks import report

FOLDER = Path(__file__).parents[1] / "bench-out"
WIDTH, HEIGHT, FPS, GOP = 1280, 720, 25, 50
BIT_RATE = 2_500_000
PAN = 256
SOUND_HZ = 48_000
SAMPLED_S = 0.5
IDLE_S = GOP / FPS
LINE = (
    "{variant:<14} N={streams:<3} {cpu_ms_per_stream_s:7.2f} ms/s {rss_mb_per_stream:6.1f} MB "
    "{frames_per_stream_s:6.2f} frames/s {chunks_per_stream_s:.2f} chunks/s"
)
VARIANTS = ("idle", "floor_idle", "sampled", "floor_sampled", "opencv", "paced")
CHEAP = ("idle", "floor_idle")
TURNS = (*CHEAP, *CHEAP, *VARIANTS)
"""Short runs are disturbed most, so they are taken more often."""


def make_clip(path: Path, seconds: int) -> None:
    """A texture that pans under fresh grain, as noisy as a camera, and a tone that glides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part.mp4")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0 : HEIGHT + PAN, 0 : WIDTH + PAN]
    texture = (100 + 60 * np.sin(x / 37) * np.cos(y / 23) + 20 * np.sin(x * y / 9000)).astype("u1")
    grain = rng.integers(0, 12, (HEIGHT + PAN, WIDTH + PAN), dtype=np.uint8)
    colour = np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
    with av.open(str(temporary), "w", format="mp4") as output:
        options = {"preset": "veryfast", "x264-params": f"keyint={GOP}:scenecut=0:bframes=0"}
        video = output.add_stream("libx264", rate=FPS, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.bit_rate = BIT_RATE
        sound = output.add_stream("aac", rate=SOUND_HZ)
        sound.layout = "stereo"
        written = 0
        for number in range(seconds * FPS):
            down, right = rng.integers(0, PAN, 2)
            luma = (
                grain[down : down + HEIGHT, right : right + WIDTH]
                + (texture[number % PAN :, 3 * number % PAN :][:HEIGHT, :WIDTH])
            )
            frame = av.VideoFrame.from_ndarray(np.concatenate((luma, colour)), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            output.mux(video.encode(frame))
            while written < (number + 1) * SOUND_HZ // FPS:
                output.mux(sound.encode(_glide(written)))
                written += 1024
        output.mux(video.encode(None))
        output.mux(sound.encode(None))
    temporary.rename(path)


def _glide(first: int) -> av.AudioFrame:
    moments_s = (first + np.arange(1024)) / SOUND_HZ
    tone = 0.3 * np.sin(2 * np.pi * (200 + 40 * moments_s) * moments_s)
    frame = av.AudioFrame.from_ndarray(
        np.stack([tone] * 2).astype(np.float32), format="fltp", layout="stereo"
    )
    frame.rate, frame.pts, frame.time_base = SOUND_HZ, first, Fraction(1, SOUND_HZ)
    return frame


class Wish:
    """What the scheduler would want: a `Demand`."""

    def __init__(self, interval_s: float) -> None:
        self.frame_interval_s = interval_s
        self.audio = True


def ours(clip: str, streams: int, interval_s: float, *, pace: str) -> Any:
    """All streams open at once on one event loop, as a monitor has them."""
    import asyncio

    from streammon.core.clock import MonotonicClock
    from streammon.core.ports import SourceContext
    from streammon.core.types import StreamId
    from streammon.ingest.av_url import AvUrlConfig

    sources = [AvUrlConfig(url=clip, pace=pace).build(StreamId(f"s{n}")) for n in range(streams)]
    context = SourceContext(Wish(interval_s), MonotonicClock(), lambda state, cause: None)

    async def read(source: Any, counts: list[int]) -> None:
        async with source.open(context) as items:
            async for item in items:
                counts[hasattr(item, "pcm")] += 1

    async def read_all() -> list[int]:
        counts = [0, 0]
        async with asyncio.TaskGroup() as group:
            for source in sources:
                group.create_task(read(source, counts))
        return counts

    def run() -> list[int]:
        return asyncio.run(read_all())

    run.keep = sources  # type: ignore[attr-defined]
    return run


def floor(clip: str, streams: int, interval_s: float) -> Callable[[], list[int]]:
    """The same decoding in the shortest loop: N threads, nothing kept, nothing handed over."""
    starts = range(math.ceil(GOP / FPS / interval_s))
    wanted = {math.ceil(start * interval_s * FPS) for start in starts}
    last = max(wanted)

    def read(counts: list[int]) -> None:
        with av.open(clip) as container:
            video, sound = container.streams.video[0], container.streams.audio[0]
            video.codec_context.thread_count = sound.codec_context.thread_count = 1
            resampler = av.AudioResampler(
                format="flt", layout="mono", rate=16_000, frame_size=3200,
                options={"rematrix_maxval": "1.0"},
            )  # fmt: skip
            number = 0
            for packet in container.demux(video, sound):
                if packet.stream is sound:
                    for heard in sound.codec_context.decode(packet if packet.size else None):
                        for chunk in resampler.resample(heard):
                            chunk.to_ndarray()
                            counts[1] += 1
                    continue
                in_group, number = number % GOP, number + 1
                if in_group > last or not packet.size:
                    continue
                for seen in video.codec_context.decode(packet):
                    if in_group in wanted:
                        seen.reformat(width=640, height=360, format="rgb24").to_ndarray()
                        counts[0] += 1

    return threaded(read, streams)


def opencv(clip: str, streams: int) -> Callable[[], list[int]]:
    import cv2

    cv2.setNumThreads(1)

    def read(counts: list[int]) -> None:
        capture = cv2.VideoCapture(clip, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        while capture.read()[0]:
            counts[0] += 1
        capture.release()

    return threaded(read, streams)


def threaded(read: Callable[[list[int]], None], streams: int) -> Callable[[], list[int]]:
    def run() -> list[int]:
        counts = [[0, 0] for _ in range(streams)]
        threads = [threading.Thread(target=read, args=(count,)) for count in counts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [sum(column) for column in zip(*counts, strict=True)]

    return run


def child(variant: str, clip: str, streams: int) -> None:
    """In a process of its own: read, and print what it took."""
    interval_s = SAMPLED_S if "sampled" in variant else IDLE_S
    if variant.startswith("floor"):
        run = floor(clip, streams, interval_s)
    elif variant == "opencv":
        run = opencv(clip, streams)
    else:
        run = ours(clip, streams, interval_s, pace="realtime" if variant == "paced" else "fast")
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory counts from here
    before_kb, before = memory_kb("VmRSS"), resource.getrusage(resource.RUSAGE_SELF)
    counts = run()
    after = resource.getrusage(resource.RUSAGE_SELF)
    result = {
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "rss_mb": (memory_kb("VmHWM") - before_kb) / 1024,
        "frames": counts[0],
        "chunks": counts[1],
    }
    print(json.dumps(result))


def memory_kb(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise LookupError(field)


def measure(variant: str, clip: Path, seconds: int, streams: int) -> dict[str, Any]:
    """One run of one variant, per second of media of one stream."""
    command = [sys.executable, "-m", "benchmarks.ingest_density", variant, str(clip), str(streams)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]
    )
    result = json.loads(done.stdout)
    return {
        "variant": variant,
        "streams": streams,
        "cpu_ms_per_stream_s": 1000 * result["cpu_s"] / streams / seconds,
        "rss_mb_per_stream": result["rss_mb"] / streams,
        "frames_per_stream_s": result["frames"] / streams / seconds,
        "chunks_per_stream_s": result["chunks"] / streams / seconds,
    }


def main() -> None:
    args = report.parse_args("CPU and memory per stream that is read, against its floor.")
    seconds, plan = (8, {1: 2, 8: 1}) if args.quick else (20, {1: 3, 8: 2, 32: 1})
    clip = FOLDER / f"density-{seconds}s.mp4"
    if not clip.exists():
        make_clip(clip, seconds)
    runs = []
    for streams, rounds in plan.items():
        for number in range(rounds):  # the variants take turns: all see the same disturbances
            for variant in TURNS:
                if variant == "paced" and (number or streams == 1):
                    continue
                run = measure(variant, clip, seconds, streams)
                runs.append(run)
                print(LINE.format(**run), flush=True)
    cost = {
        key: min(run["cpu_ms_per_stream_s"] for run in runs if as_key(run) == key)
        for key in map(as_key, runs)
    }
    most = max(plan)
    figures = {
        "idle_over_floor": max(cost["idle", n] / cost["floor_idle", n] for n in plan),
        "idle_over_opencv": max(cost["idle", n] / cost["opencv", n] for n in plan),
        "sampled_over_floor": max(cost["sampled", n] / cost["floor_sampled", n] for n in plan),
        "idle_most_over_one": cost["idle", most] / cost["idle", 1],
        "idle_cpu_ms_per_stream_s": cost["idle", most],
        "rss_mb_per_stream": next(
            run["rss_mb_per_stream"] for run in runs if as_key(run) == ("idle", most)
        ),
    }
    report.write(
        figures, {"runs": runs, "clip_s": seconds, "clip_bytes": clip.stat().st_size}, args
    )


def as_key(run: dict[str, Any]) -> tuple[str, int]:
    return run["variant"], run["streams"]


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in VARIANTS:
        child(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        main()
