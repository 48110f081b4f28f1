import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import SPLITS
from ferkit.errors import DataError
from ferkit.preparation.cleaning import CleaningSettings, drop_non_faces
from ferkit.preparation.manifest import MANIFEST_COLUMNS, read_manifest, write_manifest
from ferkit.preparation.non_face_score import non_face_score
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013
from ferkit.sources.synthetic.generate import SyntheticSettings, generate

ALL = CleaningSettings(splits=SPLITS)
TRUTH = Path(__file__).parents[2] / "benchmarks" / "non_faces" / "non_faces.csv"


def lines_of_text() -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    sheet = Image.new("L", (192, 192), 255)
    for line, text in enumerate(["This picture is", "no longer here.", "Please look for", "another one."]):
        ImageDraw.Draw(sheet).text((10, 10 + 45 * line), text, fill=60, font=ImageFont.load_default(24))
    return np.asarray(sheet.resize((48, 48)))


def no_entry() -> np.ndarray:
    from PIL import Image, ImageDraw

    sheet = Image.new("L", (192, 192), 0)
    draw = ImageDraw.Draw(sheet)
    draw.ellipse((30, 30, 160, 160), fill=240)
    draw.rectangle((50, 80, 140, 110), fill=0)
    return np.asarray(sheet.resize((48, 48)))


NOT_A_FACE = {
    "text": lines_of_text,
    "icon": no_entry,
    "black": lambda: np.zeros((48, 48), np.uint8),
    "white": lambda: np.full((48, 48), 255, np.uint8),
    "gradient": lambda: np.tile(np.linspace(20, 200, 48).astype(np.uint8), (48, 1)),
    "stripes": lambda: np.tile(np.repeat([30, 220], 4).astype(np.uint8), (48, 6)),
    "checks": lambda: np.kron(np.indices((6, 6)).sum(0) % 2, np.full((8, 8), 200)).astype(np.uint8),
    "noise": lambda: np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8),
}


@pytest.fixture(scope="module")
def drawn():
    return generate(SyntheticSettings(count=600, seed=5, non_faces=0.1))


def with_pictures(faces: FaceDataset, pictures: dict[int, np.ndarray]) -> FaceDataset:
    images = faces.images.copy()
    for at, picture in pictures.items():
        images[at] = picture
    return FaceDataset(images, faces.label, faces.split, faces.row, faces.votes)


@pytest.fixture
def few(drawn) -> FaceDataset:
    """Twenty faces of Training, four each of the other splits; rows are those of a larger source."""
    faces = drawn.faces.take(drawn.is_face)
    some = np.concatenate(
        [np.flatnonzero(faces.in_split(split))[:n] for split, n in zip(SPLITS, (20, 4, 4), strict=True)]
    )
    return faces.take(some)


@pytest.fixture
def flawed(few) -> FaceDataset:
    """The same with text and a black frame in Training (3, 7) and text in PrivateTest (27)."""
    return with_pictures(few, {3: lines_of_text(), 7: np.zeros((48, 48), np.uint8), 27: no_entry()})


@pytest.mark.parametrize("kind", NOT_A_FACE)
def test_what_is_plainly_not_a_face_scores_high(kind):
    assert non_face_score(NOT_A_FACE[kind]()[None])[0] > 0.5


def test_drawn_faces_are_kept_and_drawn_non_faces_found(drawn):
    score = non_face_score(drawn.faces.images)
    assert ((score >= 0) & (score <= 1)).all()
    assert (score[~drawn.is_face] >= 0.5).mean() >= 0.95
    assert (score[drawn.is_face] >= 0.5).mean() <= 0.01


def test_a_score_depends_on_its_picture_alone(drawn):
    images = drawn.faces.images[:40]
    np.testing.assert_allclose(non_face_score(images)[7:9], non_face_score(images[7:9]), atol=1e-4)
    assert non_face_score(images[:0]).shape == (0,)


def test_evaluation_splits_are_listed_but_stay_whole(flawed):
    result = drop_non_faces(flawed, CleaningSettings())
    assert result.manifest["row"].tolist() == flawed.row[[3, 7, 27]].tolist()
    assert result.manifest["dropped"].tolist() == [True, True, False]
    assert result.manifest["split"].tolist() == ["Training", "Training", "PrivateTest"]
    assert result.faces.row.tolist() == np.delete(flawed.row, [3, 7]).tolist()
    assert (result.faces.images == np.delete(flawed.images, [3, 7], axis=0)).all()


def test_the_manifest_says_which_picture_and_why(flawed):
    manifest = drop_non_faces(flawed, ALL).manifest
    assert tuple(manifest.columns) == MANIFEST_COLUMNS
    assert manifest["sha256"].tolist() == flawed.picture_hashes()[[3, 7, 27]].tolist()
    assert (manifest["score"] > 0.5).all()
    assert set(manifest["reason"]) == {"pixels"}
    assert manifest["dropped"].all()


def test_a_higher_threshold_finds_no_more(drawn):
    counts = [
        len(drop_non_faces(drawn.faces, CleaningSettings(threshold=threshold)).manifest)
        for threshold in (0.1, 0.5, 1.0)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[2]


def test_votes_are_counted_when_asked(few):
    votes = np.zeros((len(few), 10), np.uint8)
    votes[:, 0] = 10
    votes[5] = [0] * 9 + [10]
    votes[6] = [2] + [0] * 8 + [8]
    voted = FaceDataset(few.images, few.label, few.split, few.row, votes)
    assert drop_non_faces(voted, CleaningSettings()).manifest.empty
    by_votes = drop_non_faces(voted, CleaningSettings(pixels=False, ferplus_votes=True))
    assert by_votes.manifest["row"].tolist() == [few.row[5]]
    assert by_votes.manifest["reason"].tolist() == ["10 NF votes"]
    assert by_votes.manifest["score"].isna().all()
    lower = drop_non_faces(voted, CleaningSettings(pixels=False, ferplus_votes=True, nf_votes=8))
    assert lower.manifest["row"].tolist() == few.row[[5, 6]].tolist()


def test_both_reasons_are_given(flawed):
    votes = np.zeros((len(flawed), 10), np.uint8)
    votes[3, 9] = 10
    voted = FaceDataset(flawed.images, flawed.label, flawed.split, flawed.row, votes)
    manifest = drop_non_faces(voted, CleaningSettings(ferplus_votes=True)).manifest
    assert manifest["reason"].tolist() == ["pixels; 10 NF votes", "pixels", "pixels"]


def test_votes_that_are_not_there_are_an_error(few):
    bare = FaceDataset(few.images, few.label, few.split, few.row)
    with pytest.raises(DataError, match="no FER\\+ votes"):
        drop_non_faces(bare, CleaningSettings(ferplus_votes=True))


def test_a_manifest_that_comes_back_unchanged_changes_nothing(flawed, tmp_path):
    first = drop_non_faces(flawed, CleaningSettings())
    write_manifest(first.manifest, tmp_path / "found.csv")
    again = drop_non_faces(flawed, CleaningSettings(exclude=tmp_path / "found.csv"))
    assert again.faces.content_hash() == first.faces.content_hash()
    pd.testing.assert_frame_equal(again.manifest, first.manifest)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.csv"], "nothing half-written is left"


def test_a_person_overrules_the_finder_by_editing_the_manifest(flawed, tmp_path):
    path = tmp_path / "found.csv"
    write_manifest(drop_non_faces(flawed, ALL).manifest, path)
    lines = path.read_text().splitlines()
    assert len(lines) == 4
    kept_by_word = lines[2].replace("True", "false")
    added = f"{flawed.row[11]},{flawed.picture_hashes()[11]},,,,blurred,TRUE"
    path.write_text("\n".join([lines[0], kept_by_word, lines[3], added]) + "\n")

    result = drop_non_faces(flawed, CleaningSettings(exclude=path))
    assert result.faces.row.tolist() == np.delete(flawed.row, [11, 27]).tolist(), (
        "3 deleted, 7 false, 11 added, 27 stays listed"
    )
    manifest = result.manifest.set_index("row")
    assert manifest.loc[flawed.row[11], "reason"] == "blurred"
    assert manifest["dropped"].to_dict() == dict(
        zip(flawed.row[[3, 7, 11, 27]], [False, False, True, True], strict=True)
    )


def test_two_columns_are_enough_of_a_manifest(few, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(f"\ufeffrow, sha256\n{few.row[2]}, {few.picture_hashes()[2].upper()}\n", encoding="utf-8")
    result = drop_non_faces(few, CleaningSettings(exclude=path))
    assert result.manifest["row"].tolist() == [few.row[2]]
    assert result.manifest["reason"].tolist() == ["listed in mine.csv"]
    assert len(result.faces) == len(few) - 1


def test_a_row_that_validation_left_out_is_passed_over(flawed, tmp_path):
    path = tmp_path / "found.csv"
    write_manifest(drop_non_faces(flawed, ALL).manifest, path)
    quarantined = flawed.take(np.delete(np.arange(len(flawed)), 7))
    result = drop_non_faces(quarantined, CleaningSettings(exclude=path))
    assert result.manifest["row"].tolist() == flawed.row[[3, 27]].tolist()


def test_an_empty_manifest_keeps_everything(flawed, tmp_path):
    path = tmp_path / "none.csv"
    path.write_text("row,sha256\n")
    result = drop_non_faces(flawed, CleaningSettings(exclude=path))
    assert len(result.faces) == len(flawed)


def test_a_manifest_of_other_pictures_is_refused(few, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text(f"row,sha256\n{few.row[2]},{few.picture_hashes()[4]}\n")
    with pytest.raises(DataError, match=rf"other\.csv: row {few.row[2]} has sha256 .*1 of 1 rows differ"):
        drop_non_faces(few, CleaningSettings(exclude=path))
    path.write_text(f"row,sha256\n999999,{few.picture_hashes()[4]}\n")
    with pytest.raises(DataError, match="none of its 1 rows is in the data"):
        drop_non_faces(few, CleaningSettings(exclude=path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no such manifest"),
        ("", "not a CSV"),
        ("row;sha256\n1;ab\n", "missing row,sha256"),
        ("row,reason\n1,x\n", "missing sha256"),
        ("row,sha256\nx," + "a" * 64 + "\n", "line 2: row is 'x', expected a row number"),
        ("row,sha256\n1," + "a" * 63 + "\n", "line 2: sha256 is .*64 hexadecimal"),
        ("row,sha256,dropped\n1," + "a" * 64 + ",maybe\n", "line 2: dropped is 'maybe', expected true or false"),
        ("row,sha256\n1," + "a" * 64 + "\n1," + "a" * 64 + "\n", "row 1 is listed twice"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_named_in_one_line(tmp_path, text, words):
    path = tmp_path / "bad.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=words) as error:
        read_manifest(path)
    assert "bad.csv" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_split_is_never_emptied(few):
    black = with_pictures(few, {at: np.zeros((48, 48), np.uint8) for at in range(20, 24)})
    with pytest.raises(DataError, match="all 4 pictures of PublicTest"):
        drop_non_faces(black, ALL)


@pytest.mark.parametrize("setting", [{"threshold": 1.5}, {"nf_votes": 0}, {"splits": ["Test"]}, {"treshold": 0.5}])
def test_settings_are_bounded(setting):
    with pytest.raises(ValidationError):
        CleaningSettings(**setting)


@pytest.mark.skipif(
    not os.environ.get("FERKIT_TEST_DATA"), reason="FERKIT_TEST_DATA names no folder with a FER-2013 sample"
)
def test_real_pictures():
    faces = load_fer2013(Fer2013Settings(path=Path(os.environ["FERKIT_TEST_DATA"])))
    is_face = ~np.isin(faces.picture_hashes(), pd.read_csv(TRUTH)["sha256"])
    result = drop_non_faces(faces, ALL)
    dropped = ~np.isin(faces.row, result.faces.row)
    assert dropped[~is_face].mean() >= 0.95 if (~is_face).any() else True
    assert dropped[is_face].mean() <= 0.003
