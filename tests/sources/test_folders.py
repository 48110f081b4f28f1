"""Image folders: real files in, a `FaceDataset` out; its classes, what is passed over, its fingerprint."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from ferkit.data.labels import FER_EMOTIONS
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import DataError
from ferkit.sources import fingerprint, load
from ferkit.sources.folders import FolderSettings, folder_fingerprint, load_folder
from tests.sources.written_pictures import noise, warnings_in, write_classes, write_picture


def test_pictures_keep_their_pixels_labels_and_places(root):
    faces = load_folder(FolderSettings(path=root))
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    assert faces.row.tolist() == list(range(len(paths))) == list(range(77))
    for index, path in enumerate(paths):
        assert FER_EMOTIONS[faces.label[index]] == path.split("/")[1]
        np.testing.assert_array_equal(faces.images[index], np.asarray(Image.open(root / path)))
    assert faces.votes is None


@pytest.mark.parametrize(
    ("folder", "emotion"),
    [
        ("Anger", "angry"),
        ("ANGRY", "angry"),
        ("happiness", "happy"),
        ("sadness", "sad"),
        ("Surprised", "surprise"),
        ("fearful", "fear"),
        ("disgusted", "disgust"),
        ("Neutral", "neutral"),
    ],
)
def test_names_of_emotions(tmp_path, folder, emotion):
    write_picture(tmp_path / "Train" / folder / "a.png", noise(0))
    assert load_folder(FolderSettings(path=tmp_path)).label.tolist() == [FER_EMOTIONS.index(emotion)]


def test_other_names_are_classes_and_a_target_says_what_becomes_of_them(root):
    write_picture(root / "train/contempt/a.png", noise(0))
    faces = load_folder(FolderSettings(path=root))
    assert faces.classes == ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert (faces.label == 1).sum() == 1
    with pytest.raises(DataError, match="the data has the class 'contempt', which is none of angry, disgust, fear"):
        labelled(faces, TargetSettings())
    kept, labels = labelled(faces, TargetSettings(map={"contempt": None}))
    assert len(kept) == len(faces) - 1
    assert [FER_EMOTIONS[at] for at in labels.argmax(axis=1)] == [faces.classes[at] for at in kept.label]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.txt", "0 calm\n1 tense\n"),
        ("l.csv", "0,calm\n1,tense\n"),
        ("l.txt", "calm\ntense\n"),
        ("l.yaml", "0: calm\n1: tense\n"),
        ("l.json", '{"0": "calm", "1": "tense"}'),
    ],
)
def test_labels_say_what_folders_stand_for(tmp_path, name, text):
    write_classes(tmp_path / "faces/train", {"0": 3, "1": 2})
    (tmp_path / name).write_text(text)
    faces = load_folder(FolderSettings(path=tmp_path / "faces", labels=tmp_path / name))
    # As YAML has numbers.
    same = load_folder(FolderSettings(path=tmp_path / "faces", labels={0: "calm", 1: "tense"}))
    assert faces.classes == same.classes == ("calm", "tense")
    assert faces.content_hash() == same.content_hash()
    assert np.bincount(faces.label).tolist() == [3, 2]


def test_labels_leave_out_and_count_and_are_refused_where_they_name_nothing(tmp_path, caplog):
    write_classes(tmp_path / "train", {"0": 3, "1": 2, "8": 4})
    plain, settings = (FolderSettings(path=tmp_path, labels=each) for each in ({}, {"0": "angry", "8": None}))
    faces = load_folder(settings)
    assert "data.labels leaves out 4 pictures of class 8" in caplog.text
    assert faces.classes == ("1", "angry")
    assert faces.row.tolist() == [0, 1, 2, 3, 4]
    assert folder_fingerprint(settings) != folder_fingerprint(plain)
    with pytest.raises(DataError, match=r"data.labels: no picture is labelled 9; the data has 0, 1, 8\."):
        load_folder(FolderSettings(path=tmp_path, labels={"9": "angry"}))
    (tmp_path / "l.txt").write_text("0 angry\nhappy\n")
    with pytest.raises(DataError, match=r"l\.txt line 2: one name, expected two"):
        load_folder(FolderSettings(path=tmp_path, labels=tmp_path / "l.txt"))
    with pytest.raises(DataError, match=r"no\.txt: cannot be read"):
        load_folder(FolderSettings(path=tmp_path, labels=tmp_path / "no.txt"))


def test_what_is_passed_over_is_counted(root, caplog):
    (root / "train/happy/clip.mp4").touch()
    (root / "train/sad/Thumbs.db").touch()
    (root / "test/sad/Thumbs.db").touch()
    (root / "train/sad/._a.png").touch()
    (root / "notes").mkdir()
    load_folder(FolderSettings(path=root))
    assert warnings_in(caplog) == [f"{root}: passed over 2 .db, 1 .mp4, 1 folder beside train and test, 1 hidden"]


def test_what_is_no_picture_is_passed_over(root):
    before = load_folder(FolderSettings(path=root)).content_hash()
    (root / "train/happy/Thumbs.db").write_bytes(b"x")
    (root / "train/happy/._Training_1.png").write_bytes(b"x")
    (root / "train/happy/.ipynb_checkpoints").mkdir()
    (root / "train/happy/.ipynb_checkpoints/Training_1.png").write_bytes(b"x")
    (root / "notes/happy").mkdir(parents=True)
    (root / "notes/happy/a.png").write_bytes(b"x")
    (root / "LICENSE").write_text("x")
    assert load_folder(FolderSettings(path=root)).content_hash() == before


@pytest.mark.parametrize(("place", "part"), [("train/a.png", "train"), ("test/happy/more/a.png", "test")])
def test_a_picture_out_of_place(root, place, part):
    write_picture(root / place, noise(0))
    with pytest.raises(DataError, match=f"{place}: a picture out of place, expected {part}/<class>/"):
        load_folder(FolderSettings(path=root))


def test_folders_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="no such folder, expected train/<class>/"):
        load_folder(FolderSettings(path=tmp_path / "no"))
    with pytest.raises(DataError, match="no folder train with one folder a class in it; found nothing"):
        load_folder(FolderSettings(path=tmp_path))
    (tmp_path / "archive").mkdir()
    with pytest.raises(DataError, match="found archive"):
        load_folder(FolderSettings(path=tmp_path))
    (tmp_path / "train/happy").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no picture in train/<class>/; known suffixes are \.apng, \.avif"):
        load_folder(FolderSettings(path=tmp_path))


def test_the_fingerprint_changes_with_what_is_read_and_with_nothing_else(root):
    settings = FolderSettings(path=root)
    before = folder_fingerprint(settings)
    assert before == folder_fingerprint(settings) == fingerprint(settings)
    (root / "train/happy/Thumbs.db").write_bytes(b"x")
    assert folder_fingerprint(settings) == before
    assert folder_fingerprint(FolderSettings(path=root, seed=1)) != before
    moved = root / "train/happy/Training_4.png"
    moved.rename(root / "train/happy/Training_40.png")
    renamed = folder_fingerprint(settings)
    assert renamed != before
    (root / "train/happy/Training_40.png").rename(moved)
    assert folder_fingerprint(settings) == before
    write_picture(moved, noise(999))
    assert folder_fingerprint(settings) != before


def test_the_fingerprint_does_not_depend_on_where_the_folder_is(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "faces"
    root.rename(elsewhere)
    at_elsewhere = folder_fingerprint(FolderSettings(path=elsewhere))
    elsewhere.rename(root)
    assert folder_fingerprint(FolderSettings(path=root)) == at_elsewhere


def test_a_configuration_reads_folders(root):
    settings = FolderSettings(path=root)
    assert load(settings).content_hash() == load_folder(settings).content_hash()


@pytest.mark.parametrize("wrong", [{"validation_fraction": 0}, {"validation_fraction": 1}, {"seed": -1}, {"sed": 1}])
def test_settings_are_strict(wrong):
    with pytest.raises(ValidationError):
        FolderSettings(path="x", **wrong)


def test_importing_it_does_not_import_pillow():
    program = "import sys, ferkit.sources.folders; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
