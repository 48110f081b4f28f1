import numpy as np
import pytest

from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import labelled
from ferkit.errors import DataError


def faces(votes):
    count = 3
    return FaceDataset(
        images=np.zeros((count, 48, 48), np.uint8),
        label=np.array([3, 0, 6], np.int8),
        split=np.zeros(count, np.int8),
        row=np.array([5, 6, 7], np.int64),
        votes=votes,
    )


VOTES = np.array(
    [[0, 10, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 10], [6, 0, 0, 4, 0, 0, 0, 0, 0, 0]], np.uint8
)


def test_fer_labels_every_picture_one_hot():
    kept, labels = labelled(faces(None), "fer")
    assert len(kept) == 3
    assert labels.argmax(axis=1).tolist() == [3, 0, 6]
    assert labels.sum(axis=1).tolist() == [1, 1, 1]


def test_ferplus_keeps_what_the_protocol_keeps():
    kept, labels = labelled(faces(VOTES), "ferplus", "probability")
    assert kept.row.tolist() == [5, 7]
    np.testing.assert_allclose(labels[1][[0, 3]], [0.6, 0.4])
    kept, labels = labelled(faces(VOTES), "ferplus", "majority")
    assert labels[1].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]


def test_ferplus_without_votes_says_which_file_is_missing():
    with pytest.raises(DataError, match=r"fer2013new\.csv"):
        labelled(faces(None), "ferplus")
