from dataclasses import replace

import numpy as np
import pytest

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FER_EMOTIONS
from ferkit.errors import DataError


def faces(count=6, *, votes=False):
    generator = np.random.default_rng(0)
    return FaceDataset(
        images=generator.integers(0, 256, (count, 48, 48), dtype=np.uint8),
        label=np.arange(count, dtype=np.int8) % 7,
        split=np.arange(count, dtype=np.int8) % 3,
        row=np.arange(count, dtype=np.int64) * 10,
        votes=generator.integers(0, 5, (count, 10), dtype=np.uint8) if votes else None,
    )


def test_take_keeps_every_column_together():
    some = faces(votes=True).take([4, 1])
    assert some.row.tolist() == [40, 10]
    assert some.label.tolist() == [4, 1]
    np.testing.assert_array_equal(some.images[1], faces(votes=True).images[1])
    np.testing.assert_array_equal(some.votes[0], faces(votes=True).votes[4])


def test_of_split_takes_that_split_alone():
    assert faces().of_split("PublicTest").row.tolist() == [10, 40]


def test_arrays_cannot_be_written_and_the_callers_own_still_can():
    images = np.zeros((1, 48, 48), dtype=np.uint8)
    made = FaceDataset(images, np.zeros(1, np.int8), np.zeros(1, np.int8), np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="read-only"):
        made.images[0, 0, 0] = 1
    images[0, 0, 0] = 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((6, 47, 48), np.uint8)}, r"images is uint8 \(6, 47, 48\), expected uint8 \(6, 48, 48\)"),
        ({"images": np.zeros((6, 48, 48), np.float32)}, "images is float32"),
        ({"label": np.zeros(5, np.int8)}, r"label is int8 \(5,\)"),
        ({"votes": np.zeros((6, 8), np.uint8)}, r"votes is uint8 \(6, 8\), expected uint8 \(6, 10\)"),
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(change, message):
    fields = {name: getattr(faces(), name) for name in ("images", "label", "split", "row", "votes")}
    with pytest.raises(DataError, match=message):
        FaceDataset(**{**fields, **change})


def test_content_hash_is_equal_for_equal_data_and_changes_with_any_of_it():
    base = faces(votes=True)
    assert base.content_hash() == faces(votes=True).content_hash()
    assert base.content_hash() != faces(votes=False).content_hash()
    for name in ("images", "label", "split", "row", "votes"):
        changed = np.array(getattr(base, name))
        changed.flat[0] += 1
        fields = {each: getattr(base, each) for each in ("images", "label", "split", "row", "votes")}
        assert FaceDataset(**{**fields, name: changed}).content_hash() != base.content_hash(), name


def test_classes_subjects_and_weights_count_only_where_they_are():
    base = faces()
    known = base.content_hash()
    assert replace(base, classes=FER_EMOTIONS).content_hash() == known
    others = (
        {"classes": FER_EMOTIONS[::-1]},
        {"subject": np.arange(6, dtype=np.int32)},
        {"weight": np.ones(6, dtype=np.float32)},
    )
    hashes = {replace(base, **change).content_hash() for change in others}
    assert len(hashes | {known}) == 4
    some = replace(base, **others[1], **others[2], classes=tuple("abcdefg")).take([4, 1])
    assert some.subject.tolist() == [4, 1]
    assert some.weight.tolist() == [1, 1]
    assert some.classes == tuple("abcdefg")
    for wrong in (("a", "a"), (), tuple(map(str, range(128)))):
        with pytest.raises(DataError, match="expected 1 to 127 different ones"):
            replace(base, classes=wrong)


def test_picture_hashes_are_equal_for_duplicates_only():
    hashes = faces().take([0, 1, 0]).picture_hashes()
    assert hashes[0] == hashes[2] != hashes[1]
    assert len(hashes[0]) == 64


def test_no_pictures_are_a_dataset_too():
    none = faces().take([])
    assert len(none) == 0
    assert none.picture_hashes().shape == (0,)
    assert none.content_hash() == faces().take(np.zeros(6, dtype=bool)).content_hash()
