"""How often callers are verified who should be, and who should not: seeded renderings, by kind.

    python -m benchmarks.challenge [--quick] [--json OUT]

`tests/lit_faces.py` draws the conditions of each from its seed: how strong the screen's light is,
noise, movement, white balance, pictures a second, the call's delay. Most renderings are of the
skin's colour alone; some are whole pictures, coded as H.264, in which the face has to be found.
They are renderings: no person, screen or camera was recorded.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from benchmarks.report import parse_args, write
from streammon.detectors.challenge.scoring import Answer, Judgement, judge
from streammon.detectors.challenge.skin import SkinReader
from tests.lit_faces import GENUINE, KINDS, Scene, pictures, scene, skins

SEEDS, QUICK_SEEDS = 40, 8
FILMED, QUICK_FILMED = 2, 1


def main() -> None:
    args = parse_args(str(__doc__))
    seeds, filmed = (QUICK_SEEDS, QUICK_FILMED) if args.quick else (SEEDS, FILMED)
    figures: dict[str, float] = {}
    details: dict[str, dict[str, int]] = {}
    for kind in KINDS:
        scenes = [scene(kind, seed) for seed in range(seeds)]
        answers = Counter(judged(each).answer for each in scenes)
        seen = Counter(filmed_and_judged(each).answer for each in scenes[:filmed])
        details[kind] = {
            **{answer.value: answers[answer] for answer in Answer},
            **{f"filmed_{answer.value}": seen[answer] for answer in Answer},
        }
        print(f"{kind:<28}", *(f"{name} {n}" for name, n in details[kind].items()), flush=True)
        word = kind.replace(",", "").replace(" ", "_")
        figures[f"follows_{word}"] = answers[Answer.FOLLOWS] / seeds
    false = [kind for kind in KINDS if kind not in GENUINE]
    accepted = sum(details[kind]["follows"] + details[kind]["filmed_follows"] for kind in false)
    figures["true_accept"] = figures["follows_lit_face"]
    figures["false_accept"] = accepted / (len(false) * (seeds + filmed))
    figures["genuine_called_forged"] = sum(
        details[kind]["does_not"] + details[kind]["filmed_does_not"] for kind in GENUINE
    ) / (len(GENUINE) * (seeds + filmed))
    write(figures, details, args)


def judged(what: Scene) -> Judgement:
    return judge(what.steps, what.ended_s, skins(what), random=Random(what.seed))


def filmed_and_judged(what: Scene) -> Judgement:
    """The same, of pictures in which the face has to be found."""
    reader = SkinReader()
    seen = [reader.read(image, at_s) for at_s, image in pictures(what)]
    return judge(what.steps, what.ended_s, seen, random=Random(what.seed))


if __name__ == "__main__":
    main()
