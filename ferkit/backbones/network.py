"""Backbone, preprocessing and head as one Keras network that takes uint8 pictures."""

import random
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkit.backbones.settings import BackboneSettings
from ferkit.backbones.weight_files import load_weight_file
from ferkit.backbones.weights import find_or_download, is_published
from ferkit.data.dataset import SIZE
from ferkit.data.labels import Target

if TYPE_CHECKING:
    import keras

__all__ = ["BACKBONE", "POOL", "PREPROCESSED", "PROBABILITIES", "build_network"]

# Names of the layers that other modules look for.
BACKBONE = "backbone"
POOL = "pool"
PREPROCESSED = "preprocessing"
PROBABILITIES = "probabilities"


def build_network(
    settings: BackboneSettings, heads: Mapping[Target, int], *, seed: int, picture: tuple[int, ...] = (SIZE, SIZE, 1)
) -> "keras.Model":
    """Build the network that `settings` describe, pretrained weights loaded.

    Parameters
    ----------
    settings
        The backbone, its input size, weights and head.
    heads
        Number of classes of each target.
    seed
        Seed of random weights and dropout. Sets the global seeds of Python, NumPy and, if it has one, the Keras
        backend, because keras-vggface and keras.applications draw their weights from those.
    picture
        Height, width and channels of a picture: 1 for grey, 3 for RGB.

    Returns
    -------
    keras.Model
        ``picture`` (B, *picture) uint8 to probabilities (B, classes) float32 that sum to one, with more than one head
        to a dictionary of them by target. The layers of the heads are called ``probabilities_<target>``. The picture is
        resized (bilinear) and normalised inside, on the device. The layer ``backbone`` is a model of its own. The
        network can be saved as .keras and loaded in safe mode.

    Raises
    ------
    WeightsError
        If the weights are missing, damaged or those of another network.

    Examples
    --------
    >>> from ferkit.backbones.settings import BackboneSettings
    >>> network = build_network(BackboneSettings(name="fernet", width=4), {"fer": 7}, seed=0)
    >>> network.input_shape, network.output_shape
    ((None, 48, 48, 1), (None, 7))
    """
    import keras

    from ferkit.backbones.layers import GreyToChannels, Luma, ReversedChannels

    _set_seeds(seed)
    card = settings.card
    trunk = card.build(settings.size, settings)
    _number_unnamed_layers(trunk)
    # A new model over the same layers: the name is ours, whatever its source calls it.
    backbone = keras.Model(trunk.input, trunk.output, name=BACKBONE)
    _load_pretrained(backbone, settings)

    given = keras.Input(picture, dtype="uint8", name="picture")
    x = given
    if picture[-1] > card.preprocessing.channels:
        x = Luma(name="luma")(x)
    elif picture[-1] > 1 and card.preprocessing.bgr:
        x = ReversedChannels(name="bgr")(x)
    if picture[:2] != (settings.size, settings.size):
        side = settings.size
        # JAX would round each resized pixel back to uint8.
        x = keras.ops.cast(x, "float32")
        x = keras.layers.Resizing(side, side, interpolation="bilinear", dtype="float32", name="resize")(x)
    x = GreyToChannels(card.preprocessing.mean, card.preprocessing.scale, name=PREPROCESSED)(x)
    outputs = _heads(backbone(x), settings, heads, seed)
    return keras.Model(given, outputs if len(heads) > 1 else outputs.popitem()[1], name=settings.label)


def _set_seeds(seed: int) -> None:
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        keras.utils.set_random_seed(seed)
        return
    # What Keras's function does, which would import all of TensorFlow to set a seed there, too. JAX has no global one.
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    if backend == "torch":
        import torch

        torch.manual_seed(seed)


def _number_unnamed_layers(trunk: "keras.Model") -> None:
    """Name them by their place in `trunk`, so that one network has one config and one hash.

    Keras numbers the layers that nobody named through the whole process: a second network would differ from the
    first.
    """
    counts: Counter[str] = Counter()
    for layer in trunk.layers:
        stem = re.sub(r"_\d+$", "", layer.name)
        if stem.replace("_", "") == type(layer).__name__.lower():
            counts[stem] += 1
            layer.name = f"{stem}_{counts[stem]}"


def _heads(features: Any, settings: BackboneSettings, heads: Mapping[Target, int], seed: int) -> dict[str, Any]:
    from keras import layers

    head = settings.card.head
    hidden = head.hidden if settings.hidden is None else settings.hidden
    rate = head.dropout if settings.dropout is None else settings.dropout
    x = features
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D(name=POOL)(x)
    if head.batch_norm:
        x = layers.BatchNormalization(name="head_batch_norm")(x)
    for index, units in enumerate(hidden, start=1):
        x = layers.Dropout(rate, seed=seed + index, name=f"dropout_{index}")(x)
        x = layers.Dense(units, activation="relu", name=f"dense_{index}")(x)
    if not hidden:
        x = layers.Dropout(rate, seed=seed + 1, name="dropout_1")(x)
    # float32 also under mixed precision, so that probabilities sum to one.
    return {
        target: layers.Dense(classes, activation="softmax", dtype="float32", name=f"{PROBABILITIES}_{target}")(x)
        for target, classes in heads.items()
    }


def _load_pretrained(backbone: "keras.Model", settings: BackboneSettings) -> None:
    published = settings.card.weights
    if settings.weights == "none":
        return
    if settings.weights != "pretrained":
        file = settings.weights
    elif published is not None:
        file = find_or_download(published)
    else:
        return
    load_weight_file(backbone, file, settings.name)
    if settings.card.finish is not None and published is not None and is_published(file, published):
        settings.card.finish(backbone)
