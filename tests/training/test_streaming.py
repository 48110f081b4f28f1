"""Training, predicting, cleaning on pictures that stay in files: the same as in memory, or a line that says why not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferkit.backbones import BackboneSettings, Head, registry
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FER_EMOTIONS
from ferkit.data.picture_blocks import blocks
from ferkit.errors import DataError
from ferkit.models.face_model import FaceModel, predict_targets
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.preparation.cleaning import CleaningSettings, drop_non_faces
from ferkit.preparation.picture_table import picture_table
from ferkit.sources import FolderSettings, load
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from ferkit.training.examples import Examples, join
from ferkit.training.execution import ExecutionSettings
from ferkit.training.fine_tune import fine_tune
from ferkit.training.mixing import MixingSettings
from tests.training.test_fine_tune import BACKBONE, TARGET, marked_faces, settings
from tests.training.test_recipe import selection

PARTS = ("train", "validation", "test")


def stored(faces, root, side=48, colour="grey"):
    """The same faces, whose pixels stay in files."""
    for at in range(len(faces)):
        path = root / PARTS[faces.split[at]] / FER_EMOTIONS[faces.label[at]] / f"{at:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(faces.images)[at]).save(path)
    found = load(FolderSettings(path=root, stream=True, side=side, colour=colour))
    order = np.argsort([int(Path(name).stem) for name in found.images.files.names])
    found = found.take(order)
    return FaceDataset(found.images, found.label, found.split, faces.row, faces.votes)


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    return stored(marked_faces(), tmp_path_factory.mktemp("pictures"))


def train(faces, balancing=BalancingSettings(), backbone=BACKBONE, checkpoint=None, on_epoch=lambda _: None, **change):  # noqa: B008
    return fine_tune(
        join({"fer": oversample(faces, TARGET, balancing, 0)}),
        selection(faces, TARGET),
        backbone,
        settings(**{"epochs": 2, **change}),
        3,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
    )


@pytest.mark.parametrize("method", ["random_over_sampler", "weighted_sampling"])
def test_a_streamed_training_is_that_in_memory(streamed, method):
    chosen = BalancingSettings(method=method, class_weight=True)
    execution = ExecutionSettings(precision="float32", steps_per_execution=1 if method == "weighted_sampling" else 3)
    mixed = {"mixing": MixingSettings(mixup=0.2), "batch_size": 30, "execution": execution}
    memory, files = train(marked_faces(), chosen, **mixed), train(streamed, chosen, **mixed)
    for column in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(files.history[column], memory.history[column], rtol=1e-5)
    for one, other in zip(memory.network.get_weights(), files.network.get_weights(), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-5)


def test_what_was_stopped_between_epochs_ends_where_an_undisturbed_training_does(streamed, tmp_path):
    class KilledError(Exception):
        pass

    def kill(record):
        if record["epoch"] == 0:
            raise KilledError

    with pytest.raises(KilledError):
        train(streamed, checkpoint=tmp_path, on_epoch=kill)
    seen = []
    resumed = train(streamed, checkpoint=tmp_path, on_epoch=seen.append)
    assert [record["epoch"] for record in seen] == [0, 1]
    np.testing.assert_allclose(resumed.history["loss"], train(streamed).history["loss"], rtol=1e-5)


def test_a_picture_that_breaks_in_the_middle_is_a_line_that_names_it(tmp_path):
    faces = stored(marked_faces(), tmp_path)
    broken = tmp_path / faces.images.files.names[int(faces.images.file[7])]
    size = broken.stat().st_size
    broken.write_bytes(b"\0" * size)
    with pytest.raises(DataError, match=rf"{broken.name}: not a picture"):
        train(faces)
    with pytest.raises(DataError, match=rf"{broken.name}: not a picture"):
        list(blocks(faces.images))


@pytest.fixture
def tiny_bgr(monkeypatch):
    """Two convolutions that expect blue first."""
    import keras

    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    caffe = registry.get("mobilenet_vggface2").preprocessing
    assert caffe.bgr

    @registry.register(
        "tiny_bgr", summary="", input_size=48, min_size=8, preprocessing=caffe, head=Head(), parameters=0
    )
    def tiny_bgr(size, settings):
        picture = keras.Input((size, size, 3))
        return keras.Model(picture, keras.layers.Conv2D(4, 3)(keras.layers.Conv2D(4, 3, activation="relu")(picture)))


@pytest.mark.parametrize(("backbone", "colour"), [("fernet", "grey"), ("tiny_bgr", "rgb")])
def test_larger_pictures_and_colour_reach_the_network(tmp_path, tiny_bgr, backbone, colour):
    faces = marked_faces(70)
    faces = stored(FaceDataset(faces.images, faces.label, faces.split, faces.row), tmp_path, 64, colour)
    width = {"width": 4, "depth": 2} if backbone == "fernet" else {}
    chosen = BackboneSettings(name=backbone, **width)
    trained = train(faces, backbone=chosen, epochs=1, mixing=MixingSettings(cutmix=1.0))
    channels = 3 if colour == "rgb" else 1
    assert trained.network.input_shape == (None, 64, 64, channels)
    model = FaceModel.save(trained.network, "it", "fer", tmp_path / "network.keras")
    seen = faces.images[:30]
    predicted = model.predict(seen, TestTimeAugmentation(flip=True, crops="five"))
    np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(model.predict(seen[:9]), model.predict(seen)[:9], atol=1e-5)


def test_grey_pictures_say_the_same_in_colour(tmp_path):
    from ferkit.backbones import build_network

    pixels = np.random.default_rng(0).integers(0, 256, (4, 48, 48), dtype=np.uint8)
    for name, more in (
        ("fernet", {"width": 4, "depth": 2}),
        ("mobilenet_vggface2", {"weights": "none", "input_size": 48}),
    ):
        grey, colour = (
            build_network(BackboneSettings(name=name, **more), {"fer": 7}, seed=0, picture=(48, 48, channels))
            for channels in (1, 3)
        )
        colour.set_weights(grey.get_weights())
        as_rgb = np.repeat(pixels[..., None], 3, axis=-1)
        np.testing.assert_allclose(
            predict_targets(colour, as_rgb, ["fer"])["fer"], predict_targets(grey, pixels, ["fer"])["fer"], atol=1e-4
        )


def test_blue_comes_first_where_the_weights_expect_it():
    import keras

    from ferkit.backbones import build_network
    from ferkit.backbones.network import PREPROCESSED

    chosen = BackboneSettings(name="mobilenet_vggface2", weights="none", input_size=48)
    network = build_network(chosen, {"fer": 7}, seed=0, picture=(48, 48, 3))
    red = np.zeros((1, 48, 48, 3), dtype=np.uint8)
    red[..., 0] = 255
    seen = keras.ops.convert_to_numpy(keras.Model(network.input, network.get_layer(PREPROCESSED).output)(red))
    np.testing.assert_allclose(seen[0, 0, 0] + chosen.card.preprocessing.mean, [0, 0, 255], atol=1e-3)


def test_an_epoch_draws_small_classes_more_often_and_each_picture_evenly():
    label = np.repeat(np.arange(7, dtype=np.int8), [400, 200, 100, 50, 25, 15, 10])
    faces = FaceDataset(
        np.zeros((800, 48, 48), np.uint8), label, np.zeros(800, np.int8), np.arange(800, dtype=np.int64)
    )
    training_set = oversample(faces, TARGET, BalancingSettings(method="weighted_sampling"), 0)
    assert training_set.counts_after.tolist() == [114] * 7
    examples = join({"fer": training_set})
    epochs = [examples.epoch(np.random.default_rng(seed)) for seed in range(20)]
    for epoch in epochs:
        assert len(epoch) == 800
        np.testing.assert_allclose(np.bincount(label[epoch]), 800 / 7, atol=1)
        times = np.bincount(epoch, minlength=800)
        # A picture of the smallest class is due 11.4 times: 11 or 12.
        assert set(times[label == 6]) <= {11, 12}
        assert set(times[label == 0]) <= {0, 1}
    assert (np.sum([np.bincount(epoch, minlength=800) for epoch in epochs], axis=0) > 0).mean() > 0.99
    assert not np.array_equal(epochs[0], epochs[1])
    np.testing.assert_array_equal(examples.epoch(np.random.default_rng(3)), epochs[3])


def test_the_ratio_and_the_class_weight_know_of_the_sampling():
    label = np.repeat(np.arange(2, dtype=np.int8), [90, 10])
    faces = FaceDataset(np.zeros((100, 48, 48), np.uint8), label, np.zeros(100, np.int8), np.arange(100))
    half = oversample(faces, TARGET, BalancingSettings(method="weighted_sampling", ratio=0.5, class_weight=True), 0)
    assert half.counts_after.tolist()[:2] == [67, 33]
    np.testing.assert_allclose(half.class_weight[:2] * [2 / 3, 1 / 3], [0.5, 0.5], rtol=1e-2)


def test_a_training_set_without_sampling_has_the_hash_that_it_had():
    plain = join({"fer": oversample(marked_faces(), TARGET, BalancingSettings(), 0)})
    assert plain.content_hash() == Examples(plain.images, plain.labels, plain.indices, None).content_hash()
    assert (
        plain.content_hash()
        != join(
            {"fer": oversample(marked_faces(), TARGET, BalancingSettings(method="weighted_sampling"), 0)}
        ).content_hash()
    )


def test_methods_that_make_pictures_are_refused(streamed):
    with pytest.raises(DataError, match=r"balancing\.method smote makes pictures in memory, .* use weighted_sampling"):
        oversample(streamed, TARGET, BalancingSettings(method="smote"), 0)


def test_validation_and_cleaning_find_the_same(tmp_path):
    memory = generate(SyntheticSettings(count=200, non_faces=0.1, duplicates=0.1)).faces
    files = stored(memory, tmp_path)
    assert picture_table(files).equals(picture_table(memory))
    one, other = (drop_non_faces(each, CleaningSettings()) for each in (memory, files))
    assert other.manifest["dropped"].any()
    assert other.manifest.equals(one.manifest)
    assert other.faces.picture_hashes().tolist() == one.faces.picture_hashes().tolist()


def test_blocks_hold_every_picture_once_in_order(streamed, monkeypatch):
    from ferkit.data import picture_blocks

    monkeypatch.setattr(picture_blocks, "BLOCK_BYTES", 30 * 48 * 48)
    found = list(blocks(streamed.images))
    assert [start for start, _ in found] == [0, 30, 60, 90, 120]
    np.testing.assert_array_equal(np.concatenate([block for _, block in found]), marked_faces().images)
