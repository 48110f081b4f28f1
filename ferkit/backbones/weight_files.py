"""Weight files into a network: the .weights.h5 of Keras 3 and the .h5 that Keras 2 wrote and authors published."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferkit.errors import WeightsError

if TYPE_CHECKING:
    import keras

__all__ = ["load_weight_file", "plain_name"]


def plain_name(layer: str) -> str:
    """A layer's name as Keras 3 takes it: ``conv1/7x7_s2`` becomes ``conv1_7x7_s2``."""
    return layer.replace("/", "_")


def load_weight_file(network: "keras.Model", file: Path, owner: str) -> None:
    """Load a weight file, whichever of the two layouts it has.

    Keras 2 wrote a group for each layer, named in the attribute ``layer_names``, and in it a dataset for each of
    ``weight_names``. Such a layer goes to the layer of the same name; those without a namesake are taken in order, as
    Keras does. Nothing of such a file is loaded unless every shape fits.

    Parameters
    ----------
    network
        The backbone without its head.
    file
        An .h5 file.
    owner
        Name of the backbone, for messages.

    Raises
    ------
    WeightsError
        If the file is missing, no HDF5, or of another network; says the file, the layer and both shapes.
    """
    import h5py

    if not file.is_file():
        raise WeightsError(f"{file}: no such weight file for {owner}.")
    try:
        with h5py.File(file, "r") as opened:
            root = opened.get("model_weights", opened)
            if _attribute(root, "layer_names"):
                _load_keras2(network, root, file, owner)
                return
    except OSError as error:
        raise WeightsError(f"{file}: expected an HDF5 file with the weights of {owner}: {error}") from error
    try:
        network.load_weights(file)
    except (ValueError, KeyError) as error:
        # Keras goes on to print the values of the layer.
        reason = " ".join(str(error).split(" Target variable:")[0].split())
        raise WeightsError(f"{file} holds the weights of another network than {owner}: {reason}") from error


def _load_keras2(network: "keras.Model", root: Any, file: Path, owner: str) -> None:
    """Check everything, then assign: a network is never left with half of the file's weights."""
    stored = {name: _attribute(root[name], "weight_names") for name in _attribute(root, "layer_names")}
    names = [name for name, weights in stored.items() if weights]
    layers = [layer for layer in network.layers if layer.weights]
    if len(names) != len(layers):
        raise WeightsError(
            f"{file} has {len(names)} layers with weights, {owner} has {len(layers)}: another network's."
        )
    by_name = {plain_name(name): name for name in names}
    taken = {by_name[layer.name] for layer in layers if layer.name in by_name}
    rest = iter([name for name in names if name not in taken])
    values = []
    for layer in layers:
        name = by_name.get(layer.name) or next(rest)
        arrays = [root[name][weight][()] for weight in stored[name]]
        # The order in which Keras 2 wrote them.
        variables = [*layer.trainable_weights, *layer.non_trainable_weights]
        expected = [tuple(variable.shape) for variable in variables]
        found = [array.shape for array in arrays]
        if expected != found:
            raise WeightsError(
                f"{file}, layer {name!r}: shapes {found}, but {layer.name!r} of {owner} expects {expected}: "
                "the file of another network."
            )
        values.append((layer, variables, arrays))
    for layer, variables, arrays in values:
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def _attribute(group: Any, name: str) -> list[str]:
    """A list of names; Keras splits one of more than 64 KiB into ``name0``, ``name1``, ..."""
    found: list[Any] = []
    if name in group.attrs:
        found = list(group.attrs[name])
    else:
        index = 0
        while f"{name}{index}" in group.attrs:
            found += list(group.attrs[f"{name}{index}"])
            index += 1
    return [item.decode() if isinstance(item, bytes) else str(item) for item in found]
