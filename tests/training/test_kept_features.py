"""A head on a frozen backbone learns the same from features that were computed once as from pictures."""

import os
import resource
import shutil
import signal
import sqlite3
from contextlib import closing

import keras
import numpy as np
import pytest

from ferkit.backbones import BackboneSettings, build_network, set_trainable
from ferkit.backbones.features import feature_store, kept_features
from ferkit.errors import TrainingError
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.training import epochs
from ferkit.training.augmentation import AugmentationSettings
from ferkit.training.examples import join
from ferkit.training.fine_tune import fine_tune
from ferkit.training.mixing import MixingSettings
from ferkit.training.settings import HeadPhaseSettings, TrainingSettings
from tests.training.test_fine_tune import TARGET, marked_faces, settings
from tests.training.test_recipe import FERPLUS, STILL, selection, voted_faces
from tests.training.test_streaming import stored

# Without dropout in its blocks, as a backbone has to be that says the same of a picture twice.
LITE = {"name": "fernet_lite", "width": 4, "depth": 1}
HEAD = {"head": HeadPhaseSettings(epochs=2, learning_rate=0.02, augment=False), "label_smoothing": 0.1}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """Pretrained, as far as a file can tell, with a hidden layer and two dropouts in its head."""
    weights = tmp_path_factory.mktemp("weights") / "trunk.weights.h5"
    build_network(BackboneSettings(**LITE), {"fer": 7}, seed=5).get_layer("backbone").save_weights(weights)
    return BackboneSettings(**LITE, weights=weights, hidden=(16,), dropout=0.3)


@pytest.fixture
def pictures_read(monkeypatch):
    """How many pictures each pass over the backbone has read."""
    read = []
    pieces = kept_features.KeptFeatures._pieces

    def counted(self, images):
        read.append(len(images))
        return pieces(self, images)

    monkeypatch.setattr(kept_features.KeptFeatures, "_pieces", counted)
    return read


def train(backbone, faces, *targets, checkpoint=None, on_epoch=lambda _: None, balancing=None, seed=3, **change):
    targets, balancing = targets or (TARGET,), balancing or BalancingSettings()
    return fine_tune(
        join({each.name: oversample(faces, each, balancing, 0) for each in targets}),
        selection(faces, *targets),
        backbone,
        settings(**{"epochs": 0, **HEAD, **change}),
        seed,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
    )


def ordinarily(*arguments, **change):
    """`train` that asks the whole network about every picture in each epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(epochs, "keeps_features", lambda *_: False)
        return train(*arguments, **change)


def assert_the_same(one, other):
    assert one.best_epoch == other.best_epoch
    assert list(one.history["phase"]) == list(other.history["phase"])
    for column in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
        np.testing.assert_allclose(one.history[column], other.history[column], rtol=1e-4, err_msg=column)
    assert one.trainable == other.trainable
    for ours, theirs in zip(one.network.get_weights(), other.network.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_a_head_alone_learns_the_same_and_each_picture_is_looked_at_once(backbone, pictures_read):
    faces = voted_faces()
    change = {"average": 0.8, "balancing": BalancingSettings(method="weighted_sampling")}
    kept = train(backbone, faces, TARGET, FERPLUS, **change)
    assert pictures_read == [98, 21]
    assert_the_same(kept, ordinarily(backbone, faces, TARGET, FERPLUS, **change))
    assert len(pictures_read) == 2


def test_the_network_goes_on_from_the_head_and_a_killed_training_from_its_last_epoch(backbone, pictures_read, tmp_path):
    class KilledError(Exception):
        pass

    def kill(record):
        if record["epoch"] == 0:
            raise KilledError

    faces, change = marked_faces(), {"epochs": 1, "average": 0.5}
    with pytest.raises(KilledError):
        train(backbone, faces, checkpoint=tmp_path, on_epoch=kill, **change)
    resumed = train(backbone, faces, checkpoint=tmp_path, **change)
    assert list(resumed.history["phase"]) == ["head"] * 2 + ["network"]
    assert pictures_read == [98, 21] * 2
    assert_the_same(resumed, ordinarily(backbone, faces, **change))
    # Nothing is left to learn.
    train(backbone, faces, checkpoint=tmp_path, **change)
    assert len(pictures_read) == 4


def test_features_that_are_too_many_for_memory_lie_in_a_file_while_they_are_needed(backbone, monkeypatch, tmp_path):
    faces = stored(marked_faces(), tmp_path / "pictures")
    in_memory = train(backbone, faces)
    monkeypatch.setattr(kept_features, "IN_MEMORY_BYTES", 1)
    kinds = []
    make = kept_features.KeptFeatures._of
    monkeypatch.setattr(
        kept_features.KeptFeatures, "_of", lambda *given: kinds.append(type(features := make(*given))) or features
    )
    in_file = train(backbone, faces, checkpoint=tmp_path / "state")
    assert kinds == [np.memmap] * 2
    assert_the_same(in_file, in_memory)
    assert {each.name for each in in_file.folder.iterdir()} == {"lock", "state"}


def test_a_full_disk_is_a_line(backbone, monkeypatch):
    monkeypatch.setattr(kept_features, "IN_MEMORY_BYTES", 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(TrainingError, match=r"features of 98 pictures, 0\.0 GB, could not be .*: free some space"):
            train(backbone, marked_faces())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize(
    ("name", "unfreeze", "change", "constant"),
    [
        ("fernet_lite", "none", {}, True),
        ("fernet_lite", 0.0, {}, True),
        ("fernet_lite", 0.2, {}, False),
        ("fernet_lite", "none", {"augmentation": AugmentationSettings()}, False),
        ("fernet_lite", "none", {"augmentation": STILL.model_copy(update={"erasing": 0.1})}, False),
        ("fernet_lite", "none", {"mixing": MixingSettings(mixup=0.2)}, False),
        ("fernet", "none", {}, False),
    ],
)  # fmt: skip
def test_features_are_kept_only_where_they_are_the_same_in_each_epoch(name, unfreeze, change, constant):
    network = build_network(BackboneSettings(name=name, width=4, depth=2), {"fer": 7}, seed=0)
    set_trainable(network, unfreeze, batch_norm="trainable")
    chosen = TrainingSettings(**{"augmentation": STILL, **change})
    assert epochs.keeps_features(network, chosen) is constant


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("FERKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture(scope="module")
def stored_first(backbone, tmp_path_factory):
    """A training that found an empty cache, and the folder in which it has left its features."""
    cache = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FERKIT_CACHE", str(cache))
        return train(backbone, marked_faces()), cache / "features"


@pytest.fixture
def first(stored_first, cache):
    """That training; what it has left lies in the cache."""
    trained, features = stored_first
    shutil.copytree(features, cache)
    return trained


@pytest.fixture
def asked(monkeypatch):
    """How many pictures the backbone was asked about, each time."""
    counts = []
    ask = keras.Model.predict_on_batch
    monkeypatch.setattr(
        keras.Model, "predict_on_batch",
        lambda self, x: (counts.append(len(x)) if x.ndim == 4 else None) or ask(self, x),
    )  # fmt: skip
    return counts


def test_another_training_asks_the_backbone_about_new_pictures_only(backbone, cache, asked):
    faces = marked_faces()
    first = train(backbone, faces)
    # Some of them occur twice.
    distinct = len(np.unique(faces.of_split("Training").images.reshape(98, -1), axis=0))
    assert sum(asked) <= 98 + 21
    assert asked[0] == distinct
    asked.clear()
    assert_the_same(train(backbone, faces), first)
    # What repetition adds was there before.
    train(backbone, faces, balancing=BalancingSettings(method="random_over_sampler"), seed=4)
    assert asked == []
    train(backbone.model_copy(update={"input_size": 40}), faces)
    assert asked[0] == distinct, "another network"
    assert len(list(cache.iterdir())) == 2


def test_a_store_is_of_weights_and_layers_and_of_no_seed(cache):
    def named(seed, weights=None, **change):
        backbone = BackboneSettings(name="dlib_resnet", weights="none", depth=2, input_size=48, **change)
        extractor, _ = kept_features.split_head(build_network(backbone, {"fer": 7}, seed=seed))
        if weights is not None:
            extractor.set_weights(weights)
        return feature_store.FeatureStore(extractor, cache)._file, extractor.get_weights()

    file, weights = named(0)
    assert named(1, weights)[0] == file
    assert named(1)[0] != file
    assert named(0, stages=(1, 2))[0] != file


@pytest.mark.parametrize("damage", ["cut short", "no permission to write", "another width"])
def test_a_store_that_cannot_be_used_costs_time_and_nothing_else(backbone, cache, first, asked, damage):
    faces = marked_faces()
    [file] = cache.iterdir()
    if damage == "cut short":
        file.write_bytes(file.read_bytes()[:5000])
    elif damage == "another width":
        with closing(sqlite3.connect(file)) as store, store:
            store.execute("update features set value = x'00000000'")
    else:
        shutil.rmtree(cache)
        cache.write_text("no folder")
    assert_the_same(train(backbone, faces), first)
    assert asked


def test_the_store_has_a_limit_and_the_oldest_goes_first(backbone, cache, first, monkeypatch):
    faces = marked_faces()

    def look(input_size):
        network = build_network(backbone.model_copy(update={"input_size": input_size}), {"fer": 7}, seed=3)
        pictures = (faces.of_split(split).images for split in ("Training", "PublicTest"))
        kept = kept_features.KeptFeatures(network, *pictures, None)
        assert len(kept.training) == 98
        assert len(kept.predict(["fer"])["fer"]) == 21

    [oldest] = cache.iterdir()
    os.utime(oldest, (1, 1))
    look(40)
    assert oldest.exists()
    monkeypatch.setattr(feature_store, "LIMIT_BYTES", 2 * oldest.stat().st_size)
    look(32)
    assert not oldest.exists()
    kept = set(cache.iterdir())
    monkeypatch.setattr(feature_store, "LIMIT_BYTES", 1)
    look(56)
    assert not list(cache.iterdir()), kept
