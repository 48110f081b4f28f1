"""The weights of a network as a small file: half precision where that is enough, no pickle, no architecture."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import DataError, WeightsError

if TYPE_CHECKING:
    import keras

__all__ = ["read_half", "write_half"]

_HALF = np.finfo(np.float16)
# Values of an array that is worth halving.
_FEWEST = 10_000


def write_half(network: "keras.Model", file: Path) -> None:
    """Store the weights of `network` as .npz: float16 arrays by path, such as ``conv1/kernel``.

    Small arrays stay float32, such as BatchNorm's and depthwise kernels: one rounded number of theirs would move a
    whole channel. So does an array with a value beyond 65,504.

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
        arrays[path] = _halved(ops.convert_to_numpy(ops.cast(variable, "float32")), path, network.name)
    np.savez_compressed(file, **arrays)


def read_half(network: "keras.Model", file: Path) -> None:
    """Put what `write_half` wrote into `network`, which was built as the one that was written.

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
        variable.assign(arrays[name].astype(np.float32))
    for layer in _layers(network):
        # keras.layers.Normalization computes with constants that it makes from its weights.
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def _halved(array: NDArray[np.float32], path: str, network: str) -> NDArray[np.floating[Any]]:
    if not np.isfinite(array).all():
        raise DataError(f"network {network}: weight {path} holds values that are no numbers; did its training diverge?")
    small = array.size < _FEWEST
    return array if small or np.abs(array).max(initial=0.0) > _HALF.max else array.astype(np.float16)


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
