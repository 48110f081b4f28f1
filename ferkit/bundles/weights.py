"""The weights of a network as a small file: half precision or 8 bits where that is enough, and no pickle."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import DataError, WeightsError

if TYPE_CHECKING:
    import keras

__all__ = ["StoredPrecision", "quantised", "read_weights", "write_weights"]

# How a large array is stored: as float16, or as int8 with a scale for each channel of its last axis.
StoredPrecision = Literal["float16", "int8"]

_HALF = np.finfo(np.float16)
# Values of an array that is worth making smaller.
_FEWEST = 10_000
# After the name of an array of int8, that of its scales.
_SCALE = ":scale"


def write_weights(network: "keras.Model", file: Path, precision: StoredPrecision = "float16") -> None:
    """Store the weights of `network` as .npz: arrays by path, such as ``conv1/kernel``.

    Small arrays stay float32, such as BatchNorm's and depthwise kernels: one rounded number of theirs would move a
    whole channel. So does an array with a value beyond 65,504.

    Parameters
    ----------
    precision
        ``float16``; or ``int8``, half of that, with a float32 scale for each channel that an array puts out.

    Raises
    ------
    DataError
        If a weight is no number, or two weights have the same path.
    """
    from keras import ops

    arrays: dict[str, Any] = {}
    for path, variable in _weights(network):
        if path in arrays:
            raise DataError(f"network {network.name}: two weights are called {path}; give its layers different names.")
        array = ops.convert_to_numpy(ops.cast(variable, "float32"))
        if not np.isfinite(array).all():
            raise DataError(
                f"network {network.name}: weight {path} holds values that are no numbers; did its training diverge?"
            )
        if array.size < _FEWEST or np.abs(array).max() > _HALF.max:
            arrays[path] = array
        elif precision == "float16":
            arrays[path] = array.astype(np.float16)
        else:
            arrays[path], arrays[path + _SCALE] = quantised(array)
    np.savez_compressed(file, **arrays)


def quantised(array: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """An array as int8 from -127 to 127, and the scale of each channel of its last axis, by which to multiply.

    Symmetric, a scale a channel: Krishnamoorthi, arXiv:1806.08342, section 3.2.

    Examples
    --------
    >>> codes, scales = quantised(np.array([[0.5, -4.0], [-1.0, 2.0]], np.float32))
    >>> codes.tolist()
    [[64, -127], [-127, 64]]
    >>> (scales * 127).tolist()
    [1.0, 4.0]
    """
    scale = np.abs(array).max(axis=tuple(range(array.ndim - 1))) / np.float32(127)
    codes = np.round(array / np.where(scale > 0, scale, 1)).astype(np.int8)
    return codes, scale.astype(np.float32)


def read_weights(network: "keras.Model", file: Path) -> None:
    """Put what `write_weights` wrote into `network`, which was built as the one that was written.

    Raises
    ------
    WeightsError
        If the file cannot be read, or holds the weights of another network.
    """
    weights = dict(_weights(network))
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{file}: not a file of weights that ferkit writes ({error}).") from error
    scales = {name: arrays.pop(name) for name in list(arrays) if name.endswith(_SCALE)}
    wrong = sorted(weights.keys() ^ arrays.keys()) or [
        f"{name} {arrays[name].shape}, expected {tuple(weights[name].shape)}"
        for name in weights
        if arrays[name].shape != tuple(weights[name].shape)
    ]
    if wrong:
        raise WeightsError(
            f"{file}: not the weights of {network.name}, {len(wrong)} differ, the first is {wrong[0]}: "
            "was it exported by another version of ferkit?"
        )
    for name, variable in weights.items():
        variable.assign(arrays[name].astype(np.float32) * scales.get(name + _SCALE, np.float32(1)))
    for layer in _layers(network):
        # keras.layers.Normalization computes with constants that it makes from its weights.
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def _weights(network: "keras.Model") -> Iterator[tuple[str, Any]]:
    """Path and variable of every weight.

    The first part is the layer's name as it is now: Keras' own path keeps the name that the layer was born with, which
    counts up through the process where nobody gave one.
    """
    for layer in _layers(network):
        for variable in layer.weights:
            yield f"{layer.name}/{variable.path.partition('/')[2] or variable.name}", variable


def _layers(network: "keras.Model") -> Iterator[Any]:
    """The layers of a network, and those of the networks within it."""
    import keras

    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer
