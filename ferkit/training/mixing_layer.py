"""The Keras layer behind `ferkit.training.mixing`; apart from it, because importing this module imports Keras."""

from typing import Any

import keras
import numpy as np
from keras import ops, random

from ferkit.training.mixing import MixingSettings

__all__ = ["Mixing"]

# Steps of a table of quantiles.
_QUANTILES = 1024


class Mixing(keras.layers.Layer):  # type: ignore[misc]
    """Mixup and cutmix of each picture with the one before it in the batch, whose order is random already.

    Takes pictures (B, H, W, channels) of any number type and a list of label arrays (B, classes); returns both,
    pictures as float32.
    """

    def __init__(self, settings: MixingSettings, seed: int) -> None:
        super().__init__(dtype="float32")
        self.settings = settings
        self.seed_generator = random.SeedGenerator(seed)
        self._quantiles = {each: _beta_quantiles(each) for each in (settings.mixup, settings.cutmix) if each}

    def call(self, pictures: Any, labels: list[Any]) -> tuple[Any, list[Any]]:
        """Mix; both kinds are drawn for every picture, and one of them is taken."""
        x = ops.cast(pictures, "float32")
        other = ops.roll(x, 1, axis=0)
        count = ops.shape(x)[0]
        mixed = self._uniform(count) < self.settings.probability
        cut = mixed & (self._uniform(count) < self._share_of_cutmix)
        hidden, area = self._rectangle(count, *x.shape[1:3])
        # The share of the other picture: an area for cutmix, a weight for mixup, none for what stays as it is.
        share = ops.where(cut, area, ops.where(mixed, self._beta(self.settings.mixup, count), 0.0))
        blend = x + share * (other - x)
        pasted = ops.where(hidden, other, x)
        flat = ops.reshape(share, (-1, 1))
        return ops.where(cut, pasted, blend), [each + flat * (ops.roll(each, 1, axis=0) - each) for each in labels]

    @property
    def _share_of_cutmix(self) -> float:
        return 0.0 if not self.settings.cutmix else 0.5 if self.settings.mixup else 1.0

    def _uniform(self, count: Any) -> Any:
        return random.uniform((count, 1, 1, 1), seed=self.seed_generator)

    def _beta(self, concentration: float, count: Any) -> Any:
        if not concentration:
            return ops.zeros((count, 1, 1, 1))
        # Drawing from a beta distribution loops until a draw is accepted; a GPU waits for the host in each round.
        place = self._uniform(count) * _QUANTILES
        below = ops.floor(place)
        table = ops.convert_to_tensor(self._quantiles[concentration])
        first = ops.cast(below, "int32")
        lower, upper = ops.take(table, first), ops.take(table, ops.minimum(first + 1, _QUANTILES))
        return lower + (place - below) * (upper - lower)

    def _rectangle(self, count: Any, height: int, width: int) -> tuple[Any, Any]:
        """(B, H, W, 1) bool: a rectangle of the picture's aspect; and (B, 1, 1, 1): the share that it really covers."""
        side = ops.sqrt(self._beta(self.settings.cutmix, count))
        row = ops.reshape(ops.arange(height, dtype="float32"), (1, height, 1, 1))
        column = ops.reshape(ops.arange(width, dtype="float32"), (1, 1, width, 1))
        # As in the paper, its centre lies anywhere, so that it may reach over the border and cover less.
        rows = ops.abs(row + 0.5 - height * self._uniform(count)) < side * height / 2
        columns = ops.abs(column + 0.5 - width * self._uniform(count)) < side * width / 2
        hidden = ops.logical_and(rows, columns)
        return hidden, ops.mean(ops.cast(hidden, "float32"), axis=(1, 2, 3), keepdims=True)

    def compute_output_spec(self, pictures: Any, labels: list[Any]) -> Any:
        """Shapes stay."""
        return (
            keras.KerasTensor(pictures.shape, dtype="float32"),
            [keras.KerasTensor(each.shape, dtype=each.dtype) for each in labels],
        )


def _beta_quantiles(concentration: float) -> Any:
    """(_QUANTILES + 1,) float32: where Beta(concentration, concentration) has reached 0, 1/_QUANTILES, ... 1."""
    from scipy.stats import beta

    reached = np.linspace(0.0, 1.0, _QUANTILES + 1)
    return beta.ppf(reached, concentration, concentration).astype(np.float32)
