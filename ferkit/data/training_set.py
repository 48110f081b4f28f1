"""`TrainingSet`: what a network learns from, after balancing."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferkit.data.arrays import freeze_arrays
from ferkit.data.dataset import images_shape
from ferkit.data.stored_pictures import Images, add_to_hash
from ferkit.errors import DataError

__all__ = ["TrainingSet", "equal_shares"]


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What a network is trained on; immutable.

    Attributes
    ----------
    images : (U, 48, 48) uint8
        Every picture once, in the dataset's order; pictures that balancing made come last. Of a streamed source
        `StoredPictures`.
    targets : (U, classes) float32
        Rows sum to one.
    row : (U,) int64
        Row of each picture in its source, -1 for a picture that balancing made.
    indices : (M,) int64
        The pictures that one epoch passes over; a repeated picture is a repeated index.
    class_weight : (classes,) float32, optional
        Weight of each class in the loss: the label of an example is ``targets * class_weight``, whose sum is on average
        1 over an epoch. See `equal_shares`.
    sampling : (M,) float32, optional
        How often an epoch passes over each of `indices` on average; it draws them anew. Once each if None.
    weight : (U,) float32, optional
        How much each picture counts in the loss, 1 on average over the pictures that balancing did not make; 1 each if
        None.
    classes
        Names of the classes.
    """

    images: Images
    targets: NDArray[np.float32]
    row: NDArray[np.int64]
    indices: NDArray[np.int64]
    class_weight: NDArray[np.float32] | None = None
    sampling: NDArray[np.float32] | None = None
    weight: NDArray[np.float32] | None = None
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count, classes = len(self.images), self.targets.shape[-1]
        expected: dict[str, tuple[tuple[int, ...], type]] = {
            "images": (images_shape(self.images), np.uint8),
            "targets": ((count, classes), np.float32),
            "row": ((count,), np.int64),
            "indices": ((len(self.indices),), np.int64),
            "class_weight": ((classes,), np.float32),
            "sampling": ((len(self.indices),), np.float32),
            "weight": ((count,), np.float32),
        }
        freeze_arrays(self, expected, optional=("class_weight", "sampling", "weight"))
        if self.classes and len(self.classes) != classes:
            raise DataError(f"TrainingSet.classes: {len(self.classes)} names of {classes} classes.")
        if len(self.indices) and not (self.indices.min() >= 0 and self.indices.max() < count):
            raise DataError(
                f"TrainingSet.indices from {self.indices.min()} to {self.indices.max()}, expected 0 to {count - 1}."
            )
        if not np.allclose(self.targets.sum(axis=1, dtype=np.float64), 1.0, atol=1e-4):
            raise DataError("TrainingSet.targets: a row does not sum to 1, expected a distribution over the classes.")

    def __len__(self) -> int:
        """Examples in one epoch."""
        return len(self.indices)

    @property
    def made(self) -> NDArray[np.bool_]:
        """(U,) bool: which pictures balancing made."""
        return np.asarray(self.row < 0)

    @property
    def weighted_targets(self) -> NDArray[np.float32]:
        """(U, classes) float32: `targets`, each row times the weight of its picture."""
        return self.targets if self.weight is None else np.asarray(self.targets * self.weight[:, None])

    @property
    def label(self) -> NDArray[np.int8]:
        """(U,) int8: the most probable class of each picture."""
        return np.asarray(self.targets.argmax(axis=1), dtype=np.int8)

    @property
    def counts_before(self) -> NDArray[np.int64]:
        """(classes,) int64: pictures of each class before balancing."""
        return self._counts(self.label[~self.made])

    @property
    def counts_after(self) -> NDArray[np.int64]:
        """(classes,) int64: examples of each class in one epoch, on average."""
        label = self.label[self.indices]
        if self.sampling is None:
            return self._counts(label)
        return np.rint(np.bincount(label, self.sampling, minlength=self.targets.shape[1])).astype(np.int64)

    def _counts(self, label: NDArray[np.int8]) -> NDArray[np.int64]:
        return np.bincount(label, minlength=self.targets.shape[1]).astype(np.int64)

    def content_hash(self) -> str:
        """sha256 over every array, in hexadecimal."""
        digest = hashlib.sha256()
        # What is younger than trainings that are kept enters only where it is there.
        optional = [name for name in ("sampling", "weight") if getattr(self, name) is not None]
        for name in ("images", "targets", "row", "indices", "class_weight", *optional):
            array = getattr(self, name)
            digest.update(f"{name} {None if array is None else array.shape}".encode())
            if array is not None:
                add_to_hash(digest, array)
        return digest.hexdigest()


def equal_shares(targets: NDArray[np.float32], times: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """The class weights that give each class that occurs the same share of the loss.

    Parameters
    ----------
    targets : (M, classes) float32
        Labels of the examples of an epoch, hard or soft; of zeros where there is none.
    times : (M,) float32, optional
        How often an epoch passes over each of them on average; once if None.

    Returns
    -------
    (classes,) float32
        1 for a class that does not occur. The sums of ``targets * weights`` are 1 on average over the labels.
    """
    mass = (targets if times is None else targets * times[:, None]).sum(axis=0, dtype=np.float64)
    present = mass > 0
    weight = np.divide(mass.sum() / max(int(present.sum()), 1), mass, out=np.ones_like(mass), where=present)
    return np.asarray(weight, dtype=np.float32)
