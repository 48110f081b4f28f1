"""`Examples`: the training sets of one or more targets as the arrays that one network learns from."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.stored_pictures import Images, StoredPictures, add_to_hash
from ferkit.data.targets import TargetSettings, labelled
from ferkit.data.training_set import TrainingSet, equal_shares
from ferkit.errors import ConfigError, DataError

__all__ = ["Examples", "SelectionExamples", "join"]


@dataclass(frozen=True, eq=False)
class Examples:
    """What a network with a head for each target is trained on.

    Attributes
    ----------
    images : (U, 48, 48) uint8
        Every picture once; of a streamed source `StoredPictures`.
    labels : (U, classes) float32 a target
        Label distribution, each class times its weight in the loss; a row of zeros where the picture has no label for
        the target.
    indices : (M,) int64
        The pictures that one epoch passes over.
    sampling : (M,) float32, optional
        How often an epoch passes over each of `indices` on average, see `epoch`; once each if None.
    multi_label
        The targets of whose labels every class above 0 is as right as any other, ``train_on: multi_target``; their loss
        is another, see `ferkit.training.trainer.MultiLabelLoss`.
    """

    images: Images
    labels: dict[Target, NDArray[np.float32]]
    indices: NDArray[np.int64]
    sampling: NDArray[np.float32] | None = None
    multi_label: frozenset[Target] = frozenset()

    @property
    def heads(self) -> dict[Target, int]:
        """Number of classes of each target, the first of which balancing followed."""
        return {target: labels.shape[1] for target, labels in self.labels.items()}

    def epoch(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """The pictures of one epoch in random order.

        With `sampling` each is drawn as often as its weight says, rounded up or down at random: systematic resampling
        (Kitagawa, J. Comput. Graph. Stat. 5, 1996, section 2), which varies least.
        """
        if self.sampling is None:
            return generator.permutation(self.indices)
        order = generator.permutation(len(self.indices))
        # Those of one weight, and so of one class, lie together: a class then gets its share, rounded up or down.
        order = order[np.argsort(self.sampling[order], kind="stable")]
        reach = np.cumsum(self.sampling[order], dtype=np.float64)
        points = generator.random() + np.arange(round(reach[-1]))
        # Rounding must not leave the last point beyond the end.
        drawn = np.minimum(np.searchsorted(reach, points, side="right"), len(order) - 1)
        return generator.permutation(self.indices[order[drawn]])

    def content_hash(self) -> str:
        """sha256 over every array and the names in `multi_label`, in hexadecimal."""
        # What is younger than trainings that are kept enters only where it is there.
        drawn = [] if self.sampling is None else [("sampling", self.sampling)]
        flags = [(f"multi_label {target}", np.ones(1, np.uint8)) for target in sorted(self.multi_label)]
        arrays = [("images", self.images), *self.labels.items(), ("indices", self.indices), *drawn, *flags]
        return _content_hash(arrays)


@dataclass(frozen=True, eq=False)
class SelectionExamples:
    """Pictures of PublicTest that judge a network after each epoch, and so choose the epoch that is kept.

    Attributes
    ----------
    images : (V, 48, 48) uint8
        Every picture once; of a streamed source `StoredPictures`.
    labels : (V, classes) float32 a target
        Label distribution; a row of zeros where the picture has no label for the target.
    """

    images: Images
    labels: dict[Target, NDArray[np.float32]]

    @classmethod
    def of(cls, faces: FaceDataset, targets: Iterable[TargetSettings]) -> Self:
        """All of `faces` that have a label for one of `targets`, under its protocol."""
        labels = {}
        for target in targets:
            pictures, distribution = labelled(faces, target)
            labels[target.name] = np.zeros((len(faces), distribution.shape[1]), dtype=np.float32)
            labels[target.name][np.isin(faces.row, pictures.row)] = distribution
        known = np.any([each.any(axis=1) for each in labels.values()], axis=0)
        return cls(faces.images[known], {name: each[known] for name, each in labels.items()})

    def content_hash(self) -> str:
        """sha256 over every array, in hexadecimal."""
        return _content_hash([("images", self.images), *self.labels.items()])


def _content_hash(arrays: Iterable[tuple[str, Any]]) -> str:
    digest = hashlib.sha256()
    for name, array in arrays:
        digest.update(f"{name} {array.shape}".encode())
        add_to_hash(digest, array)
    return digest.hexdigest()


def join(training_sets: Mapping[Target, TrainingSet], multi_label: frozenset[Target] = frozenset()) -> Examples:
    """Put the training sets of several targets together, a picture that occurs in more than one counted once.

    An epoch passes over the first set's indices, with their repetitions, and once over each picture that only a later
    set has.

    Parameters
    ----------
    training_sets
        One for each target.
    multi_label
        The targets whose labels allow more than one class, see `Examples`.

    Raises
    ------
    ConfigError
        If a later set holds pictures that balancing made: no other target has a label for them.
    """
    (first, leading), *others = training_sets.items()
    images, indices, sampling = leading.images, leading.indices, leading.sampling
    labels = {first: leading.weighted_targets}
    place = {int(row): index for index, row in enumerate(leading.row) if row >= 0} if others else {}
    for target, other in others:
        if other.made.any():
            raise ConfigError(
                f"a network that learns {', '.join(training_sets)} together cannot learn pictures that balancing made "
                f"for {target}: use balancing.method none, random_over_sampler or weighted_sampling."
            )
        new = np.array([index for index, row in enumerate(other.row) if int(row) not in place], dtype=np.int64)
        for index in new:
            place[int(other.row[index])] = len(place) + int(leading.made.sum())
        images = _appended(images, other.images[new])
        indices = np.concatenate([indices, np.arange(len(images) - len(new), len(images))])
        at = np.array([place[int(row)] for row in other.row], dtype=np.int64)
        labels = {known: _padded(array, len(images)) for known, array in labels.items()}
        labels[target] = np.zeros((len(images), other.targets.shape[1]), dtype=np.float32)
        labels[target][at] = other.weighted_targets
        if sampling is not None:
            sampling = np.concatenate([sampling, np.ones(len(new), dtype=np.float32)])
    weights = {first: leading.class_weight}
    for target, other in others:
        weighs = other.class_weight is not None
        weights[target] = equal_shares(labels[target][indices], sampling) if weighs else None
    weighted = {name: _weighted(each, weights[name]) for name, each in labels.items()}
    return Examples(images, weighted, indices, sampling, multi_label)


def _appended(first: Images, second: Images) -> Images:
    if isinstance(first, StoredPictures) and isinstance(second, StoredPictures):
        return first.and_also(second)
    if isinstance(first, StoredPictures) or isinstance(second, StoredPictures):
        raise DataError("training sets of one network: some pictures lie in files, others in memory.")
    return np.concatenate([first, second])


def _weighted(labels: NDArray[np.float32], weight: NDArray[np.float32] | None) -> NDArray[np.float32]:
    return labels if weight is None else np.asarray(labels * weight, dtype=np.float32)


def _padded(array: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    return np.concatenate([array, np.zeros((count - len(array), array.shape[1]), dtype=np.float32)])
