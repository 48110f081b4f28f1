"""Floating-point operations of a network, counted from its layers, and how many the device can do.

A multiplication and an addition count as two. Counted are convolutions and dense layers, without their biases: the rest
(BatchNorm, activations, pooling, augmentation) is a few per cent of them. Training is three times the forward pass:
the gradients of a layer's input and of its weights are as much work as the layer itself each.
"""

import math
import time
from typing import Any, NamedTuple

__all__ = ["TRAINING", "Peak", "forward_operations", "matrix_peak"]

# Operations of a training step, in forward passes.
TRAINING = 3


def forward_operations(network: Any) -> int:
    """Operations of a forward pass of one picture through a Keras network, models inside it included."""
    import keras

    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            total += forward_operations(layer)
        elif layer.trainable_weights and max(len(weight.shape) for weight in layer.trainable_weights) > 1:
            total += _layer_operations(layer)
    return total


def _layer_operations(layer: Any) -> int:
    """Of one layer that multiplies by a kernel."""
    from keras import layers

    places = math.prod(side for side in layer.output.shape[1:-1])
    if isinstance(layer, layers.SeparableConv2D):
        into = math.prod(layer.depthwise_kernel.shape), math.prod(layer.pointwise_kernel.shape)
        return 2 * places * sum(into)
    if isinstance(layer, layers.DepthwiseConv2D | layers.Conv2D | layers.Dense):
        # A kernel of a grouped convolution holds the channels of one group only: its size is right as it is.
        return 2 * places * math.prod(layer.kernel.shape)
    raise TypeError(f"{type(layer).__name__} {layer.name}: floating_point.py does not know how to count it")


class Peak(NamedTuple):
    """How many operations matrix products do in a second by the clock, and in a second of processor time."""

    clock: float
    processor: float


def matrix_peak(dtype: str, side: int, *, seconds: float = 0.3) -> Peak:
    """Operations a second of square matrix products, the fastest of the tries that fit into about `seconds`.

    Under the Keras backend, on its device. The same chain of products runs each time, so that a device that answers
    before it has finished has to finish. Processor time is that of the whole process, which a GPU takes no part in.
    """
    import numpy as np
    from keras import ops

    chain = 8
    # Orthogonal on average: a chain of products neither grows nor vanishes.
    random = np.random.default_rng(0).standard_normal((side, side)).astype("float32") / math.sqrt(side)
    factor = ops.cast(ops.convert_to_tensor(random), dtype)

    def products() -> tuple[float, float]:
        start, processor = time.perf_counter(), time.process_time()
        product = factor
        for _ in range(chain):
            product = ops.matmul(product, factor)
        ops.convert_to_numpy(ops.cast(product[0, 0], "float32"))
        return time.perf_counter() - start, time.process_time() - processor

    products()
    end = time.perf_counter() + seconds
    tries = [products()]
    while time.perf_counter() < end:
        tries.append(products())
    operations = 2 * side**3 * chain
    # Where others compute, too, the fastest try is the one that they disturbed least.
    by_clock, by_processor = (min(column) for column in zip(*tries, strict=True))
    return Peak(operations / by_clock, operations / max(by_processor, 1e-9))
