"""How far below the head each layer of a backbone lies."""

import math
from typing import TYPE_CHECKING, Any

from ferkit.backbones.network import BACKBONE

if TYPE_CHECKING:
    import keras

__all__ = ["layer_depths"]


def layer_depths(network: "keras.Model") -> list[tuple[Any, int]]:
    """The layers of the backbone that have weights, each with the number of its stage, counted from the top.

    A stage begins where the map gets smaller. The last one's number is 1: the head, which is not listed, would have 0.

    Parameters
    ----------
    network
        From `ferkit.backbones.build_network`.

    Examples
    --------
    >>> from ferkit.backbones import BackboneSettings, build_network
    >>> network = build_network(BackboneSettings(name="fernet", width=4), {"fer": 7}, seed=0)
    >>> {layer.name: depth for layer, depth in layer_depths(network)}["conv1_1"]
    4
    """
    stage, side = 0, math.inf
    stages: list[tuple[Any, int]] = []
    for layer in network.get_layer(BACKBONE).layers:
        shape: tuple[Any, ...] = getattr(layer.output, "shape", ())
        # A squeezed map, as of squeeze-and-excitation, belongs to the stage around it.
        if len(shape) == 4 and max(getattr(layer, "strides", None) or (1,)) > 1 and shape[1] < side:
            stage, side = stage + 1, shape[1]
        if layer.weights:
            stages.append((layer, stage))
    last = max((stage for _, stage in stages), default=0)
    return [(layer, 1 + last - stage) for layer, stage in stages]
