"""Whether the weights that a run's settings name will be there, before it begins."""

from ferkit.backbones.freezing import set_trainable
from ferkit.backbones.network import build_network
from ferkit.backbones.settings import BackboneSettings
from ferkit.backbones.weights import require

__all__ = ["check_weights"]


def check_weights(settings: BackboneSettings, unfreeze: float | str) -> None:
    """Raise before a run begins what would stop its training as the network is built.

    The network is built only where that is the one way to know: for a weight file of somebody else's, and for the name
    of a layer.

    Parameters
    ----------
    unfreeze
        Which part of the backbone is trained: a share from 0 to 1, ``all``, ``none`` or the name of a layer.

    Raises
    ------
    WeightsError
        If weights are missing, damaged, of another network, or to be downloaded from a place that does not answer.
    ConfigError
        If there is no layer of the name `unfreeze`.
    """
    published = settings.card.weights
    if settings.weights == "pretrained" and published is not None:
        require(published)
    names_a_layer = isinstance(unfreeze, str) and unfreeze not in ("all", "none")
    if settings.weights not in ("pretrained", "none"):
        network = build_network(settings, {"fer": 7}, seed=0)
    elif names_a_layer and settings.starts_trained:
        # Its layers are the same, whatever their weights.
        network = build_network(settings.model_copy(update={"weights": "none"}), {"fer": 7}, seed=0)
    else:
        return
    if names_a_layer:
        set_trainable(network, unfreeze)
