"""Published layouts: a small copy of each is written and read."""

import numpy as np
import pytest
from PIL import Image

from ferkit.data.labels import FER_EMOTIONS, FERPLUS_EMOTIONS, SPLITS
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import DataError
from ferkit.sources import fingerprint, load
from ferkit.sources.published import PublishedSettings, list_published
from tests.toys import layouts

EIGHT = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def read(layout, root, **settings):
    return load(PublishedSettings(layout=layout, path=root, **settings))


def counts(faces):
    """Pictures of each split and class."""
    return {
        split: np.bincount(faces.label[faces.in_split(split)], minlength=len(faces.classes)).tolist()
        for split in SPLITS
    }


def test_rafdb_with_its_list(tmp_path):
    layouts.write_rafdb(tmp_path)
    faces = read("rafdb", tmp_path)
    assert faces.classes == FER_EMOTIONS
    assert counts(faces) == {"Training": [2] * 7, "PublicTest": [1] * 7, "PrivateTest": [1] * 7}
    listed = list_published(PublishedSettings(layout="rafdb", path=tmp_path))
    assert listed.files[0].name == "train_10000_aligned.jpg"
    assert FER_EMOTIONS[listed.label[0]] == "surprise"
    (tmp_path / "basic/Image/aligned/train_10000_aligned.jpg").unlink()
    (tmp_path / "basic/Image/original/train_10000.jpg").unlink()
    with pytest.raises(DataError, match=r"line 1: no picture train_10000_aligned\.jpg below"):
        read("rafdb", tmp_path)


@pytest.mark.parametrize("parts", [{"train": 4, "test": 2}, {"DATASET/train_set": 4, "DATASET/val_set": 2}])
def test_rafdb_in_folders(tmp_path, parts):
    layouts.write_numbered(tmp_path, parts, range(1, 8))
    faces = read("rafdb", tmp_path)
    assert counts(faces) == {"Training": [3] * 7, "PublicTest": [1] * 7, "PrivateTest": [2] * 7}
    layouts.write_numbered(tmp_path, {next(iter(parts)): 1}, range(8, 9))
    with pytest.raises(DataError, match="/8: not a class of this data set, expected 1, 2, 3, 4, 5, 6, 7"):
        read("rafdb", tmp_path)


def test_affectnet_with_annotations(tmp_path):
    layouts.write_affectnet(tmp_path)
    faces = read("affectnet", tmp_path)
    assert faces.classes == EIGHT
    assert counts(faces) == {"Training": [1] * 8, "PublicTest": [1] * 8, "PrivateTest": [1] * 8}
    assert list_published(PublishedSettings(layout="affectnet", path=tmp_path)).passed_over == {"Uncertain": 1}
    kept, _ = labelled(faces, TargetSettings(map={"contempt": None}))
    assert len(kept) == 21
    (tmp_path / "val_set/annotations/3_exp.npy").unlink()
    with pytest.raises(DataError, match=r"3_exp\.npy: no such annotation"):
        read("affectnet", tmp_path)


def test_affectnet_with_lists_and_boxes(tmp_path):
    layouts.write_affectnet_lists(tmp_path)
    faces = read("affectnet", tmp_path)
    assert counts(faces) == {"Training": [1] * 8, "PublicTest": [1] * 8, "PrivateTest": [1] * 8}
    listed = list_published(PublishedSettings(layout="affectnet", path=tmp_path))
    assert listed.passed_over == {"Non-Face": 2}
    with Image.open(listed.files[5]) as opened:
        cut = opened.convert("L").crop((10, 20, 70, 80)).resize((48, 48), Image.Resampling.LANCZOS)
    assert np.abs(faces.images[5].astype(int) - np.asarray(cut)).max() <= 2


def test_affectnet_in_folders(tmp_path):
    layouts.write_numbered(tmp_path, {"train": 3, "val": 2}, range(8))
    faces = read("affectnet", tmp_path)
    assert faces.classes == EIGHT
    assert counts(faces) == {"Training": [2] * 8, "PublicTest": [1] * 8, "PrivateTest": [2] * 8}


def test_ckplus_sequences(tmp_path):
    layouts.write_ckplus(tmp_path)
    listed = list_published(PublishedSettings(layout="ckplus", path=tmp_path))
    assert [path.name for path in listed.files[:4]] == [f"S005_001_0000000{at}.png" for at in (1, 5, 6, 7)]
    assert [listed.classes[at] for at in listed.label[:4]] == ["neutral", "sad", "sad", "sad"]
    assert listed.subject[:4].tolist() == ["S005"] * 4
    assert listed.passed_over == {"sequence without an emotion": 1}
    faces = read("ckplus", tmp_path)
    assert len(faces) == 20
    assert [len(set(faces.split[faces.subject == person])) for person in range(3)] == [1] * 3


def test_ckplus48_has_no_splits_and_keeps_people_together(tmp_path):
    layouts.write_ckplus48(tmp_path)
    faces = read("ckplus", tmp_path)
    assert faces.classes == ("angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")
    assert counts(faces) == {"Training": [12] * 7, "PublicTest": [3] * 7, "PrivateTest": [3] * 7}
    assert [len(set(faces.split[faces.subject == person])) for person in range(6)] == [1] * 6


def test_jaffe(tmp_path):
    layouts.write_jaffe(tmp_path)
    faces = read("jaffe", tmp_path)
    assert faces.classes == FER_EMOTIONS
    assert counts(faces) == {"Training": [6] * 7, "PublicTest": [2] * 7, "PrivateTest": [2] * 7}
    listed = list_published(PublishedSettings(layout="jaffe", path=tmp_path))
    assert listed.passed_over == {"not called as KA.AN1.39.tiff": 1}
    assert [FER_EMOTIONS[at] for at in listed.label[:4]] == ["angry", "angry", "disgust", "disgust"]


def test_kdef_from_the_front(tmp_path):
    layouts.write_kdef(tmp_path)
    faces = read("kdef", tmp_path)
    assert len(faces) == 2 * 3 * 7
    assert faces.classes == FER_EMOTIONS
    listed = list_published(PublishedSettings(layout="kdef", path=tmp_path))
    assert listed.passed_over == {"profile": 42}
    assert set(listed.subject) == {"F01", "F02", "M01"}
    assert FER_EMOTIONS[listed.label[0]] == "fear"


def test_ferplus_in_folders(tmp_path):
    layouts.write_ferplus(tmp_path)
    faces = read("ferplus", tmp_path)
    assert set(faces.classes) == {"anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"}
    assert [int(faces.in_split(split).sum()) for split in SPLITS] == [8, 4, 4]
    _, labels = labelled(faces, TargetSettings(name="ferplus"))
    assert labels.argmax(axis=1).tolist() == [*range(4), *range(8), *range(4)]
    assert [FERPLUS_EMOTIONS[at] for at in labels.argmax(axis=1)] == [faces.classes[at] for at in faces.label]


@pytest.mark.parametrize(
    ("layout", "line"),
    [
        ("rafdb", "no folder train with one folder a class in it; found nothing"),
        ("affectnet", "no folder train with one folder a class in it; found nothing"),
        ("ckplus", "no folder train with one folder a class in it; found nothing"),
        ("jaffe", r"no picture that is called as KA\.AN1\.39\.tiff"),
        ("kdef", r"no picture that is called as AF01AFS\.JPG"),
        ("ferplus", r"no FER2013Train/label\.csv"),
    ],
)
def test_another_layout_is_a_line(tmp_path, layout, line):
    with pytest.raises(DataError, match=line):
        read(layout, tmp_path)
    with pytest.raises(DataError, match=f"no such folder, expected {layout} unpacked there"):
        read(layout, tmp_path / "no")


def test_the_fingerprint_is_that_of_the_content_wherever_it_lies(tmp_path):
    for name in ("a", "b"):
        layouts.write_jaffe(tmp_path / name)
    settings = PublishedSettings(layout="jaffe", path=tmp_path / "a")
    before = fingerprint(settings)
    (tmp_path / "a").rename(tmp_path / "c")
    assert fingerprint(settings.model_copy(update={"path": tmp_path / "c"})) == before
    assert fingerprint(settings.model_copy(update={"path": tmp_path / "b"})) != before
    assert fingerprint(settings.model_copy(update={"path": tmp_path / "c", "seed": 1})) != before
