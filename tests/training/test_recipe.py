"""What a recipe may switch on: joint heads, mixing, averaged weights, distillation."""

import numpy as np
import pytest

from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import DataError
from ferkit.models.predictions import Predictions
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.training.augmentation import AugmentationSettings
from ferkit.training.distillation import DistillationSettings, distil
from ferkit.training.examples import Examples, SelectionExamples, join
from ferkit.training.fine_tune import fine_tune
from ferkit.training.member import train_member
from ferkit.training.mixing import MixingSettings
from tests.training.test_fine_tune import BACKBONE, LEARNER, TARGET, marked_faces, settings

FERPLUS = TargetSettings(name="ferplus")
STILL = AugmentationSettings(flip=0, rotation=0, shift=0, zoom=0)


def voted_faces():
    """Marked faces with FER+ votes for another order of the emotions; every fifth picture has none that counts."""
    faces = marked_faces()
    votes = np.zeros((len(faces), 10), dtype=np.uint8)
    votes[np.arange(len(faces)), 6 - faces.label] = 10
    votes[::5] = 0
    votes[::5, 8] = 10
    return FaceDataset(faces.images, faces.label, faces.split, faces.row, votes)


def examples(faces, *targets):
    return join({each.name: oversample(faces, each, BalancingSettings(), 0) for each in targets})


def selection(faces, *targets):
    return SelectionExamples.of(faces.of_split("PublicTest"), targets)


def train(faces, *targets, **change):
    chosen = settings(**change)
    return fine_tune(examples(faces, *targets), selection(faces, *targets), BACKBONE, chosen, 3)


def test_one_network_learns_both_targets_and_each_model_speaks_for_its_own(tmp_path):
    faces = voted_faces()
    balanced = {each.name: oversample(faces, each, BalancingSettings(), 0) for each in (TARGET, FERPLUS)}
    chosen = settings(epochs=8, learning_rate=0.005, batch_size=8)
    member = train_member(faces, balanced, [TARGET, FERPLUS], LEARNER, chosen, 3, workspace=tmp_path)
    assert set(member.models) == {"fer", "ferplus"}
    assert member.models["fer"].file == member.models["ferplus"].file
    assert list(tmp_path.glob("fer+ferplus-fernet/*/network.keras")) == [member.models["fer"].file]
    best = member.history.loc[member.history["val_accuracy"].idxmax()]
    assert best["val_accuracy"] == pytest.approx((best["val_accuracy/fer"] + best["val_accuracy/ferplus"]) / 2)
    public = faces.of_split("PublicTest")
    for target in (TARGET, FERPLUS):
        pictures, labels = labelled(public, target)
        predicted = member.models[target.name].predict(pictures.images)
        accuracy = (predicted.argmax(axis=1) == labels.argmax(axis=1)).mean()
        assert accuracy == pytest.approx(best[f"val_accuracy/{target.name}"])
        assert accuracy > 0.35


def test_the_loss_is_keras_own_with_smoothing_and_weights():
    import keras

    from ferkit.training.trainer import Trainer

    generator = np.random.default_rng(0)
    labels = np.eye(7, dtype=np.float32)[generator.integers(0, 7, 16)]
    weight = generator.uniform(0.5, 2, 16).astype(np.float32)
    predicted = generator.dirichlet(np.ones(7), 16).astype(np.float32)
    some = Examples(np.zeros((16, 48, 48), np.uint8), {"fer": labels}, np.arange(16))
    picture = keras.Input((48, 48, 1), dtype="uint8")
    network = keras.Model(picture, keras.layers.Dense(7)(keras.layers.Flatten()(keras.ops.cast(picture, "float32"))))
    trainer = Trainer(network, some, settings(label_smoothing=0.2), 0)
    ours = trainer.compute_loss(y_pred=[[predicted], [labels * weight[:, None]]])
    theirs = keras.losses.CategoricalCrossentropy(label_smoothing=0.2)(labels, predicted, sample_weight=weight)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)


def test_a_multi_label_loss_is_that_of_the_largest_probability_among_the_allowed_times_the_weight():
    from ferkit.training.trainer import MultiLabelLoss

    # Two of three are right, with weight 1 and 1.5; there is no label; what is right has no probability.
    labels = np.array([[0, 0.6, 0.4], [0, 0.5, 1], [0, 0, 0], [1, 0, 0]], np.float32)
    predicted = np.array([[0.7, 0.2, 0.1], [0.25, 0.5, 0.25], [0.2, 0.3, 0.5], [0, 1, 0]], np.float32)
    expected = [-np.log(0.2), -1.5 * np.log(0.5), 0, -np.log(np.finfo(np.float32).tiny)]
    np.testing.assert_allclose(MultiLabelLoss().call(labels, predicted), expected, rtol=1e-6)


def test_each_head_has_the_loss_of_its_target():
    from ferkit.backbones import build_network
    from ferkit.training.trainer import Trainer

    labels = np.array([[0, 0.5, 0.5, 0, 0, 0, 0, 0]], np.float32)
    predicted = np.array([[0.1, 0.2, 0.3, 0.4, 0, 0, 0, 0]], np.float32)
    both = {"fer": labels[:, :7], "ferplus": labels}
    some = Examples(np.zeros((1, 48, 48), np.uint8), both, np.arange(1), multi_label=frozenset({"ferplus"}))
    trainer = Trainer(build_network(BACKBONE, some.heads, seed=0), some, settings(), 0)
    loss = trainer.compute_loss(y_pred=[[predicted[:, :7], predicted], [labels[:, :7], labels]])
    assert float(loss) == pytest.approx(-(np.log(0.2) + np.log(0.3)) / 2 - np.log(0.3), rel=1e-6)


def test_a_member_learns_emotions_of_which_two_are_right(tmp_path):
    faces = marked_faces()
    votes = np.zeros((len(faces), 10), dtype=np.uint8)
    every = np.arange(len(faces))
    # Emotions 0 and 1, 2 and 3, 4 and 5 are each taken for one another, 6 for contempt.
    votes[every, faces.label] = 6
    votes[every, faces.label ^ 1] = 4
    faces = FaceDataset(faces.images, faces.label, faces.split, faces.row, votes)
    target = TargetSettings(name="ferplus", train_on="multi_target")
    balanced = {"ferplus": oversample(faces, target, BalancingSettings(), 0)}
    chosen = settings(epochs=8, learning_rate=0.005, batch_size=8)
    member = train_member(faces, balanced, [target], LEARNER, chosen, 3, workspace=tmp_path)
    public = faces.of_split("PublicTest")
    predicted = member.models["ferplus"].predict(public.images)
    assert (predicted.argmax(axis=1) // 2 == public.label // 2).mean() > 0.6
    # As cross-entropy it could not be below the entropy of the votes.
    assert member.history["loss"].min() < -(0.6 * np.log(0.6) + 0.4 * np.log(0.4))


def mixed(**chosen):
    from ferkit.training.mixing_layer import Mixing

    count = 400
    pictures = np.broadcast_to(np.arange(count).reshape(-1, 1, 1, 1) % 2 * 200, (count, 48, 48, 1)).astype(np.uint8)
    labels = np.eye(2, dtype=np.float32)[np.arange(count) % 2]
    out, (mixture,) = Mixing(MixingSettings(**chosen), 5)(pictures, [labels])
    return np.asarray(out)[..., 0], np.asarray(mixture)


def test_mixup_gives_the_label_the_share_that_the_picture_has():
    pictures, labels = mixed(mixup=1.0)
    np.testing.assert_allclose(pictures.std(axis=(1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(labels[:, 1], pictures.mean(axis=(1, 2)) / 200, atol=1e-4)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-5)
    # Beta(1, 1) is uniform.
    assert np.histogram(labels[:, 1], bins=4, range=(0, 1))[0].min() > 60


@pytest.mark.parametrize("concentration", [0.2, 0.4, 1.0, 3.0])
def test_the_share_of_mixup_is_drawn_from_its_beta_distribution(concentration):
    from scipy.stats import beta, kstest

    # Of the pictures that are 200 themselves, what was mixed in is what is missing.
    share = 1 - mixed(mixup=concentration)[0].mean(axis=(1, 2))[1::2] / 200
    assert kstest(share, beta(concentration, concentration).cdf).pvalue > 0.01


def test_cutmix_gives_the_label_the_share_of_the_area():
    pictures, labels = mixed(cutmix=1.0)
    assert set(np.unique(pictures)) == {0.0, 200.0}
    np.testing.assert_allclose(labels[:, 1], pictures.mean(axis=(1, 2)) / 200, atol=1e-4)
    other = np.where(np.arange(400) % 2, 0, 200)[:, None, None] == pictures
    assert 0.2 < other.mean() < 0.5
    for hidden in other[other.any(axis=(1, 2))]:
        rows, columns = hidden.any(axis=1), hidden.any(axis=0)
        assert hidden.sum() == rows.sum() * columns.sum()


def test_a_picture_is_mixed_with_the_probability_that_was_asked_for():
    _, labels = mixed(mixup=1.0, cutmix=1.0, probability=0.3)
    assert 0.2 < (labels.max(axis=1) < 1).mean() < 0.4


def test_the_average_changes_what_is_judged_and_not_what_learns():
    faces = marked_faces()
    plain = train(faces, TARGET, epochs=4, augmentation=STILL).history
    averaged = train(faces, TARGET, epochs=4, augmentation=STILL, average=0.8).history
    np.testing.assert_allclose(averaged["loss"], plain["loss"], rtol=1e-3)
    assert not np.allclose(averaged["val_loss"], plain["val_loss"], rtol=1e-3)


def test_the_average_is_what_is_kept():
    faces = marked_faces()
    trained = train(faces, TARGET, epochs=6, learning_rate=0.005, batch_size=8, average=0.8)
    public = faces.of_split("PublicTest")
    predicted = trained.network.predict(public.images[..., None], verbose=0).argmax(axis=1)
    assert (predicted == public.label).mean() == pytest.approx(trained.history["val_accuracy"].max())


def test_a_student_learns_the_teachers_predictions():
    faces = marked_faces()
    balanced = oversample(faces, TARGET, BalancingSettings(), 0)
    rows = balanced.row[::-1].copy()
    predicted = np.random.default_rng(0).dirichlet(np.ones(7), len(rows)).astype(np.float32)
    teacher = Predictions("fer", "Training", rows, predicted)
    soft = distil(balanced, teacher, DistillationSettings(weight=0.25, temperature=2))
    expected = np.sqrt(predicted[::-1].astype(np.float64))
    expected = 0.75 * balanced.targets + 0.25 * expected / expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(soft.targets, expected, atol=1e-6)
    np.testing.assert_array_equal(soft.images, balanced.images)


def test_a_student_s_class_weights_are_those_of_what_the_teacher_says():
    faces = marked_faces()
    balanced = oversample(faces, TARGET, BalancingSettings(class_weight=True), 0)
    predicted = np.random.default_rng(0).dirichlet(np.arange(1, 8), len(balanced.row)).astype(np.float32)
    soft = distil(balanced, Predictions("fer", "Training", balanced.row, predicted), DistillationSettings(weight=0.8))
    labels = join({"fer": soft}).labels["fer"]
    np.testing.assert_allclose(labels.sum(axis=0), len(labels) / 7, rtol=1e-4)


def test_pictures_that_balancing_made_keep_their_labels():
    faces = marked_faces(210)
    faces = faces.take(np.flatnonzero((faces.label != 1) | (faces.split > 0) | (np.arange(len(faces)) < 60)))
    balanced = oversample(faces, TARGET, BalancingSettings(method="smote"), 0)
    assert balanced.made.any()
    known = ~balanced.made
    flat = np.full((int(known.sum()), 7), 1 / 7, dtype=np.float32)
    soft = distil(balanced, Predictions("fer", "Training", balanced.row[known], flat), DistillationSettings(weight=1))
    np.testing.assert_array_equal(soft.targets[balanced.made], balanced.targets[balanced.made])
    np.testing.assert_allclose(soft.targets[known], 1 / 7, atol=1e-6)


def test_a_teacher_that_says_too_little_is_refused():
    balanced = oversample(marked_faces(), TARGET, BalancingSettings(), 0)
    half = np.full((10, 7), 1 / 7, dtype=np.float32)
    with pytest.raises(DataError, match="has no prediction for 88 training pictures, such as row 10"):
        distil(balanced, Predictions("fer", "Training", balanced.row[:10], half), DistillationSettings())
    other = np.full((98, 8), 1 / 8, dtype=np.float32)
    with pytest.raises(DataError, match="8 classes"):
        distil(balanced, Predictions("ferplus", "Training", balanced.row, other), DistillationSettings())


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_every_optimizer_trains_without_weight_decay(optimizer):
    trained = train(marked_faces(), TARGET, epochs=1, optimizer=optimizer, weight_decay=0)
    assert np.isfinite(trained.history["loss"]).all()
