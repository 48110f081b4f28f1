"""Training sets of several targets, joined into what one network learns from."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from ferkit.data.training_set import TrainingSet, equal_shares
from ferkit.errors import ConfigError
from ferkit.training.examples import join


def training_set(rows, classes, indices=None, class_weight=None):
    label = np.array([abs(row) % classes for row in rows])
    images = np.stack([np.full((48, 48), abs(row), dtype=np.uint8) for row in rows])
    chosen = np.arange(len(rows)) if indices is None else np.array(indices)
    weight = None if class_weight is None else np.array(class_weight, dtype=np.float32)
    targets = np.eye(classes, dtype=np.float32)[label]
    return TrainingSet(images, targets, np.array(rows, dtype=np.int64), chosen.astype(np.int64), weight)


def test_one_set_stays_as_it_is():
    examples = join({"fer": training_set([4, 5, 6], 7, indices=[0, 1, 1, 2])})
    assert examples.heads == {"fer": 7}
    assert examples.indices.tolist() == [0, 1, 1, 2]
    assert examples.labels["fer"].argmax(axis=1).tolist() == [4, 5, 6]


def test_labels_meet_at_their_picture_and_a_missing_one_weighs_nothing():
    examples = join({"fer": training_set([4, 5, 6], 7, indices=[0, 0, 1, 2]), "ferplus": training_set([6, 4], 8)})
    assert examples.heads == {"fer": 7, "ferplus": 8}
    assert examples.indices.tolist() == [0, 0, 1, 2]
    assert examples.labels["ferplus"].sum(axis=1).tolist() == [1, 0, 1]
    assert examples.labels["ferplus"].argmax(axis=1)[[0, 2]].tolist() == [4, 6]


def test_a_picture_that_only_the_second_set_has_is_seen_once_an_epoch():
    examples = join({"ferplus": training_set([4, 6], 8), "fer": training_set([4, 5, 6, 7], 7)})
    assert [int(image[0, 0]) for image in examples.images] == [4, 6, 5, 7]
    assert sorted(examples.indices.tolist()) == [0, 1, 2, 3]
    assert examples.labels["ferplus"].sum(axis=1).tolist() == [1, 1, 0, 0]
    assert examples.labels["fer"].argmax(axis=1).tolist() == [4, 6, 5, 0]


def test_pictures_that_balancing_made_stay_with_the_first_target():
    first = training_set([4, 5, -1], 7)
    examples = join({"fer": first, "ferplus": training_set([4, 5, 9], 8)})
    assert [int(image[0, 0]) for image in examples.images] == [4, 5, 1, 9]
    assert examples.labels["ferplus"].sum(axis=1).tolist() == [1, 1, 0, 1]
    with pytest.raises(ConfigError, match="made for fer"):
        join({"ferplus": training_set([4, 5], 8), "fer": first})


def test_a_class_weight_is_the_sum_of_the_label():
    weighted = training_set([0, 1, 2], 7, class_weight=[2, 0.5, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(join({"fer": weighted}).labels["fer"].sum(axis=1), [2, 0.5, 1])


def test_a_picture_counts_as_much_as_its_weight():
    first = replace(training_set([4, 5], 7), weight=np.array([0.5, 1.5], dtype=np.float32))
    second = replace(training_set([5, 6], 8), weight=np.array([2, 0.25], dtype=np.float32))
    examples = join({"fer": first, "ferplus": second})
    assert examples.labels["fer"].sum(axis=1).tolist() == [0.5, 1.5, 0]
    assert examples.labels["ferplus"].sum(axis=1).tolist() == [0, 2, 0.25]


def test_a_soft_label_weighs_each_class_by_its_own_weight():
    soft = replace(
        training_set([0, 1], 7),
        targets=np.array([[0.75, 0.25], [0.5, 0.5]], np.float32) @ np.eye(2, 7, dtype=np.float32),
    )
    soft = replace(soft, class_weight=equal_shares(soft.targets))
    np.testing.assert_allclose(soft.class_weight[:2], [1 / 1.25, 1 / 0.75])
    labels = join({"fer": soft}).labels["fer"]
    np.testing.assert_allclose(labels[0, :2], [0.75 / 1.25, 0.25 / 0.75], rtol=1e-6)
    np.testing.assert_allclose(labels.sum(axis=0)[:2], [1, 1], rtol=1e-6)


def test_a_later_target_has_equal_shares_of_the_epoch_that_the_first_one_made():
    # Of the three passes over labels of ferplus, two are of class 4.
    first, second = training_set([4, 5], 7, indices=[0, 0, 1]), training_set([4, 5], 8, class_weight=np.ones(8))
    labels = join({"fer": first, "ferplus": second}).labels["ferplus"]
    np.testing.assert_allclose(labels.max(axis=1), [0.75, 1.5])


def test_the_hash_covers_every_part():
    hashes = {
        join(sets).content_hash()
        for sets in (
            {"fer": training_set([4, 5], 7)},
            {"fer": training_set([4, 5], 7, indices=[0, 1, 1])},
            {"fer": training_set([4, 6], 7)},
            {"fer": training_set([4, 5], 7, class_weight=[1, 1, 1, 1, 2, 1, 1])},
            {"fer": training_set([4, 5], 7), "ferplus": training_set([4], 8)},
        )
    }
    assert len(hashes) == 5


def test_the_loss_enters_the_hash_only_where_it_is_another():
    sets = {"fer": training_set([4, 5], 7), "ferplus": training_set([4], 8)}
    plain = join(sets)
    # Of trainings that are kept: sha256 of each array's name, shape, and bytes.
    digest = hashlib.sha256()
    for name, array in (("images", plain.images), *plain.labels.items(), ("indices", plain.indices)):
        digest.update(f"{name} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    assert plain.content_hash() == digest.hexdigest()
    others = [join(sets, frozenset(names)).content_hash() for names in (["fer"], ["ferplus"], ["fer", "ferplus"])]
    assert len({plain.content_hash(), *others}) == 4
