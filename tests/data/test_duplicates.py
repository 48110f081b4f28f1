"""Pictures that occur more than once, within a split and across."""

import numpy as np
import pytest

from ferkit.data.dataset import SIZE, FaceDataset
from ferkit.data.duplicates import cross_split_duplicates, duplicate_groups
from ferkit.data.labels import SPLITS
from ferkit.sources.synthetic.generate import SyntheticSettings, generate

# Which picture each row shows, and its split: Training, PublicTest, PrivateTest mixed, as a shuffled file has them.
_PICTURE = "abacdbeafgdd"
_SPLIT = [0, 0, 0, 1, 0, 1, 2, 2, 2, 1, 2, 2]


@pytest.fixture(scope="module")
def faces() -> FaceDataset:
    pictures = {name: np.full((SIZE, SIZE), 100, dtype=np.uint8) for name in set(_PICTURE)}
    for index, name in enumerate(sorted(pictures)):
        # They differ in one grey level of one pixel.
        pictures[name][-1, -1] = index
    count = len(_PICTURE)
    return FaceDataset(
        np.stack([pictures[name] for name in _PICTURE]),
        np.arange(count).astype(np.int8) % 7,
        np.array(_SPLIT, dtype=np.int8),
        # Rows of the source say nothing about equality.
        np.arange(count, dtype=np.int64)[::-1] + 100,
    )


def test_a_group_is_named_after_its_first_picture(faces):
    assert duplicate_groups(faces).tolist() == [_PICTURE.index(name) for name in _PICTURE]
    assert duplicate_groups(faces).dtype == np.int64


@pytest.mark.parametrize(
    ("split", "shared"),
    [
        ("Training", "TTTT"),  # a b a d: in PrivateTest, PublicTest, PrivateTest, PrivateTest
        ("PublicTest", "FTF"),  # c b g: b in Training
        ("PrivateTest", "FTFTT"),  # e a f d d: a and d in Training
    ],
)
def test_which_pictures_of_a_split_another_one_has(faces, split, shared):
    mask = cross_split_duplicates(faces, split)
    assert mask.dtype == bool
    assert mask.tolist() == [each == "T" for each in shared]
    assert len(mask) == len(faces.of_split(split))


def test_copies_within_a_split_are_not_shared(faces):
    alone = faces.of_split("PrivateTest")
    assert duplicate_groups(alone).tolist() == [0, 1, 2, 3, 3]
    assert not cross_split_duplicates(alone, "PrivateTest").any()


def test_neither_label_nor_votes_make_a_picture_another(faces):
    votes = np.arange(len(faces) * 10, dtype=np.uint8).reshape(-1, 10)
    other = FaceDataset(faces.images, faces.label[::-1], faces.split, faces.row, votes)
    assert (duplicate_groups(other) == duplicate_groups(faces)).all()


def test_a_split_without_pictures(faces):
    assert cross_split_duplicates(faces.of_split("Training"), "PublicTest").tolist() == []


def test_what_the_generator_copied_is_found():
    drawn = generate(SyntheticSettings(count=300, duplicates=0.2))
    groups = duplicate_groups(drawn.faces)
    assert (np.where(groups == np.arange(300), -1, groups) == drawn.duplicate_of).all()
    for index, split in enumerate(SPLITS):
        inside = np.flatnonzero(drawn.faces.split == index)
        others = {groups[at] for at in np.flatnonzero(drawn.faces.split != index)}
        expected = [groups[at] in others for at in inside]
        assert cross_split_duplicates(drawn.faces, split).tolist() == expected
        assert any(expected), f"{split} shares no picture: the test would not notice"
