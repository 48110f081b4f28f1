"""Where the time of a training step goes: convolutions, the rest of the network, and what surrounds it.

Under TensorFlow. Each part is timed by itself, so that what a step gains by doing several together is in none of them.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from ferkit.backbones.network import BACKBONE, PREPROCESSED

__all__ = ["network_seconds", "product_seconds"]


def _quickest(run: Callable[[], Any], seconds: float) -> tuple[float, float]:
    """Of the tries that fit into about `seconds`, after one that compiles: by the clock, and of processor time."""
    run()
    tries = []
    end = time.perf_counter() + seconds
    while not tries or time.perf_counter() < end:
        start, processor = time.perf_counter(), time.process_time()
        run()
        tries.append((time.perf_counter() - start, time.process_time() - processor))
    return min(each[0] for each in tries), min(each[1] for each in tries)


def product_seconds(network: Any, batch_size: int, *, seconds: float = 0.3) -> tuple[float, float]:
    """Time for a batch in the convolutions and dense layers of the backbone of `network`, with both their gradients."""
    import tensorflow as tf

    layers = [layer for layer in network.get_layer(BACKBONE).layers if len(layer.weights) and layer.weights[0].ndim > 1]
    # Those of one shape take one time.
    kinds = {_shape(layer): layer for layer in layers}
    times = Counter(_shape(layer) for layer in layers)
    clock = processor = 0.0
    for kind, layer in kinds.items():
        given = tf.cast(tf.random.normal((batch_size, *layer.input.shape[1:])), layer.compute_dtype)

        @tf.function
        def gradients(given: Any, layer: Any = layer) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(given)
                put_out = layer(given)
            return tape.gradient(put_out, [given, layer.weights[0].value])

        quickest = _quickest(
            lambda gradients=gradients, given=given: [each.numpy() for each in gradients(given)], seconds
        )
        clock += times[kind] * quickest[0]
        processor += times[kind] * quickest[1]
    return clock, processor


def _shape(layer: Any) -> tuple[Any, ...]:
    return type(layer).__name__, layer.input.shape, layer.weights[0].shape, getattr(layer, "strides", None)


def network_seconds(network: Any, batch_size: int, *, seconds: float = 2.0) -> tuple[float, float]:
    """Time for a step of `network` on one batch of pictures that are prepared already, with its optimizer."""
    import keras

    prepared = network.get_layer(PREPROCESSED).output
    alone = keras.Model(prepared, network.output)
    alone.compile(keras.optimizers.AdamW(1e-4), loss="categorical_crossentropy", jit_compile=False)
    random = np.random.default_rng(0)
    pictures = random.standard_normal((batch_size, *prepared.shape[1:])).astype(np.float32)
    labels = np.eye(network.output_shape[-1], dtype=np.float32)[
        random.integers(0, network.output_shape[-1], batch_size)
    ]
    return _quickest(lambda: alone.train_on_batch(pictures, labels), seconds)
