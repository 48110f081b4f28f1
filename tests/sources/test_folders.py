"""Image folders: real files in, a `FaceDataset` out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pillow_heif import register_heif_opener
from pydantic import ValidationError

from ferkit.data.dataset import SIZE
from ferkit.data.duplicates import cross_split_duplicates
from ferkit.data.labels import FER_EMOTIONS, SPLITS
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import DataError
from ferkit.sources import fingerprint, load
from ferkit.sources.folders import FolderSettings, folder_fingerprint, list_folder, load_folder, read_folder


def _picture(seed: int, shape: tuple[int, ...] = (SIZE, SIZE)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def _split_names(faces) -> list[str]:
    return [SPLITS[index] for index in faces.split]


def _warnings(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten Training pictures and one PrivateTest picture of each emotion."""
    for index, emotion in enumerate(FER_EMOTIONS):
        for number in range(10):
            _write(tmp_path / "train" / emotion / f"Training_{number}.png", _picture(100 * index + number))
        _write(tmp_path / "test" / emotion / "PrivateTest_9.png", _picture(100 * index + 99))
    return tmp_path


def test_pictures_keep_their_pixels_labels_and_places(root):
    faces = load_folder(FolderSettings(path=root))
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    assert faces.row.tolist() == list(range(len(paths))) == list(range(77))
    for index, path in enumerate(paths):
        assert FER_EMOTIONS[faces.label[index]] == path.split("/")[1]
        np.testing.assert_array_equal(faces.images[index], np.asarray(Image.open(root / path)))
    assert faces.votes is None


def test_names_of_files_say_the_split(tmp_path):
    _write(tmp_path / "train/happy/Training_1.jpg", _picture(0))
    _write(tmp_path / "train/happy/PublicTest_2.png", _picture(1))
    _write(tmp_path / "test/happy/PrivateTest_3.png", _picture(2))
    _write(tmp_path / "test/happy/publictest_4.png", _picture(3))
    _write(tmp_path / "test/happy/im5.png", _picture(4))
    faces = load_folder(FolderSettings(path=tmp_path))
    # In the order of the paths: test/happy/{PrivateTest_3, im5, publictest_4}, train/happy/{PublicTest_2, Training_1}.
    assert _split_names(faces) == ["PrivateTest", "PrivateTest", "PublicTest", "PublicTest", "Training"]


@pytest.mark.parametrize("name", ["validation", "val", "Valid", "PublicTest"])
def test_a_validation_folder_is_public_test(root, name):
    _write(root / name / "sad" / "a.png", _picture(7))
    faces = load_folder(FolderSettings(path=root))
    assert faces.in_split("PublicTest").sum() == 1
    assert faces.in_split("Training").sum() == 70


def test_without_public_test_a_part_of_each_emotion_takes_its_place(root):
    faces = load_folder(FolderSettings(path=root, validation_fraction=0.2))
    for index in range(len(FER_EMOTIONS)):
        assert [(faces.split[faces.label == index] == split).sum() for split in range(3)] == [8, 2, 1]
    private = faces.of_split("PrivateTest")
    np.testing.assert_array_equal(private.images, [_picture(100 * label + 99) for label in private.label.tolist()])


def test_the_part_depends_on_the_seed_alone(root):
    first, again, other = (load_folder(FolderSettings(path=root, seed=seed)) for seed in (3, 3, 4))
    assert first.content_hash() == again.content_hash()
    assert (first.split != other.split).any()
    np.testing.assert_array_equal(first.images, other.images)


def test_a_rare_emotion_gives_one_picture_and_a_single_picture_stays(tmp_path):
    for emotion, count in (("happy", 3), ("disgust", 1)):
        for number in range(count):
            _write(tmp_path / "train" / emotion / f"{number}.png", _picture(number))
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
                _write(tmp_path / "train" / emotion / name, _picture(1000 * index + 10 * person + number))
    _write(tmp_path / "train/happy/nobody.png", _picture(5))
    _write(tmp_path / "test/happy/S000_9.png", _picture(6))
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
        _write(tmp_path / "train/happy" / f"S1_{number}.png", _picture(number))
    for person in (1, 2, 3):
        _write(tmp_path / "train/sad" / f"S{person}_.png", _picture(10 + person))
    faces = load_folder(FolderSettings(path=tmp_path, subject="/(S[0-9])_", seed=2))
    happy = faces.label == FER_EMOTIONS.index("happy")
    assert faces.split[happy].tolist() == [0] * 4
    assert sorted(faces.split[~happy]) == [0, 1, 2]


def test_settings_that_choose_where_there_is_no_choice_are_refused(root):
    with pytest.raises(
        DataError, match=r"data\.subject: '/\(S\)_' finds nobody in the names of 77 pictures, such as test/"
    ):
        load_folder(FolderSettings(path=root, subject="/(S)_"))
    _write(root / "val/sad/a.png", _picture(7))
    for change in ({"validation_fraction": 0.2}, {"seed": 1}, {"subject": "(T)"}):
        with pytest.raises(DataError, match=f"{next(iter(change))}: .* has pictures for PublicTest, so that none of"):
            load_folder(FolderSettings(path=root, **change))
    with pytest.raises(ValidationError, match="has 0 groups, expected one"):
        FolderSettings(path=root, subject="S[0-9]")
    with pytest.raises(ValidationError, match="is no regular expression"):
        FolderSettings(path=root, subject="(S")


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
    _write(tmp_path / "Train" / folder / "a.png", _picture(0))
    assert load_folder(FolderSettings(path=tmp_path)).label.tolist() == [FER_EMOTIONS.index(emotion)]


def test_other_names_are_classes_and_a_target_says_what_becomes_of_them(root):
    _write(root / "train/contempt/a.png", _picture(0))
    faces = load_folder(FolderSettings(path=root))
    assert faces.classes == ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert (faces.label == 1).sum() == 1
    with pytest.raises(DataError, match="the data has the class 'contempt', which is none of angry, disgust, fear"):
        labelled(faces, TargetSettings())
    kept, labels = labelled(faces, TargetSettings(map={"contempt": None}))
    assert len(kept) == len(faces) - 1
    assert [FER_EMOTIONS[at] for at in labels.argmax(axis=1)] == [faces.classes[at] for at in kept.label]


def _classes(root: Path, names: dict[str, int]) -> None:
    for seed, (name, count) in enumerate(names.items()):
        for number in range(count):
            _write(root / name / f"{number}.png", _picture(1000 * seed + number))


def test_class_folders_without_splits_are_split_by_the_seed_and_it_is_said(tmp_path, caplog):
    caplog.set_level("INFO")
    _classes(tmp_path / "unpacked", {"calm": 20, "Tense": 20, "bored": 10})
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
    _classes(tmp_path / "train", {"happy": 10, "sad": 10})
    _classes(tmp_path / "validation", {"happy": 3, "sad": 3})
    faces = load_folder(FolderSettings(path=tmp_path, test_fraction=0.2))
    assert [int(faces.in_split(split).sum()) for split in SPLITS] == [16, 6, 4]
    with pytest.raises(DataError, match=r"^validation_fraction: .* has pictures for PublicTest"):
        load_folder(FolderSettings(path=tmp_path, validation_fraction=0.2))
    _classes(tmp_path / "test", {"happy": 3, "sad": 3})
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
        _classes(tmp_path / name, {"happy": count, "sad": count})
    faces = load_folder(FolderSettings(path=tmp_path))
    assert [int(faces.in_split(split).sum()) for split in SPLITS] == [8, 4, 6]
    assert faces.classes == FER_EMOTIONS


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
    _classes(tmp_path / "faces/train", {"0": 3, "1": 2})
    (tmp_path / name).write_text(text)
    faces = load_folder(FolderSettings(path=tmp_path / "faces", labels=tmp_path / name))
    # As YAML has numbers.
    same = load_folder(FolderSettings(path=tmp_path / "faces", labels={0: "calm", 1: "tense"}))
    assert faces.classes == same.classes == ("calm", "tense")
    assert faces.content_hash() == same.content_hash()
    assert np.bincount(faces.label).tolist() == [3, 2]


def test_labels_leave_out_and_count_and_are_refused_where_they_name_nothing(tmp_path, caplog):
    _classes(tmp_path / "train", {"0": 3, "1": 2, "8": 4})
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


def _one(tmp_path: Path, name: str, pixels: np.ndarray, **options: object) -> np.ndarray:
    _write(tmp_path / "train/happy" / name, pixels, **options)
    return load_folder(FolderSettings(path=tmp_path)).images[0]


def test_colour_turns_grey(tmp_path):
    pixels = np.zeros((SIZE, SIZE, 3), dtype=np.uint8)
    pixels[:, :16, 0], pixels[:, 16:32, 1], pixels[:, 32:, 2] = 255, 255, 255
    grey = _one(tmp_path, "a.png", pixels)
    # ITU-R BT.601: .299, .587, .114 of 255.
    assert grey[0, [0, 20, 40]].tolist() == [76, 150, 29]


def test_any_size_becomes_48_by_48(tmp_path):
    pixels = np.repeat(np.linspace(0, 255, 480).astype(np.uint8)[None], 200, axis=0)
    grey = _one(tmp_path, "a.png", pixels)
    assert grey.shape == (SIZE, SIZE)
    assert (np.diff(grey[24].astype(int)) > 0).all()
    assert grey[:, 24].std() == 0


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    eight = _picture(5)
    np.testing.assert_array_equal(_one(tmp_path, "a.png", eight.astype(np.uint16) * 256 + 99), eight)


def test_a_camera_turned_on_its_side(tmp_path):
    pixels = np.zeros((SIZE, SIZE), dtype=np.uint8)
    pixels[:24] = 255
    exif = Image.Exif()
    # 0x0112 is Orientation; 6: the top of the scene is the right side of the picture.
    exif[0x0112] = 6
    grey = _one(tmp_path, "a.jpg", pixels, exif=exif, quality=95)
    assert grey[:, 36:].mean() > 250
    assert grey[:, :12].mean() < 5


def test_32_bit_pixels_are_refused(tmp_path):
    _write(tmp_path / "train/happy/a.tif", _picture(0).astype(np.float32) / 255)
    with pytest.raises(DataError, match=r"a\.tif: pixels of 32 bits"):
        load_folder(FolderSettings(path=tmp_path))


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"", "an empty file"), (b"not a picture", "not a picture"), ("half", "not a whole picture (")],
    ids=["empty", "text", "truncated"],
)
def test_a_corrupt_picture_is_named(root, content, what):
    path = root / "train/fear/Training_3.png"
    path.write_bytes(path.read_bytes()[:900] if content == "half" else content)
    for stream in (False, True):
        with pytest.raises(DataError) as caught:
            load_folder(FolderSettings(path=root, maximum_damaged=0, stream=stream))
    message = str(caught.value)
    assert message.startswith(f"{path}: {what}")
    assert message.endswith("Mend the file or delete it.")
    assert "\n" not in message
    assert "0x" not in message


@pytest.mark.parametrize("stream", [False, True])
def test_a_damaged_picture_is_put_aside_with_its_reason(root, stream, caplog):
    settings = FolderSettings(path=root, stream=stream)
    before = load_folder(settings)
    damaged = root / "train/fear/Training_3.png"
    damaged.write_bytes(damaged.read_bytes()[:900])
    faces, table = read_folder(settings)
    [row] = table.row
    assert table.file.tolist() == [str(damaged)]
    assert table.reason[0].startswith(f"{damaged}: not a whole picture (")
    assert _warnings(caplog) == [f"quarantined: {table.reason[0]}"]
    assert row not in faces.row
    kept = np.isin(before.row, faces.row)
    assert kept.sum() == len(before) - 1 == len(faces)
    np.testing.assert_array_equal(np.asarray(before.take(kept).images), np.asarray(faces.images))
    np.testing.assert_array_equal(before.label[kept], faces.label)


def test_names_that_are_no_utf8(root):
    for name in (b"caf\xe9.png", b"broken\xff.png"):
        path = Path(os.fsdecode(os.fsencode(root / "train/fear") + b"/" + name))
        _write(path.with_name("x.png"), _picture(1)).rename(path)
    path.write_bytes(b"x")
    settings = FolderSettings(path=root)
    faces, damaged = read_folder(settings)
    assert len(faces) == 78
    assert damaged.file[0].endswith(r"broken\xff.png")
    assert damaged.to_csv().encode()
    assert folder_fingerprint(settings) == folder_fingerprint(settings)


def test_more_damaged_pictures_than_allowed(root):
    for number in (3, 4):
        (root / f"train/fear/Training_{number}.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"2 of 77 pictures are damaged, expected at most 1: .*Training_3\.png: not a"):
        load_folder(FolderSettings(path=root))
    assert len(load_folder(FolderSettings(path=root, maximum_damaged=0.03))) == 75


def test_a_jpeg_without_its_end_marker_does_not_stop_a_folder(cases, tmp_path):
    (tmp_path / "train/happy").mkdir(parents=True)
    shutil.copy(cases / "no_eoi.jpg", tmp_path / "train/happy")
    assert len(load_folder(FolderSettings(path=tmp_path))) == 1


def test_a_link_to_nothing_is_named(root):
    path = root / "train/fear/gone.png"
    path.symlink_to(root / "nowhere.png")
    for read in (load_folder, folder_fingerprint):
        with pytest.raises(DataError, match=r"gone\.png: cannot be read \(No such file"):
            read(FolderSettings(path=root))


def test_linked_pictures_are_those_of_the_folder_that_has_the_link(root, tmp_path_factory):
    before = load_folder(FolderSettings(path=root)).content_hash()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (root / "train/happy").rename(elsewhere / "happy")
    (root / "train/happy").symlink_to(elsewhere / "happy")
    (root / "test/sad/PrivateTest_9.png").rename(elsewhere / "a.png")
    (root / "test/sad/PrivateTest_9.png").symlink_to(elsewhere / "a.png")
    assert load_folder(FolderSettings(path=root)).content_hash() == before
    (elsewhere / "happy").rename(elsewhere / "gone")
    with pytest.raises(DataError, match="train/happy: a link to nothing, expected a folder of pictures"):
        load_folder(FolderSettings(path=root))


def test_a_linked_folder_as_it_came(cases, tmp_path):
    shutil.unpack_archive(cases / "layouts" / "dir_k_onelink.tgz", tmp_path, filter="fully_trusted")
    root = tmp_path / "k_onelink"
    # Where it was packed, it led to pictures.
    with pytest.raises(DataError, match="train/happy: a link to nothing"):
        load_folder(FolderSettings(path=root))
    (root / "train/happy").unlink()
    shutil.copytree(root / "test/happy", tmp_path / "happy")
    (root / "train/happy").symlink_to(tmp_path / "happy")
    faces = load_folder(FolderSettings(path=root))
    assert (faces.label == FER_EMOTIONS.index("happy")).sum() == 2 * len(list((tmp_path / "happy").iterdir())) > 0


@pytest.mark.parametrize("name", ["a.jpe", "a.heic", "a.jp2"])
def test_pictures_of_telephones_and_archives(tmp_path, name):
    register_heif_opener()
    pixels = np.full((SIZE, SIZE, 3), 200, dtype=np.uint8)
    assert np.abs(_one(tmp_path, name, pixels).astype(int) - 200).max() <= 3


def test_what_is_passed_over_is_counted(root, caplog):
    (root / "train/happy/clip.mp4").touch()
    (root / "train/sad/Thumbs.db").touch()
    (root / "test/sad/Thumbs.db").touch()
    (root / "train/sad/._a.png").touch()
    (root / "notes").mkdir()
    load_folder(FolderSettings(path=root))
    assert _warnings(caplog) == [f"{root}: passed over 2 .db, 1 .mp4, 1 folder beside train and test, 1 hidden"]


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
    _write(root / place, _picture(0))
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
    _write(moved, _picture(999))
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
