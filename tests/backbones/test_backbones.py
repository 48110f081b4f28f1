import builtins
import hashlib
import importlib.util
import re
import sys
from dataclasses import replace
from functools import cache

import h5py
import numpy as np
import pytest

from ferkit.backbones import (
    BackboneSettings,
    build_network,
    get,
    names,
    registry,
    set_trainable,
)
from ferkit.backbones.keras_vggface_compat import vggface_models
from ferkit.errors import FerkitError, WeightsError

# Of the blocks of a network that has four.
SHALLOW = {"depth": 2, "stages": (1, 2)}
PICTURES = np.random.default_rng(0).integers(0, 256, (6, 48, 48, 1), dtype=np.uint8)


@cache
def network(name, **settings):
    """With random weights, at 48 pixels; shared, so tests that change its weights build their own."""
    return build_network(BackboneSettings(name=name, weights="none", input_size=48, **settings), {"fer": 7}, seed=3)


def probabilities(of):
    # A call compiles nothing, which for six pictures is most of what predict takes.
    from keras import ops

    return ops.convert_to_numpy(of(PICTURES, training=False))


@pytest.mark.parametrize("name", names())
def test_card_and_network_agree(name):
    card, built = get(name), network(name)
    backbone = built.get_layer("backbone")
    assert backbone.count_params() == card.parameters
    assert backbone.input_shape == (None, 48, 48, card.preprocessing.channels)
    assert built.input_shape == (None, 48, 48, 1)
    assert built.input.dtype == "uint8"
    assert built.output_shape == (None, 7)
    assert card.min_size <= 48
    assert card.weights is None or card.weights.licence
    predicted = probabilities(built)
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "total", "head"),
    [("vggface", 15_045_959, 330_247), ("vggface2", 29_862_855, 6_301_703), ("vggface2_senet", 32_393_847, 6_301_703)],
)
def test_parameters_of_the_study(name, total, head):
    built = build_network(BackboneSettings(name=name, weights="none"), {"fer": 7}, seed=3)
    shape = (None, 7, 7, 512) if name == "vggface" else (None, 2048)
    assert built.get_layer("backbone").output_shape == shape
    assert built.get_layer("backbone").input_shape == (None, 224, 224, 3)
    assert built.count_params() == total
    assert set_trainable(built, "none") == head
    assert set_trainable(built, "all", batch_norm="trainable") > 0.99 * total
    if name == "vggface2":
        # As keras-vggface names the layer.
        assert set_trainable(built, "conv5_3_1x1_increase/bn", batch_norm="trainable") == head + 2 * 2048


@pytest.mark.parametrize("name", ["fernet", "mobilenet_vggface2", "vggface"])
def test_saved_network_loads_in_safe_mode_and_says_the_same(tmp_path, name):
    import keras

    network(name).save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras", safe_mode=True)
    np.testing.assert_array_equal(probabilities(loaded), probabilities(network(name)))


def test_seed_decides_the_weights():
    settings = BackboneSettings(name="fernet", width=8)
    first, again, other = (build_network(settings, {"fer": 7}, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("name", ["fernet", "mobilenet_vggface2", "vggface2"])
def test_a_network_has_one_config_however_many_were_built_before(name):
    settings = BackboneSettings(name=name, weights="none", input_size=48)
    assert build_network(settings, {"fer": 7}, seed=3).to_json() == network(name).to_json()


@pytest.mark.parametrize(
    ("name", "mean"),
    [
        ("vggface", (93.5940, 104.7624, 129.1863)),
        ("vggface2", (91.4953, 103.8827, 131.0912)),
        ("mobilenet_vggface2", (103.939, 116.779, 123.68)),
        ("efficientnet_b3", (0, 0, 0)),
    ],
)
def test_preprocessing(name, mean):
    import keras

    built = network(name)
    front = keras.Model(built.input, built.get_layer("preprocessing").output)
    np.testing.assert_allclose(front.predict(PICTURES, verbose=0), PICTURES - np.array(mean), atol=1e-3)


def test_preprocessing_resizes_first():
    import keras

    built = build_network(BackboneSettings(name="vggface", weights="none", input_size=96), {"fer": 7}, seed=3)
    front = keras.Model(built.input, built.get_layer("preprocessing").output)
    ramp = np.broadcast_to(np.arange(48, dtype=np.uint8)[:, None] * 5, (1, 48, 48))[..., None]
    out = front.predict(ramp, verbose=0)[0, :, 5, 0] + 93.5940
    np.testing.assert_allclose(out[1:-1], (np.arange(1, 95) + 0.5) / 2 * 5 - 2.5, atol=1e-3)


@pytest.mark.parametrize("name", ["fernet", "fernet_se", "fernet_lite"])
def test_a_part_of_the_blocks_is_the_same_as_far_as_it_goes(name):
    import keras

    whole, part = (
        build_network(BackboneSettings(name=name, width=4, **settings), {"fer": 7}, seed=3).get_layer("backbone")
        for settings in ({}, SHALLOW)
    )
    assert part.output_shape == (None, 4 + 8)
    kept = {layer.name for layer in part.layers if layer.weights}
    assert kept == {layer.name for layer in whole.layers if layer.weights and not re.search(r"\D[34](_|$)", layer.name)}
    for layer in part.layers:
        if layer.weights:
            layer.set_weights(whole.get_layer(layer.name).get_weights())
    last = {"fernet": "conv{}_2_relu", "fernet_se": "add{}_relu", "fernet_lite": "block{}_2_relu"}[name]
    inner = keras.Model(whole.input, [whole.get_layer(last.format(block)).output for block in SHALLOW["stages"]])
    pictures = np.random.default_rng(0).normal(size=(2, 48, 48, 1)).astype(np.float32)
    expected = np.concatenate([np.asarray(each).mean(axis=(1, 2)) for each in inner(pictures)], axis=1)
    np.testing.assert_allclose(np.asarray(part(pictures)), expected, rtol=1e-4, atol=1e-5)


def test_head_is_a_setting():
    built = build_network(BackboneSettings(name="fernet", width=8, hidden=(32, 16), dropout=0.2), {"fer": 8}, seed=3)
    layers = [layer.name for layer in built.layers]
    assert layers[-5:] == ["dropout_1", "dense_1", "dropout_2", "dense_2", "probabilities_fer"]
    assert built.get_layer("dropout_2").rate == 0.2
    assert [built.get_layer(name).units for name in ("dense_1", "dense_2", "probabilities_fer")] == [32, 16, 8]


def test_fernet_learns_toy_faces():
    """Bright above or bright below: a network whose gradients are broken does not tell them apart."""
    import keras

    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 64)
    pictures = rng.integers(0, 100, (64, 48, 48, 1), dtype=np.uint8)
    for picture, below in zip(pictures, label, strict=True):
        picture[24 * below : 24 * below + 24] += 100
    built = build_network(BackboneSettings(name="fernet", width=8, dropout=0), {"fer": 2}, seed=3)
    built.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = built.fit(pictures, label, batch_size=16, epochs=4, verbose=0).history
    assert history["accuracy"][-1] > 0.9


# Weight files in their published layout


def keras2_name(name):
    """The name that keras-vggface gives a layer, from the one that Keras 3 takes."""
    name = name.replace("conv1_7x7_s2", "conv1/7x7_s2")
    return f"{name[:-3]}/bn" if name.endswith("_bn") else name


def write_published(backbone, file, rename=keras2_name):
    """Random weights for `backbone` in the layout of Keras 2: a group for every layer, names in attributes."""
    rng = np.random.default_rng(5)
    values = {}
    with h5py.File(file, "w") as opened:
        opened.attrs["layer_names"] = [rename(layer.name).encode() for layer in backbone.layers]
        opened.attrs["backend"] = b"tensorflow"
        opened.attrs["keras_version"] = b"2.0.8"
        for layer in backbone.layers:
            name = rename(layer.name)
            group = opened.require_group(name)
            weights = [*layer.trainable_weights, *layer.non_trainable_weights]
            values[layer.name] = [rng.random(weight.shape, dtype=np.float32).astype(weight.dtype) for weight in weights]
            group.attrs["weight_names"] = np.array([f"{name}/{weight.name}:0".encode() for weight in weights], "S")
            for weight, value in zip(weights, values[layer.name], strict=True):
                group[f"{name}/{weight.name}:0"] = value
    return values


@pytest.mark.parametrize("name", ["vggface", "vggface2", "vggface2_senet", "resnet50"])
def test_published_layout(tmp_path, monkeypatch, name):
    file = tmp_path / get(name).weights.file
    values = write_published(network(name).get_layer("backbone"), file, str if name == "resnet50" else keras2_name)
    if name == "resnet50":
        settings = BackboneSettings(name=name, input_size=48, weights=file)
    else:
        monkeypatch.setenv("FERKIT_WEIGHTS", str(tmp_path))
        settings = BackboneSettings(name=name, input_size=48)
    backbone = build_network(settings, {"fer": 7}, seed=3).get_layer("backbone")
    assert backbone.count_params() == get(name).parameters
    for layer in backbone.layers:
        if layer.weights:
            for variable, value in zip(layer.weights, values[layer.name], strict=True):
                np.testing.assert_array_equal(variable, value)
    # Of few layers, each.
    other = "fernet" if name == "vggface" else "vggface"
    with pytest.raises(WeightsError, match=rf"{file.name}.*{other}"):
        build_network(BackboneSettings(name=other, input_size=48, weights=file), {"fer": 7}, seed=3)


@pytest.mark.parametrize("published", [True, False])
def test_published_efficientnet_sees_pictures_as_it_did_in_training(tmp_path, monkeypatch, published):
    """keras.applications divides by sqrt(stddev) once more, with a layer that only its own download adds."""
    import keras

    # What the file holds decides, and not what it is called.
    card = get("efficientnet_b3")
    file = tmp_path / ("mine.h5" if published else card.weights.file)
    values = write_published(
        network("efficientnet_b3").get_layer("backbone"), file, lambda name: name.replace("normalization", "norm_9")
    )
    if published:
        of_file = replace(card.weights, md5=hashlib.md5(file.read_bytes()).hexdigest())
        monkeypatch.setitem(registry._REGISTRY, "efficientnet_b3", replace(card, weights=of_file))
    settings = BackboneSettings(name="efficientnet_b3", input_size=48, weights=file)
    backbone = build_network(settings, {"fer": 7}, seed=3).get_layer("backbone")
    (normalization,) = (layer for layer in backbone.layers if isinstance(layer, keras.layers.Normalization))
    (stored,) = (value for name, value in values.items() if name.startswith("normalization"))
    mean, variance = stored[0].ravel(), stored[1].ravel()
    rgb = PICTURES.astype(np.float32) * np.ones(3, np.float32)
    seen = keras.Model(backbone.input, normalization.output).predict(rgb, verbose=0)
    once_more = np.sqrt([0.229, 0.224, 0.225]) if published else 1
    expected = (rgb / 255 - mean) / np.sqrt(variance) / once_more
    np.testing.assert_allclose(seen, expected, rtol=1e-4, atol=1e-4)


def test_missing_weights_end_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("FERKIT_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("FERKIT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match=r"Put mobilenet_vggface2\.weights\.h5 .*human-models.*\(FERKIT_WEIGHTS\)"):
        build_network(BackboneSettings(name="mobilenet_vggface2"), {"fer": 7}, seed=3)


def test_keras_vggface_leaves_the_process_as_it_was(monkeypatch):
    import keras

    # Somebody else's, such as a copy that was mended otherwise.
    foreign = importlib.util.module_from_spec(importlib.util.find_spec("keras_vggface"))
    monkeypatch.setitem(sys.modules, "keras_vggface", foreign)
    vggface_models.cache_clear()
    watched = (keras, keras.utils, keras.layers, keras.models, builtins, foreign)

    def state():
        return {name: id(module) for name, module in sys.modules.items()}, [
            {name: id(value) for name, value in vars(module).items()} for module in watched
        ]

    before = state()
    models = vggface_models()
    assert state() == before
    assert {"VGG16", "RESNET50", "SENET50"} <= vars(models).keys()


def test_without_keras_vggface_there_is_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    vggface_models.cache_clear()
    with pytest.raises(FerkitError, match=r"keras-vggface 0\.6 cannot be imported: No module named 'keras_vggface'"):
        vggface_models()
