"""The table of what the operations of a training step take."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
# Last, and after the packages: benchmarks/serving.py is called like one of them.
sys.path += [str(ROOT), str(ROOT / "benchmarks")]

import operation_profile  # noqa: E402

from ferkit.backbones.fused_batch_norm import fuse_batch_norm  # noqa: E402


def test_shares_are_those_of_what_a_step_does() -> None:
    import keras

    layers = keras.layers
    network = keras.Sequential(
        [keras.Input((32, 32, 3)), layers.Conv2D(16, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten()]
    )
    fuse_batch_norm(network)
    network.compile("adamw", loss="mse", jit_compile=False)
    pictures = np.random.default_rng(0).normal(size=(32, 32, 32, 3)).astype(np.float32)
    labels = np.zeros((32, network.output_shape[-1]), np.float32)
    network.train_on_batch(pictures, labels)
    shares = operation_profile.operation_shares(lambda: network.train_on_batch(pictures, labels))
    assert list(shares) == list(operation_profile.KINDS)
    assert sum(shares.values()) == pytest.approx(1)
    for kind in ("convolutions and products", "convolutions and products, gradient by weights", "BatchNorm"):
        assert shares[kind] > 0, shares
    assert shares["optimizer"] > 0
    # The first layer's pictures do not learn.
    assert shares["convolutions and products, gradient by input"] == 0
