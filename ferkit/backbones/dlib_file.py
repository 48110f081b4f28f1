"""dlib's serialised face-recognition ResNet to a file of Keras weights; no code of dlib runs."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import WeightsError

if TYPE_CHECKING:
    import keras

__all__ = ["fill", "projection", "read_layers"]

# The layers with parameters, as their serialize() of dlib/dnn/layers.h names them, each after its length in bytes.
_KINDS = (b"con_4", b"affine_", b"fc_2")
_MARKS = {b"\x01" + bytes([len(kind)]) + kind: kind.decode() for kind in _KINDS}
_NEGATIVE = 0x80
_TENSOR_VERSION = 2


def read_layers(file: Path) -> list[tuple[str, NDArray[np.float32]]]:
    """Parameters of every layer that has some, from the picture to the descriptor.

    Parameters
    ----------
    file
        A network with ``con_4``, ``affine_`` and ``fc_2`` layers as dlib 19 to 20 serialise it: integers as a byte of
        sign and length followed by little-endian bytes (dlib/serialize.h), tensors as version, four sides, float32
        (dlib/cuda/tensor.h).

    Returns
    -------
    list of (kind, (parameters,) float32)
        Kinds are ``con_4`` (filters out, in, height, width, then biases), ``affine_`` (scales, then shifts) and
        ``fc_2`` (inputs, outputs).

    Raises
    ------
    WeightsError
        If the file is cut short or of another kind.
    """
    content = file.read_bytes()
    try:
        layers = list(_layers(content))
    except (IndexError, ValueError) as error:
        raise WeightsError(f"{file}: expected a network as dlib serialises it: {error}.") from error
    if not layers:
        raise WeightsError(f"{file}: expected a network as dlib serialises it, found no layer of one.")
    return layers


def _layers(content: bytes) -> Iterator[tuple[str, NDArray[np.float32]]]:
    place = 0
    while True:
        found = [(at, mark) for mark in _MARKS if (at := content.find(mark, place)) >= 0]
        if not found:
            return
        at, mark = min(found)
        kind, place = _MARKS[mark], at + len(mark)
        if kind == "fc_2":
            for _ in ("outputs", "inputs"):
                _, place = _integer(content, place)
        values, place = _tensor(content, place)
        yield kind, values


def _integer(content: bytes, place: int) -> tuple[int, int]:
    """The integer at `place`, and where it ends."""
    control = content[place]
    size = control & 0x0F
    if not 1 <= size <= 8:
        raise ValueError(f"byte {place}: an integer of {size} bytes")
    value = int.from_bytes(content[place + 1 : place + 1 + size], "little")
    return (-value if control & _NEGATIVE else value), place + 1 + size


def _tensor(content: bytes, place: int) -> tuple[NDArray[np.float32], int]:
    """The flat values of the tensor at `place`, and where it ends."""
    version, place = _integer(content, place)
    if version != _TENSOR_VERSION:
        raise ValueError(f"byte {place}: a tensor of version {version}, expected {_TENSOR_VERSION}")
    size = 1
    for _ in range(4):
        side, place = _integer(content, place)
        size *= side
    end = place + size * struct.calcsize("<f")
    if size < 0 or end > len(content):
        raise ValueError(f"byte {place}: a tensor of {size} values, but the file ends at {len(content)}")
    return np.frombuffer(content[place:end], "<f4"), end


def projection(file: Path) -> NDArray[np.float32]:
    """The (256, 128) matrix from the pooled features to dlib's face descriptor, which `fill` leaves out."""
    kind, values = read_layers(file)[-1]
    if kind != "fc_2":
        raise WeightsError(f"{file}: expected a fully connected layer at the end, found {kind}.")
    return values.reshape(-1, 128)


def fill(network: "keras.Model", file: Path) -> None:
    """Give `network` the convolutions and affine layers of dlib's `file`.

    Parameters
    ----------
    network
        Its Conv2D and BatchNormalization layers, in order, are those of the file. An affine layer becomes a BatchNorm
        of mean 0 and variance 1 - epsilon.
    file
        dlib's file of weights.

    Raises
    ------
    WeightsError
        If layers or shapes differ.
    """
    import keras

    kinds: dict[Any, str] = {keras.layers.Conv2D: "con_4", keras.layers.BatchNormalization: "affine_"}
    layers = [layer for layer in network.layers if type(layer) in kinds]
    stored = [layer for layer in read_layers(file) if layer[0] != "fc_2"]
    if [kinds[type(layer)] for layer in layers] != [kind for kind, _ in stored]:
        raise WeightsError(
            f"{file} has {len(stored)} layers with weights, the network {len(layers)}: another network's."
        )
    for layer, (kind, values) in zip(layers, stored, strict=True):
        expected = sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)
        if len(values) != expected:
            raise WeightsError(f"{file}, {layer.name}: {len(values)} values, expected {expected}: another network's.")
        if kind == "con_4":
            height, width, inputs, outputs = layer.kernel.shape
            filters, biases = values[:-outputs], values[-outputs:]
            layer.kernel.assign(filters.reshape(outputs, inputs, height, width).transpose(2, 3, 1, 0))
            layer.bias.assign(biases)
        else:
            scales, shifts = np.split(values, 2)
            layer.gamma.assign(scales)
            layer.beta.assign(shifts)
            layer.moving_mean.assign(np.zeros_like(scales))
            layer.moving_variance.assign(np.full_like(scales, 1 - layer.epsilon))
