"""How much of a network learns, and what becomes of its BatchNorm statistics."""

import numpy as np
import pytest

from ferkit.backbones import (
    BackboneSettings,
    build_network,
    restore_batch_norm_statistics,
    set_trainable,
)
from ferkit.errors import ConfigError
from tests.backbones.test_backbones import PICTURES, network, probabilities


def trainable_layers(built):
    return [layer.name for layer in built.get_layer("backbone").layers if layer.trainable_weights]


def test_how_much_learns():
    built = build_network(BackboneSettings(name="fernet", width=8), {"fer": 7}, seed=3)
    convolutions = [f"conv{block}_{number}" for block in (1, 2, 3, 4) for number in (1, 2)]
    assert set_trainable(built, "none") == 64 * 7 + 7
    assert trainable_layers(built) == []
    everything = set_trainable(built, "all", batch_norm="trainable")
    assert everything == sum(int(np.prod(weight.shape)) for weight in built.trainable_weights)
    assert built.count_params() - everything == 2 * 2 * (8 + 16 + 32 + 64)
    set_trainable(built, "all")
    assert trainable_layers(built) == convolutions
    set_trainable(built, 0.25)
    assert trainable_layers(built) == ["conv4_1", "conv4_2"]
    set_trainable(built, "conv3_2", batch_norm="trainable")
    assert trainable_layers(built) == ["conv3_2", "conv3_2_bn", "conv4_1", "conv4_1_bn", "conv4_2", "conv4_2_bn"]
    set_trainable(built, "conv4_2", batch_norm="everywhere")
    assert trainable_layers(built) == [
        name for each in convolutions for name in ([each] if each == "conv4_2" else []) + [f"{each}_bn"]
    ]
    assert set_trainable(built, 0.0) == set_trainable(built, "none")
    assert set_trainable(built, 1.0) == set_trainable(built, "all")


@pytest.mark.parametrize("batch_norm", ["frozen", "trainable"])
def test_frozen_batch_norm_keeps_its_statistics_in_training(batch_norm):
    import keras

    built = build_network(BackboneSettings(name="fernet", width=8, depth=2), {"fer": 7}, seed=3)
    set_trainable(built, "all", batch_norm=batch_norm)
    statistics = built.get_layer("backbone").get_layer("conv2_1_bn").moving_mean
    before = keras.ops.convert_to_numpy(statistics).copy()
    built.compile("sgd", "sparse_categorical_crossentropy")
    built.fit(PICTURES, np.arange(6), verbose=0)
    assert (keras.ops.convert_to_numpy(statistics) == before).all() == (batch_norm == "frozen")


@pytest.mark.parametrize(
    ("unfreeze", "message"),
    [
        ("conv4_3", r"no layer 'conv4_3'.*did you mean 'conv4_2\w*'.*conv1_1 \.\.\. conv4_2_bn"),
        (1.5, r"unfreeze 1\.5: expected a fraction 0\.\.1"),
    ],
)
def test_unfreeze_refuses(unfreeze, message):
    with pytest.raises(ConfigError, match=message):
        set_trainable(network("fernet", width=8), unfreeze)


def folded_mobilenet():
    """As the published file is: scale and shift hold everything, mean 0, variance 1 - epsilon."""
    import keras

    built = build_network(
        BackboneSettings(name="mobilenet_vggface2", weights="none", input_size=48), {"fer": 7}, seed=3
    )
    rng = np.random.default_rng(1)
    for layer in built.get_layer("backbone").layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            layer.gamma.assign(rng.uniform(0.5, 1.5, size))
            layer.beta.assign(rng.normal(0, 0.3, size))
            layer.moving_mean.assign(np.zeros(size))
            layer.moving_variance.assign(np.full(size, 1 - layer.epsilon))
    return built


def test_restored_statistics_are_real_and_change_no_output():
    import keras

    built = folded_mobilenet()
    backbone = built.get_layer("backbone")
    faces = np.random.default_rng(2).integers(0, 256, (40, 48, 48), dtype=np.uint8)
    before, features = probabilities(built), backbone.predict(PICTURES - np.array([104.0, 117, 124]), verbose=0)
    assert restore_batch_norm_statistics(built, faces, batch_size=16) == 27
    after = backbone.predict(PICTURES - np.array([104.0, 117, 124]), verbose=0)
    np.testing.assert_allclose(after, features, atol=1e-3 * np.abs(features).max())
    np.testing.assert_allclose(probabilities(built), before, atol=1e-3)
    first = backbone.get_layer("conv1")
    front = keras.Model(built.input, built.get_layer("preprocessing").output)
    convolved = keras.ops.convert_to_numpy(first(front(faces[..., None])))
    normalisation = backbone.get_layer("conv1_bn")
    np.testing.assert_allclose(normalisation.moving_mean, convolved.mean(axis=(0, 1, 2)), atol=1e-2)
    np.testing.assert_allclose(normalisation.moving_variance, convolved.var(axis=(0, 1, 2)), rtol=1e-3)
    # The aim: with statistics of the batch in place of its own, the network still says nearly the same.
    set_trainable(built, "all", batch_norm="trainable")
    pre = front(faces[..., None])
    training, inference = (keras.ops.convert_to_numpy(backbone(pre, training=mode)) for mode in (True, False))
    np.testing.assert_allclose(training, inference, atol=1e-2 * np.abs(inference).max())
