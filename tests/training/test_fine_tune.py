"""Fine-tuning a toy network on pictures that can be told apart by where they are bright."""

import numpy as np
import pytest

from ferkit.backbones import BackboneSettings
from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import TargetSettings
from ferkit.errors import TrainingError
from ferkit.models.face_model import FaceModel
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.training.augmentation import AugmentationSettings
from ferkit.training.examples import SelectionExamples, join
from ferkit.training.execution import ExecutionSettings
from ferkit.training.fine_tune import fine_tune, statistics_pictures
from ferkit.training.member import train_member
from ferkit.training.settings import HeadPhaseSettings, NetworkPhaseSettings, PhaseSettings, TrainingSettings

TARGET = TargetSettings()
# Learns the places of the squares; a quarter of it trains three times as fast and is enough for all else.
LEARNER = BackboneSettings(name="fernet", width=4)
BACKBONE = BackboneSettings(name="fernet", width=4, depth=1)


def marked_faces(count=140):
    """Each class has a bright square at a place of its own."""
    generator = np.random.default_rng(0)
    label = (np.arange(count) % 7).astype(np.int8)
    images = generator.normal(90, 20, (count, 48, 48))
    for image, emotion in zip(images, label, strict=True):
        down, across = divmod(int(emotion), 3)
        image[16 * down : 16 * down + 16, 16 * across : 16 * across + 16] += 100
    split = np.repeat([0, 1, 2], [count - 42, 21, 21]).astype(np.int8)
    return FaceDataset(np.clip(images, 0, 255).astype(np.uint8), label, split, np.arange(count, dtype=np.int64))


def settings(**change):
    """Of a quick training; keys of a phase are those of the second."""
    base = {
        "epochs": 3,
        "learning_rate": 0.01,
        "schedule": "constant",
        "warmup_epochs": 0,
        "batch_size": 32,
        "augmentation": AugmentationSettings(flip=0, rotation=5, shift=0.02, zoom=0),
        # In bfloat16 the network that is judged differs a little from the one that is kept.
        "execution": ExecutionSettings(precision="float32"),
    }
    chosen = {**base, **change}
    network = {name: chosen.pop(name) for name in PhaseSettings.model_fields if name in chosen}
    return TrainingSettings(**{"network": network, **chosen})


def test_settings_have_the_identity_that_they_had_when_the_second_phase_stood_bare():
    first = '{"epochs":3,"learning_rate":0.00001,"schedule":"constant","warmup_epochs":0.0,"plateau_factor":0.5,'
    assert settings(learning_rate=1e-5).identity().startswith(first + '"plateau_patience":5,"head":{"epochs":3,')
    assert settings().identity() != settings(warmup_epochs=1).identity()


def train(tmp_path=None, faces=None, backbone=BACKBONE, **change):
    faces = faces or marked_faces()
    return fine_tune(
        join({"fer": oversample(faces, TARGET, BalancingSettings(), 0)}),
        SelectionExamples.of(faces.of_split("PublicTest"), [TARGET]),
        backbone,
        settings(**change),
        seed=3,
        checkpoint=tmp_path,
    )


def test_it_learns_and_keeps_the_best_epoch():
    trained = train(backbone=LEARNER, epochs=6, learning_rate=0.005, batch_size=8)
    history = trained.history
    assert list(history["epoch"]) == list(range(len(history)))
    assert history["val_accuracy"].max() > 0.4
    assert trained.best_epoch == int(history["val_accuracy"].idxmax())
    public = marked_faces().of_split("PublicTest")
    predicted = trained.network.predict(public.images[..., None], verbose=0).argmax(axis=1)
    assert (predicted == public.label).mean() == pytest.approx(history["val_accuracy"].max())
    assert trained.pictures_per_second > 0


def test_the_same_seed_gives_the_same_network():
    first, second = train(epochs=1), train(epochs=1)
    for one, other in zip(first.network.get_weights(), second.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_phase_ends_after_patience_epochs_without_improvement():
    # A learning rate of next to nothing improves nothing after the first epoch.
    trained = train(epochs=50, learning_rate=1e-12, patience=2)
    assert len(trained.history) - 1 - trained.best_epoch == 2
    assert len(trained.history) < 50


def test_plateau_lowers_the_rate_before_the_phase_ends():
    # A learning rate of next to nothing improves nothing after the first epoch.
    trained = train(epochs=9, learning_rate=1e-12, schedule="plateau", plateau_patience=2, patience=6)
    halved = np.array([1, 1, 1, 0.5, 0.5, 0.25, 0.25])
    np.testing.assert_allclose(trained.history["learning_rate"], 1e-12 * halved, rtol=1e-5)
    assert NetworkPhaseSettings().plateau_patience < TrainingSettings().patience


def test_frozen_batch_norm_does_not_reach_a_network_from_scratch():
    trained = train(epochs=1, batch_norm="frozen")
    statistics = trained.network.get_layer("backbone").get_layer("conv1_1_bn").moving_mean
    assert np.abs(np.asarray(statistics)).max() > 1e-3


def test_the_head_learns_alone_first_where_the_backbone_is_pretrained(tmp_path):
    import keras

    from ferkit.backbones import build_network

    weights = tmp_path / "trunk.h5"
    source = build_network(BACKBONE, {"fer": 7}, seed=0)
    source.get_layer("backbone").save_weights(tmp_path / "trunk.weights.h5")
    weights = tmp_path / "trunk.weights.h5"
    backbone = BACKBONE.model_copy(update={"weights": weights})
    trained = train(
        backbone=backbone,
        head=HeadPhaseSettings(epochs=1, learning_rate=0.01),
        epochs=1,
        learning_rate=0.01,
    )
    assert list(trained.history["phase"]) == ["head", "network"]
    assert trained.trainable["head"] < trained.trainable["network"]
    assert isinstance(trained.network, keras.Model)


def test_a_stage_learns_slower_the_deeper_it_lies(tmp_path):
    from ferkit.backbones import build_network

    source = build_network(LEARNER, {"fer": 7}, seed=0).get_layer("backbone")
    source.save_weights(tmp_path / "trunk.weights.h5")
    backbone = BackboneSettings(name="fernet", width=4, weights=tmp_path / "trunk.weights.h5")
    given = np.asarray(source.get_layer("conv1_1").kernel)

    def moved(layer_decay):
        network = NetworkPhaseSettings(epochs=1, learning_rate=1e-3, warmup_epochs=0, layer_decay=layer_decay)
        head = HeadPhaseSettings(epochs=0)
        trained = train(backbone=backbone, network=network, head=head, batch_size=98, batch_norm="frozen")
        learned = trained.network.get_layer("backbone").get_layer("conv1_1").kernel
        return np.abs(np.asarray(learned) - given).max()

    # Adam's first step is the rate, whatever the gradient is; four stages lie between the layer and the head.
    assert moved(0.5) == pytest.approx(moved(1.0) / 2**4, rel=0.05)


def test_a_loss_that_is_no_number_says_which_rate_to_lower():
    with pytest.raises(TrainingError, match=r"fernet, phase network, epoch \d+: .*training\.network\.learning_rate"):
        train(epochs=5, learning_rate=1e30, optimizer="sgd")


def test_no_epoch_is_an_error():
    with pytest.raises(TrainingError, match="leave no epoch"):
        train(epochs=0, learning_rate=0.1)


def test_batch_norm_statistics_are_taken_over_the_whole_split():
    # As of a folder source: class after class.
    images = np.repeat(np.arange(8, dtype=np.uint8), 250)[:, None, None] * np.ones((48, 48), np.uint8)
    drawn = statistics_pictures(images, 3)
    assert np.bincount(drawn[:, 0, 0]).min() > 40
    assert len(drawn) == 512
    np.testing.assert_array_equal(drawn, statistics_pictures(images, 3))
    assert (drawn != statistics_pictures(images, 4)).any()
    assert len(statistics_pictures(images[:100], 3)) == 100


def test_a_member_is_a_model_file_with_what_it_says_about_public_test(tmp_path):
    faces = marked_faces()
    balanced = {"fer": oversample(faces, TARGET, BalancingSettings(), 0)}
    member = train_member(faces, balanced, [TARGET], BACKBONE, settings(), 3, workspace=tmp_path)
    model = member.models["fer"]
    public_predictions = model.predict_split(faces, TARGET, "PublicTest")
    assert public_predictions.split == "PublicTest"
    assert public_predictions.row.tolist() == faces.of_split("PublicTest").row.tolist()
    (tmp_path / "copy").mkdir()
    model.copy_to(tmp_path / "copy")
    again = FaceModel.read(tmp_path / "copy")
    assert again.content_hash() == model.content_hash()
    public = faces.of_split("PublicTest").images
    np.testing.assert_allclose(again.predict(public), public_predictions.probabilities, atol=1e-6)


def test_a_model_file_that_was_cut_short_is_refused(tmp_path):
    from ferkit.errors import DataError

    path = tmp_path / "network.keras"
    path.write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(DataError, match="cut short"):
        FaceModel("fernet", "fer", path)
