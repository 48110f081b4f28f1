"""The own layers of a network. Keras must know them before it loads a .keras file: import this module first."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["GreyToChannels"]


@keras.saving.register_keras_serializable(package="ferkit")
class GreyToChannels(keras.layers.Layer):  # type: ignore[misc]
    """``(grey - mean[c]) * scale`` for each channel c: (B, H, W, 1) grey values 0..255 to (B, H, W, channels)."""

    def __init__(self, mean: Sequence[float], scale: float = 1.0, **kwargs: Any) -> None:
        # float32 also under mixed precision: 0..255 in float16 would lose the last bits of the mean.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.mean = tuple(float(value) for value in mean)
        self.scale = float(scale)

    def call(self, pictures: Any) -> Any:
        """Normalise and repeat; (B, H, W, 1) any number type to float32."""
        grey = ops.cast(pictures, self.compute_dtype)
        return (grey - ops.convert_to_tensor(self.mean, self.compute_dtype)) * self.scale

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """(B, H, W, channels)."""
        return (*input_shape[:-1], len(self.mean))

    def get_config(self) -> dict[str, Any]:
        """What `__init__` takes."""
        return {**super().get_config(), "mean": list(self.mean), "scale": self.scale}
