"""Image folders: which pictures are Training, PublicTest and PrivateTest, by names, by chance, by person."""

import shutil

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from ferkit.data.duplicates import cross_split_duplicates
from ferkit.data.labels import FER_EMOTIONS, SPLITS
from ferkit.errors import DataError
from ferkit.sources.folders import FolderSettings, folder_fingerprint, list_folder, load_folder
from tests.sources.written_pictures import noise, write_classes, write_picture


def _split_names(faces) -> list[str]:
    return [SPLITS[index] for index in faces.split]


def test_names_of_files_say_the_split(tmp_path):
    write_picture(tmp_path / "train/happy/Training_1.jpg", noise(0))
    write_picture(tmp_path / "train/happy/PublicTest_2.png", noise(1))
    write_picture(tmp_path / "test/happy/PrivateTest_3.png", noise(2))
    write_picture(tmp_path / "test/happy/publictest_4.png", noise(3))
    write_picture(tmp_path / "test/happy/im5.png", noise(4))
    faces = load_folder(FolderSettings(path=tmp_path))
    # In the order of the paths: test/happy/{PrivateTest_3, im5, publictest_4}, train/happy/{PublicTest_2, Training_1}.
    assert _split_names(faces) == ["PrivateTest", "PrivateTest", "PublicTest", "PublicTest", "Training"]


@pytest.mark.parametrize("name", ["validation", "val", "Valid", "PublicTest"])
def test_a_validation_folder_is_public_test(root, name):
    write_picture(root / name / "sad" / "a.png", noise(7))
    faces = load_folder(FolderSettings(path=root))
    assert faces.in_split("PublicTest").sum() == 1
    assert faces.in_split("Training").sum() == 70


def test_without_public_test_a_part_of_each_emotion_takes_its_place(root):
    faces = load_folder(FolderSettings(path=root, validation_fraction=0.2))
    for index in range(len(FER_EMOTIONS)):
        assert [(faces.split[faces.label == index] == split).sum() for split in range(3)] == [8, 2, 1]
    private = faces.of_split("PrivateTest")
    np.testing.assert_array_equal(private.images, [noise(100 * label + 99) for label in private.label.tolist()])


def test_the_part_depends_on_the_seed_alone(root):
    first, again, other = (load_folder(FolderSettings(path=root, seed=seed)) for seed in (3, 3, 4))
    assert first.content_hash() == again.content_hash()
    assert (first.split != other.split).any()
    np.testing.assert_array_equal(first.images, other.images)


def test_a_rare_emotion_gives_one_picture_and_a_single_picture_stays(tmp_path):
    for emotion, count in (("happy", 3), ("disgust", 1)):
        for number in range(count):
            write_picture(tmp_path / "train" / emotion / f"{number}.png", noise(number))
    faces = load_folder(FolderSettings(path=tmp_path, validation_fraction=0.01))
    happy = faces.label == FER_EMOTIONS.index("happy")
    assert sorted(faces.split[happy]) == [0, 1, 2]
    assert faces.split[~happy].tolist() == [0]


@pytest.mark.parametrize("stream", [False, True])
def test_copies_of_a_picture_are_held_out_together_or_not_at_all(root, stream):
    for path in sorted(root.glob("train/*/*_[0-4].png")):
        # The same pixels, in other bytes, under another name, and once with another label.
        Image.open(path).save(path.with_name(f"copy_of_{path.name}"), compress_level=1)
    shutil.copy(root / "train/happy/Training_7.png", root / "train/sad/other.png")
    crossing = 0
    for seed in range(5):
        settings = FolderSettings(path=root, validation_fraction=0.3, seed=seed, stream=stream)
        faces = load_folder(settings)
        assert faces.in_split("PublicTest").sum() >= 7 * 4
        assert not cross_split_duplicates(faces, "PublicTest").any()
        listed = list_folder(settings)
        by_bytes = faces.split != listed.split
        crossing += int(by_bytes.sum())
        side = dict(zip((path.relative_to(root).as_posix() for path in listed.files), listed.split, strict=True))
        assert side["train/happy/Training_7.png"] == side["train/sad/other.png"]
    assert crossing, "copies in other bytes are found where pixels are read"


def test_a_person_is_on_one_side(tmp_path):
    for index, emotion in enumerate(FER_EMOTIONS):
        for person in range(10):
            for number in range(2):
                name = f"S{person:03d}_{number}.png"
                write_picture(tmp_path / "train" / emotion / name, noise(1000 * index + 10 * person + number))
    write_picture(tmp_path / "train/happy/nobody.png", noise(5))
    write_picture(tmp_path / "test/happy/S000_9.png", noise(6))
    settings = FolderSettings(path=tmp_path, subject="/(S[0-9]+)_", validation_fraction=0.2)
    for read in (load_folder, list_folder):
        split = read(settings).split
        people = [path.name.partition("_")[0] for path in list_folder(settings).files]
        sides = {person: {int(at) for at, who in zip(split, people, strict=True) if who == person} for person in people}
        assert sorted(len(side - {2}) for side in sides.values()) == [1] * len(sides)
        assert sum(side == {1} for person, side in sides.items()) in (2, 3)
        assert (split == 1).sum() in (28, 29, 42, 43)
    assert folder_fingerprint(settings) != folder_fingerprint(FolderSettings(path=tmp_path, validation_fraction=0.2))


def test_an_emotion_of_one_person_alone_stays_in_training(tmp_path):
    for number in range(4):
        write_picture(tmp_path / "train/happy" / f"S1_{number}.png", noise(number))
    for person in (1, 2, 3):
        write_picture(tmp_path / "train/sad" / f"S{person}_.png", noise(10 + person))
    faces = load_folder(FolderSettings(path=tmp_path, subject="/(S[0-9])_", seed=2))
    happy = faces.label == FER_EMOTIONS.index("happy")
    assert faces.split[happy].tolist() == [0] * 4
    assert sorted(faces.split[~happy]) == [0, 1, 2]


def test_settings_that_choose_where_there_is_no_choice_are_refused(root):
    with pytest.raises(
        DataError, match=r"data\.subject: '/\(S\)_' finds nobody in the names of 77 pictures, such as test/"
    ):
        load_folder(FolderSettings(path=root, subject="/(S)_"))
    write_picture(root / "val/sad/a.png", noise(7))
    for change in ({"validation_fraction": 0.2}, {"seed": 1}, {"subject": "(T)"}):
        with pytest.raises(DataError, match=f"{next(iter(change))}: .* has pictures for PublicTest, so that none of"):
            load_folder(FolderSettings(path=root, **change))
    with pytest.raises(ValidationError, match="has 0 groups, expected one"):
        FolderSettings(path=root, subject="S[0-9]")
    with pytest.raises(ValidationError, match="is no regular expression"):
        FolderSettings(path=root, subject="(S")


def test_class_folders_without_splits_are_split_by_the_seed_and_it_is_said(tmp_path, caplog):
    caplog.set_level("INFO")
    write_classes(tmp_path / "unpacked", {"calm": 20, "Tense": 20, "bored": 10})
    settings = FolderSettings(path=tmp_path, validation_fraction=0.2, test_fraction=0.3)
    faces = load_folder(settings)
    assert faces.classes == ("bored", "calm", "Tense")
    assert [[int((faces.split[faces.label == at] == split).sum()) for split in range(3)] for at in range(3)] == [
        [6, 1, 3], [11, 3, 6], [11, 3, 6],
    ]  # fmt: skip
    assert f"{tmp_path}: no picture for PrivateTest; 15 of Training take its place (0.3 of each class, seed 0), " in (
        caplog.text
    )
    np.testing.assert_array_equal(load_folder(settings).split, faces.split)
    np.testing.assert_array_equal(list_folder(settings).split, faces.split)


def test_train_and_validation_without_test(tmp_path):
    write_classes(tmp_path / "train", {"happy": 10, "sad": 10})
    write_classes(tmp_path / "validation", {"happy": 3, "sad": 3})
    faces = load_folder(FolderSettings(path=tmp_path, test_fraction=0.2))
    assert [int(faces.in_split(split).sum()) for split in SPLITS] == [16, 6, 4]
    with pytest.raises(DataError, match=r"^validation_fraction: .* has pictures for PublicTest"):
        load_folder(FolderSettings(path=tmp_path, validation_fraction=0.2))
    write_classes(tmp_path / "test", {"happy": 3, "sad": 3})
    with pytest.raises(DataError, match=r"^test_fraction: .* has pictures for PrivateTest"):
        load_folder(FolderSettings(path=tmp_path, test_fraction=0.2))


@pytest.mark.parametrize(
    "names",
    [
        ("train", "validation", "test"),
        ("Training", "PublicTest", "PrivateTest"),
        ("FER2013Train", "FER2013Valid", "FER2013Test"),
        ("images/train", "images/val", "images/test"),
        ("fer2013/archive/TRAIN", "fer2013/archive/Public_Test", "fer2013/archive/private-test"),
    ],
)
def test_every_known_spelling_of_the_splits(tmp_path, names):
    for name, count in zip(names, (4, 2, 3), strict=True):
        write_classes(tmp_path / name, {"happy": count, "sad": count})
    faces = load_folder(FolderSettings(path=tmp_path))
    assert [int(faces.in_split(split).sum()) for split in SPLITS] == [8, 4, 6]
    assert faces.classes == FER_EMOTIONS
