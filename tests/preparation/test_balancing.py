import logging

import numpy as np
import pytest
from pydantic import ValidationError

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FER_EMOTIONS
from ferkit.data.targets import TargetSettings
from ferkit.data.training_set import TrainingSet
from ferkit.errors import DataError
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.training.examples import join

FER = TargetSettings()
DISGUST = FER_EMOTIONS.index("disgust")


def make_faces(counts: dict[int, int], seed: int = 0, spread: float = 6.0, apart: float = 25.0) -> FaceDataset:
    """Faces of each class around a grey of their own, `apart` from the next, and as many again in another split."""
    generator = np.random.default_rng(seed)
    label = np.repeat(list(counts), list(counts.values())).astype(np.int8)
    label = np.concatenate([label, label])
    split = np.repeat([0, 1], len(label) // 2).astype(np.int8)
    images = 40 + apart * label[:, None, None] + generator.normal(0, spread, (len(label), 48, 48))
    votes = np.zeros((len(label), 10), dtype=np.uint8)
    votes[np.arange(len(label)), np.array([4, 5, 6, 1, 3, 2, 0])[label]] = 7
    votes[:, 0] += 3
    images = np.clip(images, 0, 255).astype(np.uint8)
    return FaceDataset(images, label, split, np.arange(len(label)) + 1000, votes)


FACES = make_faces({0: 20, 1: 8, 3: 40})


def settings(method: str, **more: object) -> BalancingSettings:
    return BalancingSettings.model_validate({"method": method, **more})


def test_none_keeps_the_training_split_as_it_is() -> None:
    balanced = oversample(FACES, FER, settings("none"), seed=0)
    training = FACES.of_split("Training")
    np.testing.assert_array_equal(balanced.images, training.images)
    np.testing.assert_array_equal(balanced.row, training.row)
    np.testing.assert_array_equal(balanced.label, training.label)
    np.testing.assert_array_equal(balanced.indices, np.arange(68))
    assert balanced.class_weight is None
    assert balanced.counts_after.tolist() == [20, 8, 0, 40, 0, 0, 0]


def test_random_over_sampler_repeats_indices_and_makes_no_pixel() -> None:
    balanced = oversample(FACES, FER, settings("random_over_sampler"), seed=0)
    assert len(balanced.images) == 68
    assert balanced.counts_before.tolist() == [20, 8, 0, 40, 0, 0, 0]
    assert balanced.counts_after.tolist() == [40, 40, 0, 40, 0, 0, 0]
    assert set(balanced.indices) == set(range(68)), "every real picture is still used"
    assert len(balanced) == 120


def test_ratio_is_the_least_share_of_the_largest_class() -> None:
    for method in ("random_over_sampler", "smote"):
        balanced = oversample(FACES, FER, settings(method, ratio=0.25), seed=0)
        assert balanced.counts_after.tolist() == [20, 10, 0, 40, 0, 0, 0], method


@pytest.mark.parametrize("method", ["smote", "adasyn"])
def test_interpolated_faces_lie_between_faces_of_their_class(method: str) -> None:
    faces = make_faces({0: 20, 1: 8, 3: 40}, spread=60.0, apart=0.5)
    balanced = oversample(faces, FER, settings(method), seed=0)
    real = ~balanced.made
    np.testing.assert_array_equal(balanced.images[real], faces.of_split("Training").images)
    assert not balanced.made[:68].any()
    assert balanced.made[68:].all()
    assert np.abs(balanced.counts_after[[0, 1]] - 40).max() <= (0 if method == "smote" else 10)
    assert (balanced.targets[68:].max(axis=1) == 1).all()
    for index in (0, 1):
        originals = balanced.images[real & (balanced.label == index)].astype(int)
        made = balanced.images[balanced.made & (balanced.label == index)].astype(int)
        assert len(made)
        assert (made >= originals.min(axis=0)).all()
        assert (made <= originals.max(axis=0)).all()
        # On the line between two originals: the distances to both add up to the distance between them.
        flat, ends = made.reshape(len(made), -1), originals.reshape(len(originals), -1)
        to_ends = np.sqrt(((flat[:, None] - ends[None]) ** 2).sum(-1))
        between = np.sqrt(((ends[:, None] - ends[None]) ** 2).sum(-1))
        detour = to_ends[:, :, None] + to_ends[:, None, :] - between
        detour[:, np.arange(len(ends)), np.arange(len(ends))] = np.inf
        # Rounding to whole grey values moves a picture by up to half a grey value a pixel, sqrt(2304) / sqrt(12) = 14
        # on average, nearly at right angles to the line.
        assert detour.min(axis=(1, 2)).max() < 5


def test_a_copy_of_a_picture_is_not_taken_for_its_neighbour() -> None:
    """SMOTE between a picture and its copy makes the picture again; FER-2013 has 1,855 copies."""
    faces = make_faces({0: 16, 3: 60}, spread=60.0)
    images = np.array(faces.images)
    images[8:16] = images[0:8]
    faces = FaceDataset(images, faces.label, faces.split, faces.row, faces.votes)
    balanced = oversample(faces, FER, settings("smote", neighbours=1), seed=0)
    assert balanced.counts_after[0] == 60
    originals = {image.tobytes() for image in images}
    assert not [image for image in balanced.images[balanced.made] if image.tobytes() in originals]


def test_a_picture_with_two_labels_counts_for_its_first() -> None:
    """At no distance from itself, it would be chance which of the two ADASYN takes for the neighbour."""
    faces = make_faces({0: 16, 3: 60}, spread=60.0)
    images = np.array(faces.images)
    images[60:70] = images[0:10]
    faces = FaceDataset(images, faces.label[::-1].copy(), faces.split, faces.row, faces.votes)
    with pytest.raises(DataError, match="6 different training pictures of class 'angry'"):
        oversample(faces, FER, settings("smote", neighbours=6), seed=0)


def test_a_class_smaller_than_its_neighbours_says_so() -> None:
    faces = make_faces({0: 20, 1: 5, 3: 40})
    for method in ("smote", "adasyn"):
        with pytest.raises(
            DataError, match=r"5 different training pictures of class 'disgust'.*neighbours = 5.*random_"
        ):
            oversample(faces, FER, settings(method), seed=0)
    assert oversample(faces, FER, settings("smote", neighbours=4), seed=0).counts_after[1] == 40


def test_adasyn_leaves_a_class_that_no_other_is_near_and_serves_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    faces = make_faces({0: 20, 1: 12, 3: 40}, spread=1.0)
    images = np.array(faces.images)
    apart = faces.label == 0
    # Class 1 now lies among class 3, class 0 alone.
    images[faces.label == 1] = images[faces.label == 1] + 50
    images[apart] = 0
    images[apart, 0, 0] = np.arange(apart.sum())
    faces = FaceDataset(images, faces.label, faces.split, faces.row, faces.votes)
    with caplog.at_level(logging.WARNING):
        balanced = oversample(faces, FER, settings("adasyn"), seed=0)
    assert balanced.counts_after[0] == 20
    assert balanced.counts_after[1] > 30
    assert "none of the 20 pictures wanted of class 'angry'" in caplog.text
    assert "smote" in caplog.text


def test_augment_disgust_varies_disgusted_faces_only() -> None:
    balanced = oversample(FACES, FER, settings("augment_disgust", disgust_factor=3.5), seed=0)
    assert balanced.counts_after.tolist() == [20, 28, 0, 40, 0, 0, 0]
    made = balanced.images[balanced.made]
    assert len({image.tobytes() for image in made}) == 20
    assert (balanced.label[balanced.made] == DISGUST).all()


def test_augmented_faces_are_the_original_slightly_moved_and_half_of_them_mirrored() -> None:
    size = np.linspace(-1, 1, 48)
    # A blob left of the middle tells a mirrored picture from one that is not, and how far it moved.
    blob = 200 * np.exp(-((size[:, None]) ** 2 + (size[None] + 0.4) ** 2) / 0.05)
    images = np.stack([blob, np.zeros((48, 48))]).astype(np.uint8)
    faces = FaceDataset(
        images, np.array([DISGUST, 3], dtype=np.int8), np.zeros(2, dtype=np.int8), np.arange(2, dtype=np.int64)
    )
    balanced = oversample(faces, FER, settings("augment_disgust", disgust_factor=101), seed=3)
    made = balanced.images[balanced.made].astype(float)
    total = made.sum(axis=(1, 2))
    across = (made * np.arange(48)).sum(axis=(1, 2)) / total
    down = (made * np.arange(48)[:, None]).sum(axis=(1, 2)) / total
    mirrored = across > 23.5
    assert 30 < mirrored.sum() < 70
    distance = np.where(mirrored, 47 - across, across) - (blob * np.arange(48)).sum() / blob.sum()
    assert np.abs(distance).max() < 8
    assert np.abs(distance).std() > 0.5
    assert np.abs(down - 23.5).max() < 8


def test_a_ferplus_copy_keeps_the_votes_of_its_original() -> None:
    balanced = oversample(FACES, TargetSettings(name="ferplus"), settings("augment_disgust", disgust_factor=2), seed=0)
    disgust = 5
    assert balanced.counts_after[disgust] == 16
    np.testing.assert_allclose(balanced.targets[balanced.made][:, [0, disgust]], [[0.3, 0.7]] * 8, atol=1e-6)


def test_class_weights_even_out_what_the_method_left() -> None:
    balanced = oversample(FACES, FER, settings("none", class_weight=True), seed=0)
    assert balanced.class_weight is not None
    share = balanced.class_weight * balanced.counts_after
    np.testing.assert_allclose(share[[0, 1, 3]], 68 / 3, rtol=1e-5)
    assert (balanced.targets @ balanced.class_weight).mean() == pytest.approx(1)
    evened = oversample(FACES, FER, settings("random_over_sampler", class_weight=True), seed=0)
    assert evened.class_weight is not None
    np.testing.assert_allclose(evened.class_weight, 1.0)


@pytest.mark.parametrize("method", ["none", "random_over_sampler", "weighted_sampling"])
def test_class_weights_of_soft_labels_average_one_and_give_each_class_the_same_share_of_the_loss(method) -> None:
    balanced = oversample(FACES, TargetSettings(name="ferplus"), settings(method, class_weight=True), seed=0)
    labels = join({"ferplus": balanced}).labels["ferplus"][balanced.indices]
    if balanced.sampling is not None:
        labels = labels * balanced.sampling[:, None]
    share = labels.sum(axis=0) / len(balanced)
    present = balanced.targets.sum(axis=0) > 0
    assert 2 < present.sum() < 8
    np.testing.assert_allclose(share, present / present.sum(), rtol=1e-4)


@pytest.mark.parametrize("method", ["random_over_sampler", "smote", "adasyn", "augment_disgust"])
def test_the_seed_alone_decides(method: str) -> None:
    faces = make_faces({0: 20, 1: 8, 3: 40}, spread=60.0)
    first, again, other = (oversample(faces, FER, settings(method), seed=seed).content_hash() for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("method", ["none", "random_over_sampler", "smote", "adasyn", "augment_disgust"])
def test_the_other_splits_are_never_read(method: str) -> None:
    images = np.array(FACES.images)
    images[~FACES.in_split("Training")] = 0
    blank = FaceDataset(images, FACES.label, FACES.split, FACES.row, FACES.votes)
    hashes = {oversample(faces, FER, settings(method), seed=0).content_hash() for faces in (FACES, blank)}
    assert len(hashes) == 1


def test_one_class_or_none_to_balance() -> None:
    alone = FACES.take(FACES.label == 3)
    for method in ("random_over_sampler", "smote", "adasyn"):
        assert oversample(alone, FER, settings(method), seed=0).counts_after.tolist() == [0, 0, 0, 40, 0, 0, 0]
    with pytest.raises(DataError, match="no training picture is labelled disgust"):
        oversample(alone, FER, settings("augment_disgust"), seed=0)
    with pytest.raises(DataError, match="no picture of the split Training has a fer label"):
        oversample(FACES.of_split("PublicTest"), FER, settings("none"), seed=0)


def test_a_training_set_is_checked_and_immutable() -> None:
    balanced = oversample(FACES, FER, settings("none"), seed=0)
    with pytest.raises(ValueError, match="read-only"):
        balanced.images[0] = 0
    good = {"images": balanced.images, "targets": balanced.targets, "row": balanced.row, "indices": balanced.indices}
    with pytest.raises(DataError, match="from 0 to 68, expected 0 to 67"):
        TrainingSet(**{**good, "indices": np.array([0, 68])})
    with pytest.raises(DataError, match="does not sum to 1"):
        TrainingSet(**{**good, "targets": balanced.targets * 2})
    with pytest.raises(DataError, match=r"TrainingSet.row is float64 \(68,\), expected int64"):
        TrainingSet(**{**good, "row": balanced.row.astype(float)})


@pytest.mark.parametrize("wrong", [{"ratio": 0}, {"ratio": 1.1}, {"neighbours": 0}, {"method": "smoteenn"}, {"k": 3}])
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BalancingSettings.model_validate(wrong)
