"""Grad-CAM: heat lies where a network looks, in any of our networks, in ensembles and under another backend."""

import gc
import os
import subprocess
import sys
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest

from ferkit.backbones import BackboneSettings, build_network
from ferkit.bundles.bundle import Bundle
from ferkit.bundles.explain import explain, grad_cam
from ferkit.errors import DataError
from tests.toys.bundle import write_mood_bundle, write_toy_bundle
from tests.toys.command import QUICK_XLA

ROOT = Path(__file__).parents[2]
HEADS = {"fer": 7, "ferplus": 8}
FACES = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def light_meter():
    """A network whose features are the brightness of a place; it speaks for class 0 of fer, and against class 1."""
    network = build_network(BackboneSettings(name="fernet", width=4), HEADS, seed=0)
    for layer in network.get_layer("backbone").layers:
        if layer.name.startswith("conv") and "kernel" in [variable.name for variable in layer.weights]:
            kernel = np.zeros(layer.kernel.shape, np.float32)
            kernel[1, 1] = 1 / kernel.shape[2]
            layer.set_weights([kernel])
    kernel = np.zeros(network.get_layer("probabilities_fer").kernel.shape, np.float32)
    kernel[:, 0], kernel[:, 1] = 1, -1
    network.get_layer("probabilities_fer").set_weights([kernel, np.zeros(7, np.float32)])
    return network


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return Bundle(write_toy_bundle(tmp_path_factory.mktemp("reference"), {"one": 0.7, "two": 0.3, "no": 0.0}))


def corner(down: int, across: int):
    picture = np.full((48, 48), 60, np.uint8)
    picture[down : down + 16, across : across + 16] = 250
    return picture


def test_heat_lies_in_the_only_corner_that_matters(light_meter):
    places = [(0, 0), (0, 32), (32, 0), (32, 32)]
    heat = grad_cam(light_meter, np.stack([corner(*place) for place in places]), "fer", 0)
    assert heat.dtype == np.float32
    assert heat.shape == (4, 48, 48)
    for (down, across), each in zip(places, heat, strict=True):
        assert each.max() == 1
        assert each[down : down + 16, across : across + 16].sum() > 0.8 * each.sum()


def test_what_speaks_against_a_class_is_cold(light_meter):
    assert not grad_cam(light_meter, corner(0, 32)[None], "fer", 1).any()


def test_each_picture_can_have_a_class_of_its_own(light_meter):
    heat = grad_cam(light_meter, np.stack([corner(0, 0)] * 2), "fer", np.array([1, 0]))
    assert heat.max(axis=(1, 2)).tolist() == [0, 1]


def test_behind_a_mean_pool_it_is_the_class_activation_map():
    """Zhou et al. 2016: with a linear head behind a mean pool, Grad-CAM is the map times the head's weights."""
    network = build_network(BackboneSettings(name="fernet", width=4), HEADS, seed=3)
    layers = [network.get_layer(name) for name in ("preprocessing", "backbone")]
    features = layers[1](layers[0](FACES[..., None]), training=False).numpy()
    map_of_class = np.maximum(features @ network.get_layer("probabilities_ferplus").kernel.numpy()[:, 5], 0)
    large = np.stack([cv2.resize(each, (48, 48), interpolation=cv2.INTER_CUBIC) for each in map_of_class])
    expected = np.maximum(large, 0)
    expected /= expected.max(axis=(1, 2), keepdims=True)
    assert grad_cam(network, FACES, "ferplus", 5) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "backbone",
    [
        {"name": "fernet_lite", "width": 8, "hidden": (6,)},
        {"name": "fernet_se", "width": 4, "hidden": ()},
        {"name": "mobilenet_vggface2", "weights": "none", "input_size": 64},
        {"name": "vggface2", "weights": "none", "input_size": 64},
    ],
    ids=lambda settings: settings["name"],
)
def test_any_network_can_be_explained(backbone):
    network = build_network(BackboneSettings(**backbone), {"fer": 7}, seed=0)
    heat = grad_cam(network, FACES, "fer", np.array([0, 3, 6]))
    assert heat.shape == FACES.shape
    assert heat.min() == 0
    assert set(heat.max(axis=(1, 2)).tolist()) <= {0, 1}
    assert heat.any()


def test_an_ensemble_is_the_weighted_mean_of_its_members(bundle):
    first, second = (grad_cam(bundle.network(name), FACES, "fer", 2) for name in ("one", "two"))
    mean = 0.7 * first + 0.3 * second
    expected = mean / mean.max(axis=(1, 2), keepdims=True)
    assert explain(bundle, FACES, "fer", model="vote", class_index=2) == pytest.approx(expected, abs=1e-5)
    student = grad_cam(bundle.network("student"), FACES, "fer", 2)
    assert explain(bundle, FACES, "fer", model="tiny", class_index=2) == pytest.approx(student, abs=1e-5)


def test_a_mirror_image_has_a_mirrored_map_where_both_are_asked(tmp_path):
    bundle = Bundle(write_toy_bundle(tmp_path, flip=True))
    heat, mirrored = (
        explain(bundle, images, "fer", model="vote", class_index=2) for images in (FACES, FACES[:, :, ::-1])
    )
    assert heat == pytest.approx(mirrored[:, :, ::-1], abs=1e-5)


def test_jax_finds_the_same_heat(bundle, tmp_path):
    program = (
        "import sys, numpy as np; from pathlib import Path; from ferkit.bundles.explain import explain; "
        "from ferkit.bundles.bundle import Bundle; bundle = Bundle(Path(sys.argv[1])); "
        "faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8); "
        "np.save(sys.argv[2], explain(bundle, faces, 'fer', model='tiny', class_index=4)); "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", program, bundle.folder, tmp_path / "heat.npy"],
        cwd=ROOT, check=True, timeout=300, capture_output=True,
        env={**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": QUICK_XLA},
    )  # fmt: skip
    expected = explain(bundle, FACES, "fer", model="tiny", class_index=4)
    assert np.load(tmp_path / "heat.npy") == pytest.approx(expected, abs=1e-3)


def test_a_network_that_is_no_longer_used_is_let_go():
    network = build_network(BackboneSettings(name="fernet", width=4), {"fer": 7}, seed=0)
    grad_cam(network, FACES, "fer", 0)
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("images", "target", "index", "message"),
    [
        (FACES, "fer", 7, r"class 7: fer has 0 \(angry\) to 6 \(neutral\)"),
        (FACES, "fer", np.array([0, 1]), r"classes are int64 \(2,\), expected one whole number, or \(3,\)"),
        (FACES[..., None], "fer", 0, r"pictures are uint8 \(3, 48, 48, 1\), expected uint8 \(N, 48, 48\)"),
        (FACES.astype(np.float32), "fer", 0, "pictures are float32"),
    ],
)
def test_a_wrong_question_is_refused(light_meter, images, target, index, message):
    with pytest.raises(DataError, match=message):
        grad_cam(light_meter, images, target, index)


def test_a_target_without_a_head_is_refused():
    network = build_network(BackboneSettings(name="fernet", width=4), {"fer": 7}, seed=0)
    with pytest.raises(DataError, match="target 'ferplus': this network answers for fer"):
        grad_cam(network, FACES, "ferplus", 0)


def test_a_network_of_another_kind_is_refused():
    import keras

    picture = keras.Input((48, 48, 1), dtype="uint8")
    network = keras.Model(picture, keras.layers.Flatten(name="flat")(picture), name="other")
    with pytest.raises(DataError, match="network other: expected layers 'preprocessing' and 'backbone'"):
        grad_cam(network, FACES, "fer", 0)


def test_no_picture_is_no_map(light_meter, bundle):
    none = FACES[:0]
    assert grad_cam(light_meter, none, "fer", 0).shape == (0, 48, 48)
    assert explain(bundle, none, "fer", model="tiny", class_index=0).shape == (0, 48, 48)


def test_colour_pictures_of_own_classes_are_explained(tmp_path):
    bundle = write_mood_bundle(tmp_path / "moods")
    images = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    heat = explain(bundle, images, "mood", class_index=np.array([2, 0]))
    assert heat.shape == (2, 64, 64)
    assert heat.any()
    with pytest.raises(DataError, match=r"class 3: mood has 0 \(calm\) to 2 \(glad\)"):
        explain(bundle, images, "mood", class_index=3)
    with pytest.raises(DataError, match=r"expected uint8 \(N, 64, 64, 3\), RGB"):
        explain(bundle, FACES, "mood", class_index=0)
