"""The teacher of a run's students: members that vote, asked about the training pictures."""

import numpy as np
import pytest

from ferkit.backbones import BackboneSettings, build_network
from ferkit.data.training_set import TrainingSet
from ferkit.errors import DataError
from ferkit.models.ensemble import Ensemble
from ferkit.models.face_model import FaceModel
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from ferkit.training.distillation import DistillationSettings, distil
from ferkit.training.teacher import teach

FLIP = TestTimeAugmentation(flip=True)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A network for FER alone, and one with a head for each target, stored as the pipeline does."""
    folder = tmp_path_factory.mktemp("models")
    saved = []
    for label, heads in (("a", {"fer": 7}), ("j", {"ferplus": 8, "fer": 7})):
        network = build_network(BackboneSettings(name="fernet", alias=label, width=4), heads, seed=len(saved))
        saved.append(FaceModel.save(network, label, next(iter(heads)), folder / f"{label}.keras"))
    return saved


@pytest.fixture(scope="module")
def training_set():
    """Six pictures of the rows 10 to 15, and two that balancing made of them; one is repeated in an epoch."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (8, 48, 48)).astype(np.uint8)
    labels = np.eye(7, dtype=np.float32)[generator.integers(0, 7, 8)]
    row = np.array([*range(10, 16), -1, -1], dtype=np.int64)
    return TrainingSet(images, labels, row, np.array([*range(8), 0], dtype=np.int64))


def test_the_members_vote_on_every_real_picture_once_with_the_views_that_are_asked_for(models, training_set):
    ensemble = Ensemble("fer", "weighted", ("j", "a"), (0.75, 0.25))
    said = teach(models, ensemble, training_set, FLIP)
    assert (said.target, said.split) == ("fer", "Training")
    np.testing.assert_array_equal(said.row, np.arange(10, 16))
    images = training_set.images[:6]
    of_a = models[0].predict(images, FLIP)
    of_j = FaceModel("j", "fer", models[1].file).predict(images, FLIP)
    np.testing.assert_allclose(said.probabilities, 0.25 * of_a + 0.75 * of_j, atol=1e-6)
    assert not np.allclose(said.probabilities, teach(models, ensemble, training_set).probabilities, atol=1e-6)
    learned = distil(training_set, said, DistillationSettings(weight=1))
    np.testing.assert_allclose(learned.targets[:6], said.probabilities, atol=1e-6)


def test_a_member_without_weight_is_not_asked(models, training_set):
    alone = teach(models, Ensemble("fer", "mean", ("a",), (1.0,)), training_set)
    idle = teach(models[:1], Ensemble("fer", "weighted", ("a", "gone"), (1.0, 0.0)), training_set)
    np.testing.assert_array_equal(alone.probabilities, idle.probabilities)


def test_a_missing_member_is_named(models, training_set):
    with pytest.raises(DataError, match=r"no predictions of its members \['b'\]"):
        teach(models, Ensemble("fer", "mean", ("a", "b"), (0.5, 0.5)), training_set)


def test_the_labels_of_pictures_that_balancing_made_stay(models, training_set):
    said = teach(models, Ensemble("fer", "mean", ("a",), (1.0,)), training_set)
    learned = distil(training_set, said, DistillationSettings(weight=1))
    np.testing.assert_array_equal(learned.targets[6:], training_set.targets[6:])
