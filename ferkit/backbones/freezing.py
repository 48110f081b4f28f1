"""Which part of a network learns."""

import math
from typing import TYPE_CHECKING, Any, Literal

from ferkit.backbones.network import BACKBONE
from ferkit.backbones.registry import closest
from ferkit.backbones.weight_files import plain_name
from ferkit.errors import ConfigError

if TYPE_CHECKING:
    import keras

__all__ = ["features_are_constant", "random_states", "set_trainable"]


def set_trainable(
    network: "keras.Model",
    unfreeze: float | str,
    *,
    batch_norm: Literal["frozen", "trainable", "everywhere"] = "frozen",
) -> int:
    """Free the head and as much of the backbone as `unfreeze` says; compile the network afterwards.

    Parameters
    ----------
    network
        From `ferkit.backbones.build_network`, or loaded from its .keras file.
    unfreeze
        ``none``: the head alone learns. ``all``: everything. A fraction 0..1: that part of the backbone's layers with
        weights, from the top, rounded. Else the name of the backbone's layer from which on it learns.
    batch_norm
        The backbone's BatchNorm layers. ``frozen``: they keep their statistics and run as in inference.
        ``trainable``: those in the free part learn. ``everywhere``: those in the frozen part, too. With ``none``
        they are frozen in any case.

    Returns
    -------
    int
        Number of trainable parameters.

    Raises
    ------
    ConfigError
        For a fraction outside 0..1 or an unknown layer.
    """
    import keras

    backbone = network.get_layer(BACKBONE)
    network.trainable = True
    weighted = [layer for layer in backbone.layers if layer.weights]
    first = _first_free(weighted, unfreeze)
    if first == len(weighted):
        backbone.trainable = False
    else:
        for index, layer in enumerate(weighted):
            free = index >= first
            if isinstance(layer, keras.layers.BatchNormalization):
                free = batch_norm == "everywhere" or (free and batch_norm == "trainable")
            layer.trainable = free
    return sum(math.prod(weight.shape) for weight in network.trainable_weights)


def features_are_constant(network: "keras.Model") -> bool:
    """Whether the backbone of `network`, as it is frozen now, makes the same of a picture whenever it is asked.

    Not if a layer of it learns, BatchNorm normalises by the batch, or one draws random numbers in training (dropout,
    stochastic depth).
    """
    backbone = network.get_layer(BACKBONE)
    # The flag of the backbone itself says nothing: it stays as it was when its layers are freed one by one.
    return not (random_states(backbone) or any(layer.trainable for layer in backbone.layers if layer.weights))


def random_states(model: "keras.Model") -> list[Any]:
    """The variables from which layers of `model` draw random numbers in training, such as dropout's."""
    weights = {id(each) for each in model.weights}
    return [each for each in model.variables if id(each) not in weights and "seed" in each.path]


def _first_free(weighted: list[Any], unfreeze: float | str) -> int:
    """Index of the first layer that learns; their number if none does."""
    if unfreeze == "all":
        return 0
    if unfreeze == "none":
        return len(weighted)
    if isinstance(unfreeze, str):
        names = [layer.name for layer in weighted]
        if plain_name(unfreeze) not in names:
            raise ConfigError(
                f"no layer {unfreeze!r} with weights in the backbone{closest(plain_name(unfreeze), names)}; "
                f"expected all, none, a fraction 0..1, or a layer's name: {names[0]} ... {names[-1]}."
            )
        return names.index(plain_name(unfreeze))
    if not 0 <= unfreeze <= 1:
        raise ConfigError(f"unfreeze {unfreeze}: expected a fraction 0..1, all, none, or a layer's name.")
    return len(weighted) - round(unfreeze * len(weighted))
