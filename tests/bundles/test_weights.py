"""Weights of a bundle on disk: in half precision or 8 bits they come back as near as those can hold them."""

import numpy as np
import pytest

from ferkit.backbones import BackboneSettings, build_network
from ferkit.bundles.weights import read_weights, write_weights
from ferkit.errors import DataError
from tests.toys.run import TINY


def test_half_precision_keeps_what_float16_cannot_hold(tmp_path):
    settings = BackboneSettings.model_validate({**TINY, "weights": "none", "width": 8, "depth": 4})
    network, again = (build_network(settings, {"fer": 7}, seed=seed) for seed in (1, 2))
    norm, large = (network.get_layer("backbone").get_layer(name) for name in ("conv1_1_bn", "conv4_1"))
    norm.moving_variance.assign([1e-9, 1.0, 1e6, 2.0, 1.0, 1.0, 1.0, 1.0])
    large.kernel.assign(np.full(large.kernel.shape, 1e6))
    write_weights(network, tmp_path / "half.npz")
    read_weights(again, tmp_path / "half.npz")
    for one, other in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-6)
    with np.load(tmp_path / "half.npz") as stored:
        assert stored["conv1_1_bn/moving_variance"].dtype == stored["conv4_1/kernel"].dtype == np.float32
        assert stored["conv4_2/kernel"].dtype == np.float16
    norm.gamma.assign([1.0, np.nan, *[1.0] * 6])
    with pytest.raises(DataError, match=r"conv1_1_bn/gamma .*no numbers"):
        write_weights(network, tmp_path / "nan.npz")


def test_8_bits_keep_each_channel_to_half_a_step(tmp_path):
    settings = BackboneSettings.model_validate({**TINY, "weights": "none", "width": 8, "depth": 4})
    network, again = (build_network(settings, {"fer": 7}, seed=seed) for seed in (1, 2))
    kernel = network.get_layer("backbone").get_layer("conv4_1").kernel
    values = np.array(kernel)
    values[..., 0], values[..., 1] = 0.0, 1000 * values[..., 1]
    kernel.assign(values)
    write_weights(network, tmp_path / "int8.npz", "int8")
    read_weights(again, tmp_path / "int8.npz")
    found = np.array(again.get_layer("backbone").get_layer("conv4_1").kernel)
    step = np.abs(values).max(axis=(0, 1, 2)) / 127
    assert (np.abs(found - values) <= step / 2 + 1e-6 * np.abs(values)).all()
    with np.load(tmp_path / "int8.npz") as stored:
        assert stored["conv4_1/kernel"].dtype == np.int8
    write_weights(again, tmp_path / "again.npz", "int8")
    with np.load(tmp_path / "int8.npz") as one, np.load(tmp_path / "again.npz") as other:
        np.testing.assert_array_equal(one["conv4_1/kernel"], other["conv4_1/kernel"])


def test_every_small_backbone_survives_the_round_trip(tmp_path):
    """Also one whose layers Keras numbers through the process: the second of a kind has other paths than the first."""
    pictures = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)
    for name, size in (("fernet", {"width": 4}), ("mobilenet_vggface2", {})):
        settings = BackboneSettings(name=name, weights="none", input_size=48, **size)
        first, second = (build_network(settings, {"fer": 7, "ferplus": 8}, seed=seed) for seed in (1, 2))
        write_weights(first, tmp_path / "half.npz")
        read_weights(second, tmp_path / "half.npz")
        found = second(pictures, training=False)
        for target, said in first(pictures, training=False).items():
            np.testing.assert_allclose(found[target], said, atol=5e-3)
