"""Grad-CAM: which parts of a face speak for a class (Selvaraju et al., ICCV 2017, arXiv:1610.02391)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferkit.bundles.card import ModelName
from ferkit.data.input_card import InputCard
from ferkit.data.labels import Target, names_of_outputs
from ferkit.errors import DataError
from ferkit.models.face_model import class_count
from ferkit.models.opened_network import OpenedNetwork

if TYPE_CHECKING:
    import keras

    from ferkit.bundles.bundle import Bundle

__all__ = ["explain", "grad_cam"]


def grad_cam(
    network: "keras.Model", images: NDArray[np.uint8], target: Target, class_index: int | NDArray[np.integer]
) -> NDArray[np.float32]:
    """Where in each picture `network` sees something that speaks for a class.

    The mean gradient of the class's score before the softmax weighs the channels of a feature map; what is positive in
    their sum is the heat (equations 1 and 2 of the paper). The map is the last one that still has 6 x 6 cells.

    Parameters
    ----------
    network
        As `ferkit.backbones.network.build_network` makes them; its weights are not changed.
    images : (N, side, side[, 3]) uint8
        Faces, as the network was trained on.
    target
        Whose classes: it chooses the head.
    class_index
        Column of the network's output, one for all pictures or (N,) one for each.

    Returns
    -------
    (N, side, side) float32
        From 0 to 1, the largest value of each picture 1; all 0 where nothing speaks for the class.

    Raises
    ------
    DataError
        If the pictures, the target or the class are not the network's, or the network has no feature map.
    """
    opened, taken = OpenedNetwork.of(network), InputCard.of_shape(tuple(network.inputs[0].shape)[1:])
    taken.require(images)
    opened.require_target(target)
    indices = _checked(len(images), target, class_index, names_of_outputs(target, class_count(network, target)))
    if not len(images):
        return np.zeros((0, taken.size, taken.size), dtype=np.float32)
    features, gradients = opened.features_and_gradients(images, target, indices)
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    return _scaled(_enlarged(np.maximum((weights * features).sum(axis=-1), 0), taken.size))


def explain(
    bundle: "Bundle",
    images: NDArray[np.uint8],
    target: Target,
    *,
    model: ModelName = "default",
    class_index: int | NDArray[np.integer],
) -> NDArray[np.float32]:
    """Where in each picture the networks of `bundle` see something that speaks for a class.

    The mean of their maps, each scaled to 1, with the weights of their vote; where their answers are averaged over a
    picture and its mirror image, so are the maps.

    Parameters
    ----------
    images : (N, side, side[, 3]) uint8
        As for `Bundle.predict`.
    model
        Whose answer is explained, as for `Bundle.predict`.
    class_index
        One class for all pictures or (N,) one for each.

    Returns
    -------
    (N, side, side) float32
        As `grad_cam`.

    Raises
    ------
    DataError
        If nothing here answers for the target, or as `grad_cam`.
    """
    vote = bundle.vote_for(target, model)
    bundle.input.require(images)
    _checked(len(images), target, class_index, bundle.classes(target))
    heat = np.zeros((len(images), *images.shape[1:3]), dtype=np.float32)
    for name, weight in vote.weights.items():
        # Reading a network that has no say would cost memory and time.
        if weight == 0:
            continue
        network = bundle.network(name)
        heat += weight * grad_cam(network, images, target, class_index)
        if bundle.card.tta_of(name).flip:
            heat += weight * grad_cam(network, images[:, :, ::-1], target, class_index)[:, :, ::-1]
    return _scaled(heat)


def _checked(
    count: int, target: Target, class_index: int | NDArray[np.integer], classes: Sequence[str]
) -> NDArray[np.integer]:
    """The class of each of so many pictures, (N,)."""
    indices = np.asarray(class_index)
    if indices.shape not in {(), (count,)} or not np.issubdtype(indices.dtype, np.integer):
        raise DataError(f"classes are {indices.dtype} {indices.shape}, expected one whole number, or ({count},).")
    if indices.size and not 0 <= indices.min() <= indices.max() < len(classes):
        raise DataError(f"class {class_index}: {target} has 0 ({classes[0]}) to {len(classes) - 1} ({classes[-1]}).")
    return np.broadcast_to(indices, count)


def _enlarged(heat: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Maps (N, h, w) as (N, side, side), bicubic: bilinear shows the cells as crosses."""
    import cv2

    return np.stack([cv2.resize(each, (side, side), interpolation=cv2.INTER_CUBIC) for each in heat])


def _scaled(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Maps (N, side, side) without what is negative, the largest value of each 1 unless all are 0."""
    positive = np.maximum(heat, 0)
    largest = positive.max(axis=(1, 2), keepdims=True, initial=0)
    return np.asarray(np.divide(positive, largest, out=np.zeros_like(positive), where=largest > 0), dtype=np.float32)
