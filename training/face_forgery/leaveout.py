"""How well forgeries of unseen swappers on unseen people are told: the figure that chooses.

    python -m training.face_forgery.leaveout --cache DIR --backbone FILE --how frozen
    python -m training.face_forgery.leaveout --cache DIR --backbone FILE --how tuned --steps 160

Three rounds. In each, the network learns without one *kind* of swapper (both of its swappers) and
without a third of the people, and is judged on just those; together every swapper is held out once.
Each forgery is compared with its own original through the same camera and encoder, so neither a
source nor a person tells the classes apart. Intervals draw people, not pictures. The rounds'
networks and scores stay in the cache; `train` calibrates by the scores.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from streammon.detectors.models.lite_cnn import LiteCnn
from streammon.evaluation.measures import Counts, auc, hits_at
from training.face_forgery.backbone import pretrained
from training.face_forgery.finish import FINISHES, SHARP
from training.face_forgery.fit import (
    STRENGTH,
    Floats,
    Pairs,
    by_head,
    features,
    logits,
    set_head,
    tune,
)
from training.face_forgery.forgeries import METHODS, TAUGHT, family, is_sharp
from training.face_forgery.looks import LOOKS, SHARES
from training.face_forgery.make import Crops, load
from training.face_forgery.seams import SEAMS
from training.face_forgery.ship import save


@dataclass(frozen=True, slots=True)
class Round:
    """The kinds of swapper and the fold of people that a network does not see."""

    kinds: tuple[str, ...]
    fold: int


ROUNDS = (
    Round(("decoders", "modulated"), 0),
    Round(("coded",), 1),
    Round(("refined",), 2),
)
REDRAWN = 200
Which = Callable[["Scored"], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Pairs of one method, all of people that the round's network has not seen; (n,) each."""

    method: str
    turn: int
    """Which of ROUNDS."""
    seen: bool
    """Whether the kind of swapper was not left out of this round."""
    forged: Floats
    original: Floats
    identities: NDArray[np.str_]
    eyes_px: NDArray[np.float32]
    broadcast: NDArray[np.bool_]
    finishes: NDArray[np.str_]
    looks: NDArray[np.str_]

    @property
    def sharp(self) -> NDArray[np.bool_]:
        """With the detail of a real face, or sharp as it comes: which is what a live swap has."""
        return np.isin(self.finishes, SHARP) | is_sharp(self.method)


def score(model: LiteCnn, crops: Crops, turn: int, *, known: Mapping[str, Floats] | None) -> Scored:
    """The logits of the first frame of each pair of the people that a round leaves out.

    `known`: what `known_features` says, where the model's stages are those of the backbone.
    """
    left = crops.folds == ROUNDS[turn].fold

    def of(half: str) -> Floats:
        if known is None:
            return logits(model, getattr(crops, half)[left, 0])
        return by_head(model, known[f"{crops.method}/{half}"][left])

    return Scored(
        method=crops.method,
        turn=turn,
        seen=family(crops.method) not in ROUNDS[turn].kinds,
        forged=of("forged"),
        original=of("original"),
        identities=crops.identities[left],
        eyes_px=crops.eyes_px[left],
        broadcast=crops.broadcast[left],
        finishes=crops.finishes[left],
        looks=crops.looks[left],
    )


def features_in(cache: Path) -> Path:
    return cache / "features.safetensors"


def known_features(model: LiteCnn, methods: Sequence[Crops], cache: Path) -> dict[str, Floats]:
    """What `model` makes of the first frame of every pair, by method and half; kept."""
    path = features_in(cache)
    if not path.exists():
        found = {
            f"{crops.method}/{half}": features(model, getattr(crops, half)[:, 0])
            for crops in methods
            for half in ("forged", "original")
        }
        save_arrays(found, path)
    return {name: array.astype(np.float64) for name, array in load_arrays(path).items()}


def frozen(
    model: LiteCnn, methods: Sequence[Crops], leaving_fold: int | None, *, cache: Path,
    without: str | None = None,
) -> LiteCnn:  # fmt: skip
    """The model, whose stages stay as they are, with a regression on what it makes of the crops.

    `without`: a look of which it sees no pair.
    """
    known = known_features(model, methods, cache)
    fold = -1 if leaving_fold is None else leaving_fold
    kept = [(crops.folds != fold) & (crops.looks != (without or "")) for crops in methods]
    forged, original = (
        np.concatenate(
            [
                known[f"{crops.method}/{half}"][rows]
                for crops, rows in zip(methods, kept, strict=True)
            ]
        )
        for half in ("forged", "original")
    )
    set_head(model, forged, original, strength=STRENGTH)
    return model


def mean_auc(parts: Sequence[Scored], which: Which) -> tuple[float, float, float]:
    """The mean of the parts' AUCs, with the ends of its 95 % interval by people."""
    rng = np.random.default_rng(0)
    chosen = [(part, which(part)) for part in parts]
    chosen = [(part, rows) for part, rows in chosen if rows.any()]

    def drawn(weight_of: Callable[[Scored, NDArray[np.bool_]], Floats]) -> float:
        found = []
        for part, rows in chosen:
            scores, place = np.unique(
                np.concatenate([part.original[rows], part.forged[rows]]), return_inverse=True
            )
            weight, count = weight_of(part, rows), int(rows.sum())
            real, fake = (
                np.bincount(place[half], weights=weight, minlength=len(scores))
                for half in (slice(0, count), slice(count, None))
            )
            found.append(auc(Counts(scores, real.astype(np.float64), fake.astype(np.float64))))
        return float(np.mean(found))

    people = {
        turn: np.unique([name for p, r in chosen if p.turn == turn for name in p.identities[r]])
        for turn in {part.turn for part, _ in chosen}
    }

    def redraw() -> float:
        times = {
            turn: dict(zip(names, np.bincount(rng.integers(len(names), size=len(names)),
                                              minlength=len(names)), strict=True))
            for turn, names in people.items()
        }  # fmt: skip
        return drawn(
            lambda part, rows: np.array(
                [times[part.turn][name] for name in part.identities[rows]], np.float64
            )
        )

    low, high = np.percentile([redraw() for _ in range(REDRAWN)], [2.5, 97.5])
    return drawn(lambda part, rows: np.ones(int(rows.sum()))), float(low), float(high)


def report(parts: Sequence[Scored]) -> None:
    """Print the figures of all rounds."""
    unseen = [part for part in parts if not part.seen]

    def line(
        name: str, among: Sequence[Scored], which: Which = lambda part: part.eyes_px > 0
    ) -> None:
        pairs = sum(int(which(part).sum()) for part in among)
        if pairs:
            middle, low, high = mean_auc(among, which)
            print(f"{name:44s} {pairs:6d} pairs  AUC {middle:.3f} [{low:.3f}, {high:.3f}]")

    line("unseen swappers, unseen people, sharp: mean", unseen, lambda part: part.sharp)
    for keen in (False, True):
        those = [part for part in unseen if is_sharp(part.method) == keen]
        print("swappers whose answers are sharp" if keen else "small swappers")
        line("  sharp: mean", those, lambda part: part.sharp)
        for part in those:
            line(f"  {part.method}, sharp", [part], lambda part: part.sharp)
        line("  all: mean", those)
        for part in those:
            line(f"  {part.method}", [part])
        for name, low, high in (("20 to 30", 0, 30), ("30 to 45", 30, 45), ("45 to 72", 45, 99)):
            line(f"  {name} px between the eyes", those,
                 lambda part, low=low, high=high: (part.eyes_px >= low) & (part.eyes_px < high))  # type: ignore[misc]  # fmt: skip
        line("  as a call", those, lambda part: ~part.broadcast)
        line("  as a broadcast", those, lambda part: part.broadcast)
        line("  people filmed", those, lambda part: np.char.startswith(part.identities, "grid"))
        for kind in FINISHES:
            line(f"  detail: {kind}", those, lambda part, kind=kind: part.finishes == kind)  # type: ignore[misc]
    for look in SHARES:
        line(f"  both {look}", unseen, lambda part, look=look: part.looks == look)  # type: ignore[misc]
    for method in METHODS:
        taught = "seen" if method in TAUGHT else "never taught"
        those = [part for part in parts if part.seen and part.method == method]
        line(f"{taught}, unseen people: {method}", those)
    false_alarms(parts)


def false_alarms(parts: Sequence[Scored]) -> None:
    """Print the figures of all rounds together, and which originals are called forged."""
    unseen = [part for part in parts if not part.seen]
    forged = np.concatenate([part.forged for part in unseen])
    original = np.concatenate([part.original for part in unseen])
    both = Counts.of(original, forged)
    found = hits_at(both, false_alarms=0.05)
    print(f"pooled over rounds: AUC {auc(both):.3f}, found at 5 % false alarms {found:.3f}")
    higher = np.mean(forged > original)
    print(f"forgeries above their own original: {higher:.3f}")
    alarm = float(np.quantile(original, 0.95))
    for look in LOOKS:
        among = parts if look in SEAMS else unseen  # seams are of the recipes' third round
        scores = np.concatenate([part.original[part.looks == look] for part in among])
        share = float(np.mean(scores > alarm)) if len(scores) else 0.0
        print(f"originals called forged where 5 % of all are, {look}: {share:.3f} of {len(scores)}")


def keep(parts: Sequence[Scored], path: Path) -> tuple[Floats, Floats]:
    """The scores of unseen originals and forgeries, kept for calibration."""
    unseen = [part for part in parts if not part.seen]
    original = np.concatenate([part.original for part in unseen])
    forged = np.concatenate([part.forged for part in unseen])
    np.savez(path, original=original, forged=forged)
    return original, forged


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=Path("bench-out/face_forgery-cache"))
    parser.add_argument("--backbone", type=Path, required=True, help="see backbone.py")
    parser.add_argument("--how", choices=["frozen", "tuned"], default="frozen")
    parser.add_argument("--networks", type=Path, help="a cache whose networks are judged instead")
    parser.add_argument("--without", choices=LOOKS, help="a look that no network learns from")
    parser.add_argument("--steps", type=int, default=160, help="for `tuned`, in each round")
    parser.add_argument("--minutes", type=float, default=60.0, help="for each round, at most")
    parser.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    pictures = settings.how == "tuned" or not features_in(settings.cache).exists()
    methods = [load(method, settings.cache, pictures=pictures) for method in METHODS]
    without = f"-{settings.without}" if settings.without else ""
    parts: list[Scored] = []
    models: dict[Path, LiteCnn] = {}
    known = known_features(pretrained(settings.backbone).eval(), methods, settings.cache)
    for turn, left in enumerate(ROUNDS):
        shown = [
            crops
            for crops in methods
            if crops.method in TAUGHT and family(crops.method) not in left.kinds
        ]
        name = f"round-{settings.how}-{turn}{without.replace(' ', '-')}.safetensors"
        path = (settings.networks or settings.cache) / name
        model = LiteCnn().eval()
        if path.exists():
            model.load_state_dict(load_file(path))
        elif settings.networks is not None:
            raise SystemExit(f"{path}: no such network")
        else:
            backbone = pretrained(settings.backbone).eval()
            model = frozen(
                backbone, shown, left.fold, cache=settings.cache, without=settings.without
            )
            if settings.how == "tuned":
                pairs = Pairs.among(shown, leaving_fold=left.fold)
                model = tune(
                    model, pairs, steps=settings.steps, minutes=settings.minutes,
                    seed=settings.seed, label=f"round {turn + 1}/{len(ROUNDS)}",
                )  # fmt: skip
            state = {name: one.contiguous() for name, one in model.state_dict().items()}
            save_file(state, path)
        models[path] = model
        seen = known if settings.how == "frozen" else None
        parts += [score(model, crops, turn, known=seen) for crops in methods]
    if settings.networks is None and not without:
        original, forged = keep(parts, settings.cache / f"leaveout-{settings.how}.npz")
        for path, model in models.items():
            save(model, original, forged, path, seed=settings.seed, steps=settings.steps)
    report(parts)


if __name__ == "__main__":
    main()
