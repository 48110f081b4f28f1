"""`BatchNormStatistics`: mean and variance of what each BatchNorm layer sees, for the weights that a network has now.

Importing this module imports Keras.
"""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from ferkit.backbones.network import BACKBONE
from ferkit.training.trainer import Trainer

__all__ = ["BatchNormStatistics"]


class BatchNormStatistics(keras.Model):  # type: ignore[misc]
    """A pass over training pictures that changes nothing but the statistics of the BatchNorm layers that learn.

    Weights that no step has left behind, such as an average, have statistics of their own: PreciseBN of Wu and Johnson
    2021, arXiv:2105.07576, section 3, in which 10^3 to 10^4 pictures suffice.

    Parameters
    ----------
    trainer
        Whose network it is; pictures are augmented and mixed as in training.
    jit_compile
        XLA, as in ``keras.Model.compile``.
    """

    def __init__(self, trainer: Trainer, network: keras.Model, *, jit_compile: bool) -> None:
        super().__init__()
        self._trainer, self._network = trainer, network
        self.compile(jit_compile=jit_compile)

    def call(self, inputs: Any) -> Any:
        """(B, classes) of the first head, in training."""
        probabilities, _ = self._trainer(inputs, training=True)
        return probabilities[0]

    def estimate(self, batches: Iterable[Any]) -> None:
        """Give each layer the mean and the variance over `batches`, each of them what the trainer takes.

        The variance of all is the mean variance within a batch and the variance of the batches' means together.
        """
        layers = [
            layer
            for layer in (*self._network.layers, *self._network.get_layer(BACKBONE).layers)
            if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        ]
        if not layers:
            return
        momenta = [layer.momentum for layer in layers]
        for layer in layers:
            # Each batch then leaves its own statistics. Read when the pass is compiled, which the training step is not.
            layer.momentum = 0.0
        means: list[list[Any]] = [[] for _ in layers]
        variances: list[list[Any]] = [[] for _ in layers]
        try:
            for batch in batches:
                self.predict_on_batch(batch)
                for index, layer in enumerate(layers):
                    means[index].append(ops.convert_to_numpy(layer.moving_mean).astype(np.float64))
                    variances[index].append(ops.convert_to_numpy(layer.moving_variance).astype(np.float64))
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum
        for layer, mean, variance in zip(layers, means, variances, strict=True):
            layer.moving_mean.assign(np.mean(mean, axis=0))
            layer.moving_variance.assign(np.mean(variance, axis=0) + np.var(mean, axis=0))
