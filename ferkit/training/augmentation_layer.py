"""The Keras layer behind `ferkit.training.augmentation`; apart from it, because importing this module imports Keras."""

import math
from typing import Any

import keras
from keras import ops, random

__all__ = ["Augmentation", "warp"]

_SMALLEST_ERASED = 0.02
_LARGEST_ASPECT = 1 / 0.3


def warp(pictures: Any, inverse: Any) -> Any:
    """Sample pictures at affine positions, bilinearly; beyond the border lies the mirror image.

    Parameters
    ----------
    pictures : (B, H, W, channels) float
        The pictures.
    inverse : (B, 2, 3) float
        From (x, y, 1) of the result to (x, y) of the picture, both in pixels from the centre.
    """
    height, width = pictures.shape[1:3]
    dtype = keras.backend.standardize_dtype(pictures.dtype)
    x = ops.arange(width, dtype=dtype)[None, None, :] - (width - 1) / 2
    y = ops.arange(height, dtype=dtype)[None, :, None] - (height - 1) / 2
    to = [[inverse[:, row, column, None, None] for column in range(3)] for row in range(2)]
    left, right, across = _neighbours(to[0][0] * x + to[0][1] * y + to[0][2] + (width - 1) / 2, width)
    upper, lower, down = _neighbours(to[1][0] * x + to[1][1] * y + to[1][2] + (height - 1) / 2, height)
    start = ops.arange(ops.shape(pictures)[0])[:, None, None] * (height * width)

    def warped(channel: Any) -> Any:
        flat = ops.reshape(channel, (-1,))

        def between(row: Any) -> Any:
            first = ops.take(flat, start + row * width + left)
            return first + (ops.take(flat, start + row * width + right) - first) * across

        above = between(upper)
        return above + (between(lower) - above) * down

    # Of a grey picture, by far the most frequent, this is the picture itself.
    return ops.stack([warped(pictures[..., channel]) for channel in range(pictures.shape[-1])], axis=-1)


def _neighbours(position: Any, size: int) -> tuple[Any, Any, Any]:
    """The pixels before and after a position, mirrored into 0..size-1, and its way from the one to the other."""
    last = size - 1
    inside = last - ops.abs(ops.mod(position, 2 * last) - last)
    before = ops.floor(inside)
    first = ops.cast(before, "int32")
    return first, ops.minimum(first + 1, last), inside - before


@keras.saving.register_keras_serializable(package="ferkit")
class Augmentation(keras.layers.Layer):  # type: ignore[misc]
    """Random flip, rotation, shift, zoom, contrast, brightness and erasing; see `AugmentationSettings`."""

    def __init__(
        self,
        *,
        flip: float,
        rotation: float,
        shift: float,
        zoom: float,
        contrast: float,
        brightness: float,
        erasing: float,
        erasing_area: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        # float32 also under mixed precision: float16 cannot hold a position to a hundredth of a pixel.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.flip, self.rotation, self.shift, self.zoom = flip, rotation, shift, zoom
        self.contrast, self.brightness = contrast, brightness
        self.erasing, self.erasing_area = erasing, erasing_area
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)

    def call(self, pictures: Any, training: bool = True) -> Any:
        """Change (B, H, W, channels) pictures of 0..255; the same type comes back."""
        warps = any((self.flip, self.rotation, self.shift, self.zoom))
        if not training or not any((warps, self.contrast, self.brightness, self.erasing)):
            return pictures
        given = keras.backend.standardize_dtype(pictures.dtype)
        x = ops.cast(pictures, "float32")
        count = ops.shape(x)[0]
        if warps:
            x = warp(x, self._inverse(count, x.shape[2], x.shape[1]))
        if self.contrast:
            mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
            x = mean + (x - mean) * (1 + self._uniform(self.contrast, count, 1, 1, 1))
        if self.brightness:
            x = x + 255 * self._uniform(self.brightness, count, 1, 1, 1)
        if self.erasing:
            x = self._erase(x, count)
        x = ops.clip(x, 0.0, 255.0)
        return ops.cast(ops.round(x), given) if given == "uint8" else ops.cast(x, given)

    def _uniform(self, limit: float, *shape: Any) -> Any:
        return random.uniform(shape, -limit, limit, seed=self.seed_generator)

    def _inverse(self, count: Any, width: int, height: int) -> Any:
        """(B, 2, 3): turn back, shrink back, flip back, shift back."""
        angle = self._uniform(math.radians(self.rotation), count)
        scale = 1 / (1 + self._uniform(self.zoom, count))
        sign = ops.where(random.uniform((count,), seed=self.seed_generator) < self.flip, -1.0, 1.0)
        cosine, sine = scale * ops.cos(angle), scale * ops.sin(angle)
        x, y = width * self._uniform(self.shift, count), height * self._uniform(self.shift, count)
        rows = [[sign * cosine, -sign * sine, x], [sine, cosine, y]]
        return ops.stack([ops.stack(row, axis=-1) for row in rows], axis=1)

    def _erase(self, x: Any, count: Any) -> Any:
        height, width = x.shape[1:3]
        one = (count, 1, 1, 1)
        area = random.uniform(one, _SMALLEST_ERASED, self.erasing_area, seed=self.seed_generator) * (height * width)
        aspect = ops.exp(self._uniform(math.log(_LARGEST_ASPECT), *one))
        tall, broad = ops.sqrt(area * aspect), ops.sqrt(area / aspect)
        top = random.uniform(one, seed=self.seed_generator) * (height - tall)
        left = random.uniform(one, seed=self.seed_generator) * (width - broad)
        row = ops.reshape(ops.arange(height, dtype="float32"), (1, height, 1, 1))
        column = ops.reshape(ops.arange(width, dtype="float32"), (1, 1, width, 1))
        rows = ops.logical_and(row >= top, row < top + tall)
        columns = ops.logical_and(column >= left, column < left + broad)
        chosen = random.uniform(one, seed=self.seed_generator) < self.erasing
        hidden = ops.logical_and(ops.logical_and(rows, columns), chosen)
        noise = random.uniform((count, *x.shape[1:]), 0.0, 255.0, seed=self.seed_generator)
        return ops.where(hidden, noise, x)

    def compute_output_spec(self, pictures: Any, training: bool = True) -> Any:  # noqa: ARG002
        """Shape and type stay."""
        return keras.KerasTensor(pictures.shape, dtype=pictures.dtype)

    def get_config(self) -> dict[str, Any]:
        """Arguments of `__init__`, for Keras to make the layer again."""
        names = ("flip", "rotation", "shift", "zoom", "contrast", "brightness", "erasing", "erasing_area", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
