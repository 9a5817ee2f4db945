"""The training scripts of `face_forgery` on a few drawn faces: they run, repeat, and measure."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from streammon.core.errors import Permanent
from streammon.detectors.face_forgery import FaceForgeryConfig, logits_of
from streammon.detectors.face_forgery_looks import CUT
from streammon.detectors.faces.landmarks import LEFT_EYE_OUTER, NOSE_TIP, RIGHT_EYE_OUTER, square_of
from streammon.detectors.faces.tracker import open_eyes
from streammon.detectors.models.lite_cnn import FEATURES, LiteCnn
from tests.drawn_face import drawn_face
from training.face_forgery.backbone import pretrained
from training.face_forgery.clips import portrait, write
from training.face_forgery.faces import FOLDS, KEPT, SIDE_PX, Faces, aligned, faces_of
from training.face_forgery.film import KEPT_FRAMES, filmed, shot
from training.face_forgery.finish import FINISHES, SHARP, bands, finished
from training.face_forgery.fit import Pairs, logits, set_head, tune
from training.face_forgery.forgeries import family, paste
from training.face_forgery.leaveout import ROUNDS, Scored, frozen, mean_auc
from training.face_forgery.looks import PLAIN, SHARES, Look, looked
from training.face_forgery.make import Crops, load, make, save
from training.face_forgery.masks import live_mask
from training.face_forgery.meshes import mesh_warp, partners
from training.face_forgery.recipes import RECIPES, SHARP_KINDS, Recipe, groups_of, new
from training.face_forgery.seams import SEAMS
from training.face_forgery.sharp_swappers import Restored
from training.face_forgery.ship import save as ship
from training.face_forgery.swappers import GROUPS
from training.face_forgery.train_sharp import aims_of, fit_sharp
from training.face_forgery.train_swappers import fit

PEOPLE = 2 * FOLDS


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The batches here are small, and other tests share the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    """Drawn people of several sizes and colours, read as the stills of a manifest."""
    folder, eyes = tmp_path_factory.mktemp("faces"), open_eyes()
    rows = [["file", "label", "identity", "source"], ["none.webp", "1", "fake", "drawn"]]
    for person in range(PEOPLE):
        image = drawn_face(person / PEOPLE, size_px=150, at=(160, 150), shape=(320, 320))
        image = np.asarray(np.clip(image * (0.7 + 0.06 * person), 0, 255), np.uint8)
        (face, *_) = eyes.find(image)
        mesh = eyes.read(image, square_of(face.box, face.points[0], face.points[1]))
        cv2.imwrite(str(folder / f"{person}.png"), image[..., ::-1])
        np.save(folder / f"{person}.npy", mesh[:, :2])
        rows.append([f"{person}.png", "0", f"person-{person}", "drawn"])
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    first = faces_of(folder / "manifest.csv", folder / "cache")
    again = faces_of(folder / "manifest.csv", folder / "cache")
    assert np.array_equal(first.images, again.images)
    return first


@pytest.fixture(scope="module")
def crops(faces: Faces) -> Crops:
    return make("self-blended", faces, rounds=1, seed=3, swappers={})


def test_faces_are_aligned_and_split_by_person(faces: Faces) -> None:
    assert faces.images.shape == (PEOPLE, SIDE_PX, SIDE_PX, 3)
    apart = np.linalg.norm(
        faces.meshes[:, LEFT_EYE_OUTER] - faces.meshes[:, RIGHT_EYE_OUTER], axis=1
    )
    assert apart == pytest.approx(KEPT.eyes_share * SIDE_PX, rel=0.15)
    assert np.bincount(faces.folds).tolist() == [PEOPLE // FOLDS] * FOLDS
    twice = faces.take(np.array([0, 1, 2, 3, 4, 5, 5, 0]))
    assert twice.folds[-1] == twice.folds[0]


def test_a_source_is_another_person_of_the_same_fold(faces: Faces) -> None:
    found = partners(faces, np.random.default_rng(0))
    assert (faces.folds[found] == faces.folds).all()
    assert (faces.identities[found] != faces.identities).all()


def test_a_mesh_warp_brings_points_where_they_should_be(faces: Faces) -> None:
    image, mesh = faces.images[0], faces.meshes[0].astype(np.float64)
    same = mesh_warp(image, mesh, mesh)
    assert np.abs(same.astype(int) - image).mean() < 1.0
    dotted = np.zeros_like(image)
    x, y = mesh[LEFT_EYE_OUTER].round().astype(int)
    cv2.circle(dotted, (x, y), 4, (255, 255, 255), -1)
    there = mesh_warp(dotted, mesh, mesh + np.array([6.0, 3.0]))
    found = np.argwhere(there[..., 0] > 128).mean(axis=0)[::-1]
    assert found == pytest.approx([x + 6.0, y + 3.0], abs=2.0)


def test_pasting_changes_the_face_and_not_what_is_around_it(faces: Faces) -> None:
    target, mesh = faces.images[0], faces.meshes[0].astype(np.float64)
    face = np.full_like(target, 200)
    for seed in range(6):
        made = paste(target, face, mesh, np.random.default_rng(seed))
        assert np.abs(made.astype(int) - target)[100:140, 90:134].mean() > 3
        assert np.abs(made.astype(int) - target)[:10, :10].max() <= 2


@pytest.mark.parametrize("finish", SHARP)
def test_a_soft_face_is_brought_to_the_detail_of_what_it_covers(finish: str) -> None:
    rng = np.random.default_rng(5)
    target, source = rng.normal(128, 30, (2, SIDE_PX, SIDE_PX, 3)).astype(np.float32)
    soft = np.asarray(cv2.GaussianBlur(source, (0, 0), 1.5), np.float32)
    inside = np.ones((SIDE_PX, SIDE_PX), bool)
    made = finished(soft, target, inside, finish=finish, texture=source, rng=rng)

    def fine(picture: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
        return float(bands(picture)[0][0].mean(axis=2).std())

    assert fine(soft) < 0.2 * fine(target)
    assert fine(made) == pytest.approx(fine(target), rel=0.5)


@pytest.mark.parametrize("kind", SHARES)
def test_a_look_is_the_same_for_a_forgery_and_its_original(kind: str, faces: Faces) -> None:
    image, mesh = faces.images[0], faces.meshes[0].astype(np.float64)
    look = Look(kind, 7, faces.images[1])
    made = looked(image, mesh, look)
    assert made.shape == image.shape
    assert np.array_equal(made, looked(image, mesh, look))
    moved = np.abs(made.astype(int) - image)
    assert (moved.max() == 0) == (kind == PLAIN)
    if "background" in kind:
        assert moved[100:120, 100:124].mean() < 0.5 < moved[:, :12].mean()


def test_every_finish_leaves_a_picture(faces: Faces) -> None:
    target, other = faces.images[:2]
    mesh = faces.meshes[0].astype(np.float64)
    for finish in FINISHES:
        rng = np.random.default_rng(1)
        made = paste(target, other, mesh, rng, finish=finish, texture=other, boxed=True)
        assert made.dtype == np.uint8
        assert 0.5 < np.abs(made.astype(int) - target)[80:160, 80:140].mean() < 120


def test_both_classes_are_filmed_alike_and_the_same_shot_twice_is_the_same(faces: Faces) -> None:
    how = shot(np.random.default_rng(1))
    once, again = (filmed(faces.images[0], how) for _ in range(2))
    assert len(once) == len(KEPT_FRAMES)
    assert once[0].shape == (CUT.side_px, CUT.side_px, 3)
    assert all(np.array_equal(one, other) for one, other in zip(once, again, strict=True))
    coarse = replace(how, quantiser=45, grain=0.0, twice=False, eyes_px=60.0)
    fine = replace(coarse, quantiser=12)
    rough, smooth = (filmed(faces.images[0], one)[0].astype(int) for one in (coarse, fine))
    assert 0.5 < np.abs(rough - smooth).mean() < 30


@pytest.mark.parametrize("name", RECIPES)
def test_every_swapper_learns_and_answers_with_pictures(name: str, faces: Faces) -> None:
    recipe = replace(RECIPES[name], width=4)
    torch.manual_seed(0)
    backbone = LiteCnn().eval()
    sharp = recipe.kind in SHARP_KINDS
    teach, steps = (fit_sharp, 1) if sharp else (fit, 2)
    model = teach(name, recipe, faces, backbone, steps=steps, minutes=1.0, keep=lambda _: None)
    if recipe.of:
        base = RECIPES[recipe.of]
        model = Restored(new(replace(base, width=4)), base.side, model)
    target, source = torch.rand(2, 1, 3, recipe.side, recipe.side)
    with torch.inference_mode():
        made = model(target, source, torch.tensor([1]))
    assert made.shape == target.shape
    assert 0 <= made.min() <= made.max() <= 1


def test_a_swapper_is_the_same_for_the_same_seed(faces: Faces) -> None:
    recipe = Recipe("coded", 64, 4, "structure", seed=5)
    states = [
        fit("x", recipe, faces, LiteCnn(), steps=3, minutes=1.0, keep=lambda _: None).state_dict()
        for _ in range(2)
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_sharp_swapper_is_the_same_for_the_same_seed_and_learns(faces: Faces) -> None:
    recipe, backbone = Recipe("modulated", 64, 4, "critic", seed=5), LiteCnn().eval()
    states = [
        fit_sharp("x", recipe, faces, backbone, steps=2, minutes=1.0, keep=lambda _: None)
        for _ in range(2)
    ]
    first, again = (one.state_dict() for one in states)
    assert all(torch.equal(first[name], again[name]) for name in first)
    torch.manual_seed(recipe.seed)
    untaught = new(recipe).state_dict()
    assert not any(torch.equal(first[name], untaught[name]) for name in first)


def test_what_a_sharp_swapper_should_answer_changes_the_face_and_keeps_the_rest(
    faces: Faces,
) -> None:
    aims = aims_of(faces, 112, seed=0)
    moved = (aims.meant - aims.pictures).abs().mean(dim=1)
    assert moved[:, :6].max() < 0.01
    assert moved[:, 40:80, 45:67].mean() > 0.003


def test_a_restored_swapper_is_left_out_with_the_one_it_restores() -> None:
    for method, recipe in RECIPES.items():
        assert family(method) == RECIPES[recipe.of or method].kind
        assert sum(family(method) in one.kinds for one in ROUNDS) == 1


@pytest.mark.parametrize("kind", SEAMS)
def test_a_seam_leaves_the_face_and_changes_what_is_around_it(kind: str, faces: Faces) -> None:
    image, mesh = faces.images[0], faces.meshes[0].astype(np.float64)
    changed = 0
    for seed in range(6):
        look = Look(kind, seed, faces.images[1])
        made = looked(image, mesh, look)
        assert np.array_equal(made, looked(image, mesh, look))
        apart = np.abs(made.astype(int) - image)
        assert apart[100:130, 100:124].max() <= 1, "the nose"
        changed += apart.mean() > 1
    assert changed >= 4


def test_a_live_mask_is_soft_and_lies_within_the_face(faces: Faces) -> None:
    mesh = faces.meshes[0].astype(np.float64)
    for seed in range(12):
        mask = live_mask(mesh, np.random.default_rng(seed))
        assert mask.shape == (SIDE_PX, SIDE_PX, 1)
        assert 0 <= mask.min() <= mask.max() <= 1 + 1e-6
        x, y = mesh[NOSE_TIP].round().astype(int)
        assert mask[y, x] > 0.3
        assert mask[0].max() < 0.2


def test_people_filmed_have_a_decoder_each(faces: Faces) -> None:
    filmed_people = faces.take(np.array([0, 0, 1, 1, 2, 3, 4, 5]))
    groups = groups_of(filmed_people)
    assert groups[0] == groups[1] != groups[2] == groups[3]
    assert not {groups[0], groups[2]} & set(groups[4:])
    assert groups.max() < GROUPS


def test_crops_are_pairs_and_come_again_the_same(
    faces: Faces, crops: Crops, tmp_path: Path
) -> None:
    again = make("self-blended", faces, rounds=1, seed=3, swappers={})
    assert np.array_equal(crops.forged, again.forged)
    assert crops.forged.shape == crops.original.shape
    assert (crops.folds == faces.folds).all()
    apart = np.abs(crops.forged.astype(int) - crops.original).mean()
    assert 0.3 < apart < 40
    save(crops, tmp_path)
    assert np.array_equal(load("self-blended", tmp_path).original, crops.original)
    light = load("self-blended", tmp_path, pictures=False)
    assert light.original.size == 0
    assert np.array_equal(light.looks, crops.looks)


def test_a_regression_on_features_tells_what_can_be_told() -> None:
    rng = np.random.default_rng(0)
    model = LiteCnn().eval()
    original = rng.normal(size=(60, FEATURES))
    forged = rng.normal(size=(60, FEATURES)) + np.r_[np.ones(5) * 2, np.zeros(FEATURES - 5)]
    set_head(model, forged, original, strength=0.01)
    weight = model.head.weight[0].detach().double().numpy()
    assert (forged @ weight).mean() > (original @ weight).mean() + 1
    assert np.abs(weight[:5]).min() > np.abs(weight[5:]).mean()


def test_tuning_repeats_and_leaves_the_people_of_a_fold_out(crops: Crops) -> None:
    pairs = Pairs.among([crops], leaving_fold=1)
    assert 1 not in {int(crops.folds[row]) for _, row in pairs.rows}
    assert len(Pairs.among([crops]).rows) == PEOPLE

    def trained() -> LiteCnn:
        torch.manual_seed(1)
        return tune(LiteCnn(), pairs, steps=2, seed=4)

    one, other = trained(), trained()
    assert np.array_equal(logits(one, crops.forged), logits(other, crops.forged))
    assert logits(one, crops.forged).shape == crops.forged.shape[:2]


def scored(forged: float, *, people: int = 40) -> Scored:
    rng = np.random.default_rng(0)
    return Scored(
        method="mesh",
        turn=0,
        seen=False,
        forged=rng.normal(forged, 1, people),
        original=rng.normal(0, 1, people),
        identities=np.array([f"p{at}" for at in range(people)]),
        eyes_px=np.full(people, 30.0, np.float32),
        broadcast=np.arange(people) % 2 == 0,
        finishes=np.array(["loose", "gain"] * (people // 2)),
        looks=np.array([PLAIN] * people),
    )


def test_the_figure_that_chooses_is_a_mean_with_an_interval_by_people() -> None:
    def every(part: Scored) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return part.eyes_px > 0

    assert mean_auc([scored(20.0)], every) == (1.0, 1.0, 1.0)
    middle, low, high = mean_auc([scored(0.0), scored(20.0)], every)
    assert 0.55 < low < middle < high < 0.95
    few = mean_auc([scored(1.0, people=12)], every)
    many = mean_auc([scored(1.0, people=300)], every)
    assert few[2] - few[1] > 2 * (many[2] - many[1])


def test_training_again_with_the_same_seed_gives_the_same_weights_and_figures(
    faces: Faces, tmp_path: Path
) -> None:
    """From pictures to the file that ships, twice, on a few drawn people."""
    torch.manual_seed(0)
    backbone = LiteCnn().eval().state_dict()

    def rebuilt(folder: Path) -> tuple[str, list[float]]:
        methods = [make(one, faces, rounds=1, seed=0, swappers={}) for one in ("mesh", "warped")]
        model = LiteCnn().eval()
        model.load_state_dict(backbone)
        model = frozen(model, methods, 0, cache=folder)
        left = methods[0].folds == 0
        scores = [logits(model, half[left, 0]) for half in (methods[0].original, methods[0].forged)]
        said = ship(model, scores[0], scores[1], folder / "w.safetensors", seed=0, steps=0)
        return said.split()[0], np.concatenate(scores).tolist()

    folders = [tmp_path / name for name in ("once", "again")]
    for folder in folders:
        folder.mkdir()
    once, again = (rebuilt(folder) for folder in folders)
    assert once == again
    assert len(set(once[1])) == len(once[1]) > 2


def test_what_is_shipped_can_be_loaded_by_the_detector(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    original, forged = rng.normal(0, 1, 200), rng.normal(1, 1, 200)
    torch.manual_seed(2)
    model = LiteCnn().eval()
    ship(model, original, forged, tmp_path / "w.safetensors", seed=0, steps=1)
    detector = FaceForgeryConfig(weights=tmp_path / "w.safetensors").build("faces")
    detector.load("cpu")
    held = detector._loaded
    assert held is not None
    reached = np.mean([held.confidence(one) >= held.threshold for one in original])
    assert reached == pytest.approx(0.05, abs=0.01)
    shown = np.full((CUT.side_px, CUT.side_px, 3), 90, np.uint8)
    assert logits_of(held, [shown]) == pytest.approx(logits(model, shown[None]), abs=1e-3)


@pytest.mark.parametrize("blurred", [False, True])
def test_a_portrait_is_filmed_with_its_mesh_where_the_face_is(
    faces: Faces, blurred: bool, tmp_path: Path
) -> None:
    taken = portrait(faces, 0, np.random.default_rng(0), blurred=blurred)
    for at in (0, -1):
        cut, mesh = aligned(taken.frames[at], taken.meshes[at])
        assert np.abs(mesh - faces.meshes[0]).max() < 8
        assert np.abs(cut[60:200, 60:160].astype(int) - faces.images[0][60:200, 60:160]).mean() < 12
    write(taken.frames[:5], tmp_path / "film.mp4", "call")
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert [(one.width, one.height) for one in film.decode(video=0)] == [(640, 360)] * 5


def test_another_file_than_the_named_backbone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save(LiteCnn().state_dict(), path)
    with pytest.raises(Permanent, match="SHA-256"):
        pretrained(path)
