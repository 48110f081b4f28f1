"""The own layers of a network. Keras must know them before it loads a .keras file: import this module first."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["GreyToChannels", "Luma", "ReversedChannels"]


@keras.saving.register_keras_serializable(package="ferkit")
class GreyToChannels(keras.layers.Layer):  # type: ignore[misc]
    """``(value - mean[c]) * scale`` for each channel c: (B, H, W, 1) grey or (B, H, W, channels) to that many."""

    def __init__(self, mean: Sequence[float], scale: float = 1.0, **kwargs: Any) -> None:
        # float32 also under mixed precision: 0..255 in float16 would lose the last bits of the mean.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.mean = tuple(float(value) for value in mean)
        self.scale = float(scale)

    def call(self, pictures: Any) -> Any:
        """Normalise and repeat; any number type to float32."""
        grey = ops.cast(pictures, self.compute_dtype)
        return (grey - ops.convert_to_tensor(self.mean, self.compute_dtype)) * self.scale

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """(B, H, W, channels)."""
        return (*input_shape[:-1], len(self.mean))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor, for Keras' serialisation."""
        return {**super().get_config(), "mean": list(self.mean), "scale": self.scale}


@keras.saving.register_keras_serializable(package="ferkit")
class Luma(keras.layers.Layer):  # type: ignore[misc]
    """(B, H, W, 3) RGB 0..255 to (B, H, W, 1) grey, ITU-R 601-2."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)

    def call(self, pictures: Any) -> Any:
        """Any number type to float32."""
        weights = ops.convert_to_tensor((0.299, 0.587, 0.114), self.compute_dtype)
        return ops.sum(ops.cast(pictures, self.compute_dtype) * weights, axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """(B, H, W, 1)."""
        return (*input_shape[:-1], 1)


@keras.saving.register_keras_serializable(package="ferkit")
class ReversedChannels(keras.layers.Layer):  # type: ignore[misc]
    """(B, H, W, channels) RGB of any number type to BGR."""

    def call(self, pictures: Any) -> Any:
        """The values with their channels reversed."""
        return ops.flip(pictures, axis=-1)

    def compute_output_spec(self, pictures: Any) -> Any:
        """Shape and type stay."""
        return keras.KerasTensor(pictures.shape, dtype=pictures.dtype)
