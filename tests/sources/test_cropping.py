"""Faces that are not cut out yet: what a training sees of them is what a network in use will see."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ferkit.data.input_card import InputCard
from ferkit.data.picture_files import read_picture
from ferkit.data.targets import TargetSettings
from ferkit.detection.loading import load_detector
from ferkit.errors import DataError
from ferkit.inference.predictor import find_faces
from ferkit.sources import FolderSettings, HuggingFaceSettings, TableSettings, cropping, fingerprint, read
from ferkit.sources.cropping import NO_FACE
from ferkit.sources.describing.description import describe

FACES = Path(__file__).parents[2] / "docs" / "images" / "faces.png"
TINT = np.array([1, 0.8, 0.6])


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Where faces that were cut are kept."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FERKIT_CACHE", str(folder / "weights"))
        yield folder / "faces"


@pytest.fixture(scope="module")
def detector():
    return load_detector("blazeface")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory, detector):
    """Six drawn faces with what is around them, in colour; a picture of nothing; one that is broken."""
    root, whole = tmp_path_factory.mktemp("scenes"), read_picture(FACES)
    for name in ("calm", "tense"):
        (root / name).mkdir()
    places = [face.box for face in detector.detect(whole)]
    parts = [whole[max(0, y - h // 2) : y + h * 3 // 2, max(0, x - w // 2) : x + w * 3 // 2] for x, y, w, h in places]
    alone = [part for part in parts if len(find_faces(part, detector).faces) == 1]
    for number, part in enumerate(alone[:6]):
        Image.fromarray((part * TINT).astype(np.uint8)).save(root / ("calm", "tense")[number % 2] / f"{number}.png")
    Image.fromarray(np.full((90, 120, 3), 77, np.uint8)).save(root / "calm" / "empty.png")
    (root / "tense" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return root


def settings(root: Path, **more) -> FolderSettings:
    return FolderSettings(path=root, crop=True, split="given", **more)


def files_of(root: Path) -> list[Path]:
    """The pictures that have a face, in the order of the source."""
    return [file for file in sorted(root.rglob("*.png")) if file.stem.isdecimal()]


def test_each_face_is_cut_as_predict_cuts_it(scenes, detector):
    faces, left_out = read(settings(scenes))
    expected = [find_faces(read_picture(file), detector, most=1).images[0] for file in files_of(scenes)]
    assert len(expected) == 6
    np.testing.assert_array_equal(faces.images, np.stack(expected))
    assert faces.label.tolist() == [0, 0, 0, 1, 1, 1]
    names = [Path(file).name for file in left_out["file"]]
    assert dict(zip(names, left_out["reason"] == NO_FACE, strict=True)) == {"empty.png": True, "broken.png": False}
    streamed, again = read(settings(scenes, stream=True, side=64, colour="rgb"))
    taken = InputCard(size=64, colour=True)
    expected = [find_faces(read_picture(file), detector, taken, most=1).images[0] for file in files_of(scenes)]
    np.testing.assert_array_equal(np.asarray(streamed.images), np.stack(expected))
    pd.testing.assert_frame_equal(again, left_out)
    # A network of another size sees them smaller, and is not given other pictures.
    assert np.asarray(InputCard().read(streamed.images)).shape == (6, 48, 48)


def test_faces_are_looked_for_once(scenes, cache, monkeypatch):
    before, _ = read(settings(scenes))
    assert list(cache.glob("*.pictures"))
    monkeypatch.setattr(cropping, "load_detector", None)
    after, left_out = read(settings(scenes))
    np.testing.assert_array_equal(before.images, after.images)
    assert len(left_out) == 2
    assert fingerprint(settings(scenes)) != fingerprint(FolderSettings(path=scenes, split="given"))
    with pytest.raises(TypeError):
        read(settings(scenes, stream=True, side=32))


def test_where_a_box_says_which_face_is_meant_that_one_is_cut(scenes, tmp_path, detector):
    """The picture shows two, one larger than the other."""
    left, right = (read_picture(file) for file in files_of(scenes)[:2])
    both = np.zeros((max(len(left), 2 * len(right)), left.shape[1] + 2 * right.shape[1], 3), np.uint8)
    both[: len(left), : left.shape[1]] = left
    both[: 2 * len(right), left.shape[1] :] = right.repeat(2, axis=0).repeat(2, axis=1)
    Image.fromarray(both).save(tmp_path / "both.png")
    found = find_faces(both, detector)
    assert len(found.faces) == 2
    boxes = [found.faces[at].box for at in (1, 0)]
    lines = ["file,label,x,y,w,h", *(f"both.png,{at},{','.join(map(str, box))}" for at, box in enumerate(boxes))]
    (tmp_path / "faces.csv").write_text("\n".join([*lines, "both.png,0,0,0,2,2"]))
    faces, left_out = read(TableSettings(path=tmp_path / "faces.csv", crop=True, split="given"))
    np.testing.assert_array_equal(faces.images, found.images[[1, 0]])
    assert left_out["row"].tolist() == [2]


def test_pictures_in_parquet_are_cut_too(scenes, tmp_path, detector):
    pictures = [{"bytes": file.read_bytes(), "path": file.name} for file in sorted(scenes.rglob("*.png"))]
    pq.write_table(pa.table({"image": pictures, "label": ["calm", "tense"] * 4}), tmp_path / "train.parquet")
    faces, left_out = read(HuggingFaceSettings(path=tmp_path / "train.parquet", crop=True, split="given"))
    expected = [find_faces(read_picture(file), detector, most=1).images[0] for file in files_of(scenes)]
    np.testing.assert_array_equal(faces.images, np.stack(expected))
    assert sorted(left_out["reason"] == NO_FACE) == [False, True]


def test_describe_says_what_was_cut_and_what_had_no_face(scenes):
    description, _ = describe(settings(scenes), [TargetSettings(name="mood")])
    assert description.cropped
    assert description.pictures == 6
    assert any(
        "1 pictures without a face are left out, such as" in line and "empty.png" in line
        for line in description.problems
    )
    json.dumps(description.to_dict())


def test_pictures_without_any_face_are_an_error(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((60, 60), ord(name), np.uint8)).save(tmp_path / name / "flat.png")
    with pytest.raises(DataError, match=r"no face in any of 2 pictures, data\.crop looks for them"):
        read(settings(tmp_path))
