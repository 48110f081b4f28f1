"""One operation in place of Keras' twenty: the same outputs, gradients and statistics."""

import numpy as np
import pytest

from ferkit.backbones import BackboneSettings, build_network
from ferkit.backbones.fused_batch_norm import fuse_batch_norm


def _layer(dtype="float32", **named):
    import keras

    keras.utils.set_random_seed(0)
    given = keras.Input((5, 4, 3))
    layer = keras.layers.BatchNormalization(
        gamma_initializer="random_normal", beta_initializer="random_normal", momentum=0.9, dtype=dtype, **named
    )
    return keras.Model(given, layer(given)), layer


def _step(model, layer, pictures):
    """Output, the gradients with regard to input, scale and shift, and the statistics after it."""
    import tensorflow as tf

    given = tf.constant(pictures)
    with tf.GradientTape() as tape:
        tape.watch(given)
        output = model(given, training=True)
        loss = tf.reduce_sum(tf.cast(output, "float32") * tf.cos(tf.cast(given, "float32") * 7))
    gradients = tape.gradient(loss, [given, layer.gamma.value, layer.beta.value])
    return [np.asarray(tf.cast(each, "float32")) for each in (output, *gradients, *layer.non_trainable_weights)]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 0.02)])
@pytest.mark.parametrize("count", [6, 1])
def test_a_step_is_that_of_keras(dtype, tolerance, count):
    pictures = np.random.default_rng(1).normal(2, 3, (count, 5, 4, 3)).astype(np.float32)
    composed, fused = _layer(dtype), _layer(dtype)
    assert fuse_batch_norm(fused[0]) == 1
    expected, found = _step(*composed, pictures), _step(*fused, pictures)
    assert fused[0](pictures, training=True).dtype == composed[0](pictures, training=True).dtype
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance * np.abs(one).max())
    # Statistics are sums in float32 whatever the precision of the maps.
    for one, other in zip(expected[-2:], found[-2:], strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4)


def test_a_map_of_one_value_has_no_variance():
    import keras

    _, layer = _layer()
    given = keras.Input((1, 1, 3))
    small = keras.Model(given, layer(given))
    fuse_batch_norm(small)
    small(np.full((1, 1, 1, 3), 5, np.float32), training=True)
    np.testing.assert_allclose(np.asarray(layer.moving_variance), 0.9, rtol=1e-5)


def test_inference_and_frozen_layers_stay_with_keras():
    pictures = np.random.default_rng(1).normal(2, 3, (6, 5, 4, 3)).astype(np.float32)
    (composed, _), (fused, layer) = _layer(), _layer()
    fuse_batch_norm(fused)
    np.testing.assert_array_equal(fused(pictures), composed(pictures))
    layer.trainable = False
    np.testing.assert_array_equal(fused(pictures, training=True), composed(pictures))
    np.testing.assert_array_equal(np.asarray(layer.moving_mean), 0)


@pytest.mark.parametrize("named", [{"scale": False}, {"center": False}, {"synchronized": True}, {"axis": 1}])
def test_what_the_operation_cannot_do_is_left(named):
    assert fuse_batch_norm(_layer(**named)[0]) == 0


def test_a_network_keeps_its_layers_and_is_saved_as_before(tmp_path):
    import keras

    network = build_network(BackboneSettings(name="fernet", width=4, depth=1, input_size=24), {"fer": 7}, seed=0)
    before = network.to_json()
    changed = fuse_batch_norm(network)
    layers = [each for each in network._flatten_layers() if isinstance(each, keras.layers.BatchNormalization)]
    assert changed == len(layers) > 0
    network.save(tmp_path / "network.keras")
    stored = keras.saving.load_model(tmp_path / "network.keras")
    assert stored.to_json() == before
    pictures = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)
    np.testing.assert_allclose(stored(pictures), network(pictures), rtol=1e-5)
