"""Real BatchNorm statistics for a network whose source had folded them into scale and shift."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferkit.backbones.network import BACKBONE, PREPROCESSED
from ferkit.data.stored_pictures import with_channels

if TYPE_CHECKING:
    import keras

__all__ = ["restore_batch_norm_statistics"]


def restore_batch_norm_statistics(network: "keras.Model", images: NDArray[np.uint8], *, batch_size: int = 16) -> int:
    """Give each BatchNorm of the backbone the statistics of its own input; its outputs stay the same.

    Without this, the first training step in which BatchNorm normalises by the batch changes every activation, and
    the pretrained features are gone. A layer that computes ``s * x + t`` in inference gets the mean m and the variance
    v of its input x, the scale ``s * sqrt(v + epsilon)`` and the shift ``t + s * m``: again ``s * x + t``.

    Parameters
    ----------
    network
        From `ferkit.backbones.build_network`.
    images : (N, side, side[, 3]) uint8
        Some hundred training faces.
    batch_size
        Pictures at a time; all BatchNorm inputs of one batch are in memory at once.

    Returns
    -------
    int
        Number of BatchNorm layers that were changed.
    """
    import keras
    from keras import ops

    backbone = network.get_layer(BACKBONE)
    layers = [
        layer
        for layer in backbone.layers
        if isinstance(layer, keras.layers.BatchNormalization) and layer.scale and layer.center
    ]
    if not layers:
        return 0
    preprocess = keras.Model(network.input, network.get_layer(PREPROCESSED).output)
    # Rewriting a layer changes no activation, so one pass sees the input of all of them.
    probe = keras.Model(backbone.input, [layer.input for layer in layers])
    count = 0
    means = [np.zeros(layer.moving_mean.shape[0]) for layer in layers]
    squares = [np.zeros_like(mean) for mean in means]
    for start in range(0, len(images), batch_size):
        batch = with_channels(images[start : start + batch_size])
        activations = probe(preprocess(batch, training=False), training=False)
        total = count + len(batch)
        for index, activation in enumerate(activations if isinstance(activations, list) else [activations]):
            axes = tuple(range(len(activation.shape) - 1))
            batch_mean, batch_variance = ops.moments(ops.cast(activation, "float32"), axes)
            mean = ops.convert_to_numpy(batch_mean).astype(np.float64)
            # Chan's update of mean and squared deviations (Chan, Golub, LeVeque 1983), here per value.
            difference = mean - means[index]
            squares[index] += len(batch) * ops.convert_to_numpy(batch_variance) + (
                difference**2 * count * len(batch) / total
            )
            means[index] += difference * len(batch) / total
        count = total
    for layer, mean, square in zip(layers, means, squares, strict=True):
        _rewrite(layer, mean, square / count)
    return len(layers)


def _rewrite(layer: Any, mean: NDArray[np.float64], variance: NDArray[np.float64]) -> None:
    from keras import ops

    gamma, beta, old_mean, old_variance = (
        ops.convert_to_numpy(weight).astype(np.float64)
        for weight in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    )
    slope = gamma / np.sqrt(old_variance + layer.epsilon)
    shift = beta - slope * old_mean
    layer.gamma.assign(slope * np.sqrt(variance + layer.epsilon))
    layer.beta.assign(shift + slope * mean)
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(variance)
