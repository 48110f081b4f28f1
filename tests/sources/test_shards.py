"""Tar shards of anybody: a `FaceDataset` whose pixels stay where they are, or the sample that lacks something."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from ferkit.data.dataset import as_faces
from ferkit.data.labels import FER_EMOTIONS, SPLITS
from ferkit.errors import DataError
from ferkit.sources import FolderSettings, ShardSettings, load
from tests.sources.written_pictures import PICTURE, write_tar
from tests.toys.pictures import encoded


def test_larger_pictures_keep_their_side_and_colour(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    write_tar(tmp_path / "train.tar", [("a.png", encoded(pixels)), ("a.cls", b"3")])
    images = load(ShardSettings(path=tmp_path, side=96, colour="rgb")).images
    assert images.shape == (1, 96, 96, 3)
    np.testing.assert_array_equal(np.asarray(images)[0], pixels)
    small = np.asarray(as_faces(images))
    assert small.shape == (1, 48, 48)
    np.testing.assert_array_equal(small, np.asarray(load(ShardSettings(path=tmp_path)).images))


def test_a_web_dataset_of_somebody_else(tmp_path):
    pixels = np.full((48, 48), 7, dtype=np.uint8)
    votes = [0, 9, 1, 0, 0, 0, 0, 0, 0, 0]
    write_tar(
        tmp_path / "val-000.tar",
        [
            ("x/0001.jpg.txt", b"passed over"),
            ("x/0001.cls", b"happiness\n"),
            ("x/0001.png", encoded(pixels)),
            ("x/0002.png", encoded(pixels + 1)),
            ("x/0002.json", json.dumps({"emotion": "SAD", "split": "test", "votes": votes}).encode()),
        ],
    )
    faces = load(ShardSettings(path=tmp_path))
    assert [FER_EMOTIONS[label] for label in faces.label] == ["happy", "sad"]
    assert [SPLITS[split] for split in faces.split] == ["PublicTest", "PrivateTest"]
    assert faces.row.tolist() == [0, 1]
    assert np.asarray(faces.images)[:, 0, 0].tolist() == [7, 8]
    # One picture without votes is a dataset without votes.
    assert faces.votes is None


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (("joy", "sad"), ("joy", "sad")),
        (("3", "happy"), FER_EMOTIONS),
        (("3", "7"), ("3", "7")),
        (("3", "joy"), ("3", "joy")),
    ],
)
def test_classes_of_shards(tmp_path, names, classes):
    members = []
    for at, name in enumerate(names):
        members += [(f"{at}.png", encoded(np.full((48, 48), at, dtype=np.uint8))), (f"{at}.cls", name.encode())]
    write_tar(tmp_path / "train.tar", members)
    faces = load(ShardSettings(path=tmp_path))
    assert faces.classes == classes
    expected = ["happy", "happy"] if classes == FER_EMOTIONS else list(names)
    assert [faces.classes[label] for label in faces.label] == expected


@pytest.mark.parametrize(
    ("members", "line"),
    [
        ([PICTURE], r"train\.tar, sample a: no \.json or \.cls, expected NAME\.png"),
        ([("a.cls", b"3")], r"train\.tar, sample a: no picture"),
        ([PICTURE, ("a.json", b"{")], r'sample a: its \.json is not {"emotion": "happy"'),
        ([PICTURE, ("a.json", b'{"emotion": 3, "row": -1}')], r"sample a: row -1, expected a number from 0"),
        ([PICTURE, ("a.json", b'{"emotion": 3, "votes": [1]}')], r"sample a: votes \[1\], expected 10 numbers"),
        ([("a.png", b"no picture"), ("a.cls", b"3")], r"train\.tar, a\.png: not a picture, .*Make the shard again"),
        ([("notes.md", b"x")], r"no picture in its 1 shards"),
    ],
)
def test_a_sample_that_lacks_something_is_named(tmp_path, members, line):
    write_tar(tmp_path / "train.tar", members)
    with pytest.raises(DataError, match=line):
        load(ShardSettings(path=tmp_path))


def test_a_shard_that_says_no_split(tmp_path):
    write_tar(tmp_path / "part-1.tar", [PICTURE, ("a.cls", b"3")])
    with pytest.raises(DataError, match=r"sample a: no split: neither its \.json nor the name of the shard"):
        load(ShardSettings(path=tmp_path))


def test_a_folder_without_shards(tmp_path):
    with pytest.raises(DataError, match=r"no \.tar file in this folder"):
        load(ShardSettings(path=tmp_path))
    with pytest.raises(DataError, match="no such folder"):
        load(ShardSettings(path=tmp_path / "no"))


def test_a_picture_in_memory_has_one_form():
    with pytest.raises(ValidationError, match=r"pictures in memory are 48x48 and grey, not 96x96 grey: set stream"):
        FolderSettings(path=Path("x"), side=96)
