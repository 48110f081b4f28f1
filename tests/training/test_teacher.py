"""The teacher of a run's students: members that vote on the training pictures."""

import numpy as np
import pytest

from ferkit.backbones import BackboneSettings, build_network
from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import TargetSettings
from ferkit.data.training_set import TrainingSet
from ferkit.errors import DataError
from ferkit.models import face_model
from ferkit.models.ensemble import Ensemble
from ferkit.models.face_model import FaceModel, forward
from ferkit.models.test_time_augmentation import NO_TTA, TestTimeAugmentation
from ferkit.training.distillation import DistillationSettings, distil
from ferkit.training.teacher import predict_training, teach

FER = TargetSettings()
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


@pytest.fixture(scope="module")
def faces(training_set):
    """The data of the training set: its pictures lie in Training in another order, beside one of PublicTest."""
    images = training_set.images[[3, 0, 1, 2, 5, 4, 6]]
    row = np.array([13, 10, 11, 12, 15, 14, 20], dtype=np.int64)
    return FaceDataset(images, np.zeros(7, np.int8), np.array([0] * 6 + [1], np.int8), row)


def taught(models, ensemble, faces, training_set, tta=NO_TTA):
    predicted = {each.name: predict_training(each, faces, [FER], [ensemble], tta) for each in models}
    return teach({name: each["fer"] for name, each in predicted.items() if each}, ensemble, training_set)


def test_the_voters_predict_every_real_picture_once_with_the_views_that_are_asked_for(models, faces, training_set):
    ensemble = Ensemble("fer", "weighted", ("j", "a"), (0.75, 0.25))
    teacher = taught(models, ensemble, faces, training_set, FLIP)
    assert (teacher.target, teacher.split) == ("fer", "Training")
    np.testing.assert_array_equal(teacher.row, np.arange(10, 16))
    images = training_set.images[:6]
    of_a = models[0].predict(images, FLIP)
    of_j = FaceModel("j", "fer", models[1].file).predict(images, FLIP)
    np.testing.assert_allclose(teacher.probabilities, 0.25 * of_a + 0.75 * of_j, atol=1e-6)
    plain = taught(models, ensemble, faces, training_set)
    assert not np.allclose(teacher.probabilities, plain.probabilities, atol=1e-6)
    learned = distil(training_set, teacher, DistillationSettings(weight=1))
    np.testing.assert_allclose(learned.targets[:6], teacher.probabilities, atol=1e-6)


def test_a_network_with_two_heads_sees_each_picture_once_for_both(models, faces, monkeypatch):
    votes = [Ensemble(target, "mean", ("a", "j"), (0.5, 0.5)) for target in ("fer", "ferplus")]
    seen = []
    monkeypatch.setattr(face_model, "forward", lambda *given: seen.append(len(given[1])) or forward(*given))
    found = predict_training(models[1], faces, [FER, TargetSettings(name="ferplus")], votes)
    assert seen == [6]
    assert {target: each.probabilities.shape for target, each in found.items()} == {"fer": (6, 7), "ferplus": (6, 8)}


def test_a_voter_without_weight_predicts_nothing(models, faces, training_set):
    idle = Ensemble("fer", "weighted", ("a", "j"), (1.0, 0.0))
    assert predict_training(models[1], faces, [FER], [idle]) == {}
    alone = taught(models[:1], Ensemble("fer", "mean", ("a",), (1.0,)), faces, training_set)
    np.testing.assert_array_equal(alone.probabilities, taught(models, idle, faces, training_set).probabilities)


def test_a_missing_voter_is_named(models, faces, training_set):
    with pytest.raises(DataError, match=r"no predictions of its members \['b'\]"):
        taught(models[:1], Ensemble("fer", "mean", ("a", "b"), (0.5, 0.5)), faces, training_set)


def test_the_labels_of_pictures_that_balancing_made_stay(models, faces, training_set):
    teacher = taught(models, Ensemble("fer", "mean", ("a",), (1.0,)), faces, training_set)
    learned = distil(training_set, teacher, DistillationSettings(weight=1))
    np.testing.assert_array_equal(learned.targets[6:], training_set.targets[6:])
