"""What can be exported: formats and precisions, and the packages that they need."""

import importlib.util
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ferkit.bundles.parity import Precision
from ferkit.errors import ConfigError, DataError

__all__ = [
    "FORMATS",
    "PRECISIONS",
    "SUFFIXES",
    "Format",
    "Precision",
    "require",
    "require_representative",
    "require_tensorflow",
]

# Of `ferkit export`. float16: the weights; what is computed is as the runtime decides. int8: weights and activations of
# convolutions and dense layers, quantised after training; the vote and its probabilities stay float32.
Format = Literal["onnx", "litert"]

FORMATS: tuple[Format, ...] = ("onnx", "litert")
PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "int8")
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "litert": ".tflite"}


def require(*packages: str) -> None:
    """Check that packages are installed, without importing them.

    Raises
    ------
    ConfigError
        If one is missing.
    """
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise ConfigError(f"{', '.join(missing)}: not installed; it comes with `pip install 'ferkit[export]'`.")


def require_tensorflow() -> None:
    """Check that Keras runs on TensorFlow, whose converters write both formats.

    Raises
    ------
    ConfigError
        If it runs on another backend.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ConfigError(f"export: Keras runs on {keras.backend.backend()}; set KERAS_BACKEND=tensorflow.")


def require_representative(precision: Precision, representative: NDArray[np.uint8] | None) -> None:
    """Check that there are pictures (N, side, side[, 3]) to quantise with, if `precision` needs some.

    Raises
    ------
    DataError
        If there are none.
    """
    if precision == "int8" and (representative is None or not len(representative)):
        raise DataError("int8: no representative pictures, from which the range of the activations is read.")
