"""Balancing the classes of the training split: repetition, made pictures, class weights.

FER-2013 has 16 times as many happy faces as disgusted ones. Every method here touches the training split only, so
that nothing made from a picture can ever be validated or tested on.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ferkit.data.dataset import SIZE, FaceDataset
from ferkit.data.stored_pictures import StoredPictures
from ferkit.data.targets import TargetSettings, labelled, pictures_left_out, with_votes
from ferkit.data.training_set import TrainingSet, equal_shares
from ferkit.errors import DataError
from ferkit.preparation.disgust_copies import augment_disgust
from ferkit.settings import Settings

__all__ = ["MAKES_PICTURES", "BalancingSettings", "check_balancing", "oversample"]

_LOG = logging.getLogger(__name__)

# Methods that make pictures, for which all others have to be in memory.
MAKES_PICTURES = ("smote", "adasyn", "augment_disgust")

# ADASYN stops where no picture of a class has a neighbour of another class, or where fewer than half a picture is due
# to each.
_ADASYN_MAKES_NONE = ("Not any neigbours belong", "No samples will be generated")


class BalancingSettings(Settings):
    """How the classes of the training split are balanced.

    Attributes
    ----------
    method
        ``none``; ``random_over_sampler``: pictures of small classes are repeated; ``smote``: pictures between a picture
        and one of its nearest neighbours of its class (Chawla et al., JAIR 16, 2002); ``adasyn``: the same, more
        of them where other classes are near (He et al., IJCNN 2008); ``augment_disgust``: flipped, turned, shifted
        and zoomed copies of the disgusted faces alone; ``weighted_sampling``: each epoch draws its pictures anew, those
        of small classes more often, and is as long as without balancing.
    class_weight
        Weigh the loss so that every class has the same share of the labels, with whatever `method` left of the
        imbalance: of a soft label each class by its own weight.
    ratio
        Size that every class is brought to, as a share of the largest class; classes above it stay as they are.
        Not read by ``none`` and ``augment_disgust``.
    neighbours
        Nearest neighbours that SMOTE and ADASYN choose from.
    disgust_factor
        Disgusted faces after ``augment_disgust``, as a multiple of those before.
    """

    method: Literal["none", "random_over_sampler", "smote", "adasyn", "augment_disgust", "weighted_sampling"] = "none"
    class_weight: bool = False
    ratio: float = Field(1.0, gt=0, le=1)
    neighbours: int = Field(5, ge=1)
    disgust_factor: float = Field(5.0, gt=1)


def oversample(faces: FaceDataset, target: TargetSettings, settings: BalancingSettings, seed: int) -> TrainingSet:
    """Balance the classes of the training split.

    Parameters
    ----------
    faces
        Pictures of any splits; those outside Training are not read.
    target
        Which labels the network learns; the class of a soft label is its most probable emotion.
    seed
        The same seed gives the same training set.

    Raises
    ------
    DataError
        If there is no training picture with a label, a class has too few pictures for SMOTE or ADASYN, or there is no
        disgusted face to augment.

    Examples
    --------
    >>> from ferkit.sources.synthetic.generate import SyntheticSettings, generate
    >>> faces = generate(SyntheticSettings(count=200)).faces
    >>> settings = BalancingSettings(method="random_over_sampler")
    >>> training_set = oversample(faces, TargetSettings(name="fer"), settings, seed=0)
    >>> len(set(training_set.counts_after))
    1
    """
    training, targets = labelled(faces.of_split("Training"), target, target.train_on)
    if not len(training):
        raise DataError(f"no picture of the split Training has a {target.name} label: nothing to train on.")
    for name, count in pictures_left_out(faces, target).items():
        _LOG.info("target %s leaves out %s pictures of class %s, as its map says", target.name, f"{count:,}", name)
    if target.votes:
        targets = with_votes(training, targets, target.votes)
    label = targets.argmax(axis=1)
    indices = np.arange(len(training))
    classes = target.class_names(faces.classes)
    images, row = training.images, training.row
    weight = None if training.weight is None else _mean_one(training.weight)
    sampling = None
    if settings.method == "random_over_sampler":
        indices = _repeat(label, settings, seed)
    elif settings.method == "weighted_sampling":
        sampling = _sampling(label, settings)
    elif settings.method != "none":
        if isinstance(images, StoredPictures):
            raise DataError(
                f"balancing.method {settings.method} makes pictures in memory, but those of a streamed source stay in "
                "their files: use weighted_sampling, random_over_sampler or none."
            )
        if settings.method == "augment_disgust":
            disgust = _disgust(target, classes)
            made, made_targets = augment_disgust(images, targets, disgust, settings.disgust_factor, seed)
        else:
            made, made_label = _interpolate(images, label, classes, settings, seed)
            made_targets = np.eye(targets.shape[1], dtype=np.float32)[made_label]
        images = np.concatenate([images, made])
        targets = np.concatenate([targets, made_targets])
        row = np.concatenate([row, np.full(len(made), -1, dtype=np.int64)])
        weight = None if weight is None else np.concatenate([weight, np.ones(len(made), dtype=np.float32)])
        indices = np.arange(len(images))
    balanced = TrainingSet(images, targets, row, indices.astype(np.int64), None, sampling, weight, classes)
    if not settings.class_weight:
        return balanced
    return replace(balanced, class_weight=equal_shares(balanced.weighted_targets[indices], sampling))


def _mean_one(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same weights, 1 on average, so that the learning rate means what it means without them."""
    if not weight.sum() > 0:
        raise DataError("the weights of all training pictures are 0: nothing to train on.")
    return np.asarray(weight / weight.mean(dtype=np.float64), dtype=np.float32)


def _disgust(target: TargetSettings, classes: tuple[str, ...]) -> int:
    """Which of its classes a target calls disgust."""
    if "disgust" not in classes:
        raise DataError(
            f"augment_disgust: target {target.name} has the classes {', '.join(classes)}, none of them disgust: use "
            "another balancing.method."
        )
    return classes.index("disgust")


def check_balancing(faces: FaceDataset, target: TargetSettings, settings: BalancingSettings, seed: int) -> None:
    """Find what `oversample` would stop at; SMOTE and ADASYN, which take minutes, are not run.

    Raises
    ------
    DataError
        As `oversample` does.
    """
    if settings.method not in ("smote", "adasyn"):
        oversample(faces, target, settings, seed)
        return
    plain = oversample(faces, target, settings.model_copy(update={"method": "none"}), seed)
    if not isinstance(plain.images, StoredPictures):
        _, _, label, wanted = _wanted(plain.images, plain.targets.argmax(axis=1), settings)
        _require_neighbours(label, wanted, plain.classes, settings)


def _sampling(label: NDArray[np.int64], settings: BalancingSettings) -> NDArray[np.float32]:
    """How often an epoch passes over each picture, so that classes are as large to each other as after repetition.

    The epoch keeps its length: what small classes gain, large ones lose.
    """
    sizes = _sizes(label, settings.ratio)
    share = len(label) / sum(sizes.values())
    counts = np.maximum(np.bincount(label), 1)
    per_class = np.array([share * sizes.get(index, 0) for index in range(len(counts))]) / counts
    return np.asarray(per_class[label], dtype=np.float32)


def _sizes(label: NDArray[np.int64], ratio: float) -> dict[int, int]:
    """Pictures that each class is to have."""
    classes, counts = np.unique(label, return_counts=True)
    floor = round(ratio * int(counts.max()))
    return {int(index): max(int(count), floor) for index, count in zip(classes, counts, strict=True)}


def _repeat(label: NDArray[np.int64], settings: BalancingSettings, seed: int) -> NDArray[np.int64]:
    sizes = _sizes(label, settings.ratio)
    if len(sizes) == 1:
        return np.arange(len(label))
    from imblearn.over_sampling import RandomOverSampler

    sampler = RandomOverSampler(sampling_strategy=sizes, random_state=seed)
    indices, _ = sampler.fit_resample(np.arange(len(label))[:, None], label)
    return np.asarray(indices[:, 0])


def _interpolate(
    images: NDArray[np.uint8],
    label: NDArray[np.int64],
    classes: tuple[str, ...],
    settings: BalancingSettings,
    seed: int,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures that SMOTE or ADASYN make, and their classes.

    imbalanced-learn takes each picture's nearest neighbour for the picture itself and skips it. FER-2013 repeats
    hundreds of pictures, some with another label; between a picture and its copy there is only the picture, and which
    of them is skipped is chance. So each is shown once, with its first label.
    """
    flat, first, distinct, wanted = _wanted(images, label, settings)
    _require_neighbours(distinct, wanted, classes, settings)
    if not wanted:
        return np.empty((0, SIZE, SIZE), dtype=np.uint8), np.empty(0, dtype=np.int64)
    # uint8 would wrap around in the differences between neighbours; float32 holds every grey value exactly.
    pixels = flat[first].astype(np.float32)
    made, made_label = [], []
    # A class at a time: one that ADASYN can do nothing for must not cost the others theirs, and the memory that
    # imbalanced-learn takes for its result is that of one class.
    for index, count in wanted.items():
        sizes = {index: int((distinct == index).sum()) + count}
        pictures = _between_neighbours(pixels, distinct, _sampler(settings, sizes, seed))
        if not len(pictures):
            _LOG.warning(
                "adasyn makes none of the %d pictures wanted of class %r: too few, or none of its pictures has a "
                "neighbour of another class. smote would make them.",
                count,
                classes[index],
            )
        made.append(pictures)
        made_label.append(np.full(len(pictures), index))
    return np.concatenate(made), np.concatenate(made_label)


def _wanted(
    images: NDArray[np.uint8], label: NDArray[np.int64], settings: BalancingSettings
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], dict[int, int]]:
    """Pictures as rows, places of those that differ, their classes, and how many each class is to get."""
    flat = np.ascontiguousarray(images).reshape(len(images), -1)
    _, first = np.unique(flat.view(f"V{flat.shape[1]}").ravel(), return_index=True)
    first.sort()
    wanted = {
        index: size - int((label == index).sum())
        for index, size in _sizes(label, settings.ratio).items()
        if size > (label == index).sum()
    }
    return flat, first, label[first], wanted


def _require_neighbours(
    distinct: NDArray[np.int64], wanted: Iterable[int], classes: tuple[str, ...], settings: BalancingSettings
) -> None:
    for index in wanted:
        count = int((distinct == index).sum())
        if count <= settings.neighbours:
            raise DataError(
                f"{settings.method}: {count} different training pictures of class {classes[index]!r}, "
                f"expected more than balancing.neighbours = {settings.neighbours}: lower it or use random_over_sampler."
            )


def _sampler(settings: BalancingSettings, sizes: dict[int, int], seed: int) -> Any:
    from imblearn.over_sampling import ADASYN, SMOTE

    if settings.method == "smote":
        return SMOTE(sampling_strategy=sizes, k_neighbors=settings.neighbours, random_state=seed)
    return ADASYN(sampling_strategy=sizes, n_neighbors=settings.neighbours, random_state=seed)


def _between_neighbours(pixels: NDArray[np.float32], label: NDArray[np.int64], sampler: Any) -> NDArray[np.uint8]:
    """The pictures that `sampler` makes: (count, 48, 48) uint8."""
    try:
        resampled, _ = sampler.fit_resample(pixels, label)
    except (RuntimeError, ValueError) as error:
        if not any(reason in str(error) for reason in _ADASYN_MAKES_NONE):
            raise
        resampled = pixels
    made: NDArray[np.float32] = np.rint(resampled[len(pixels) :])
    return np.clip(made, 0, 255, out=made).astype(np.uint8).reshape(-1, SIZE, SIZE)
