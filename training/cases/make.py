"""Makes the cases for measuring `freeze` and `chat_flood`, with manifests for `streammon eval`.

    python -m training.cases.make --out cases/dev --split dev --count 4
    streammon eval cases/dev/pictures.csv --streams --detector freeze
    streammon eval cases/dev/chats.csv --streams --detector chat_flood

`--count` is how many recordings there are of each case; the same arguments give the same cases.
Pictures and sound take about a tenth of their length, on one core.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rich.progress import track

from training.cases import chats, shots, sounds
from training.cases.draw import Draw
from training.cases.recording import (
    fps_of,
    size_of,
    write_chat,
    write_recording,
    write_sound,
    x264_options,
)

COLUMNS = ("path", "label", "system", "source", "identity", "split", "from_s", "to_s")
Truth = tuple[float | None, float | None]
"""When the fault begins (`None`: there is none), and when it ends (`None`: with the recording)."""
Writer = Callable[[Path, Draw], Truth]
Case = tuple[str, str, str, Writer]
"""Family, name, how its files end, what writes one of them."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Make labelled recordings and chats.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    parser.add_argument("--count", type=int, default=4, help="recordings of each case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", choices=("pictures", "chats"), help="leave the others as they are"
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for what, cases in {"pictures": picture_cases, "chats": chat_cases}.items():
        if options.only in (None, what):
            make(options, what, list(cases()))


def make(options: argparse.Namespace, what: str, cases: list[Case]) -> None:
    """Write every recording of these cases, and their manifest last."""
    rows = []
    todo = [(case, number) for case in cases for number in range(options.count)]
    for (family, name, ending, write), number in track(todo, description=what):
        draw = Draw(options.split, options.seed, name, number)
        path = options.out / f"{name}_{number:03d}{ending}"
        from_s, to_s = write(path, draw)
        label = "real" if from_s is None else "fake"
        times = ["" if at_s is None else round(at_s, 3) for at_s in (from_s, to_s)]
        rows.append([path.name, label, name, family, path.stem, options.split, *times])
    with (options.out / f"{what}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def picture_cases() -> Iterator[Case]:
    """What `freeze` looks at: pictures with sound under them, and sound alone."""
    for table in (shots.FAULTS, shots.CLEAN):
        for family, some in table.items():
            for name, shot in some.items():
                yield family, name, ".mp4", partial(_recording, shot)
    for name, fault in sounds.FAULTS.items():
        yield "sound", name, ".m4a", partial(_faulty_sound, fault)
    for name, clean in sounds.CLEAN.items():
        yield "sound", name, ".m4a", partial(_clean_sound, clean)


def chat_cases() -> Iterator[Case]:
    """What `chat_flood` looks at."""
    for name, chat in {**chats.FLOODS, **chats.CLEAN}.items():
        yield "chat", name, ".jsonl", partial(_chat, chat)


def _recording(make_shot: shots.Make, path: Path, draw: Draw) -> Truth:
    size, fps = size_of(draw), fps_of(draw)
    options = x264_options(draw, fps)
    shot = make_shot(draw, size, fps)
    sound = sounds.any_clean(draw, shot.duration_s)
    write_recording(path, shot.pictures, sound, fps=fps, options=options)
    return shot.from_s, shot.to_s


def _faulty_sound(
    fault: Callable[[Draw, float, float, float], sounds.Sound], path: Path, draw: Draw
) -> Truth:
    from_s = draw.between((20, 40), (12, 50))
    to_s = from_s + draw.between((32, 50), (28, 60))
    write_sound(path, fault(draw, to_s + 15.0, from_s, to_s))
    return from_s, to_s


def _clean_sound(clean: Callable[[Draw, float], sounds.Sound], path: Path, draw: Draw) -> Truth:
    write_sound(path, clean(draw, draw.between((200, 300), (200, 400))))
    return None, None


def _chat(make_chat: Callable[[Draw], chats.Chat], path: Path, draw: Draw) -> Truth:
    chat = make_chat(draw)
    write_chat(path, chat.said)
    return chat.from_s, chat.to_s


if __name__ == "__main__":
    main()
