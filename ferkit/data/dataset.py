"""`FaceDataset`, the one type that flows through everything."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ferkit.data.arrays import freeze_arrays
from ferkit.data.labels import FER_EMOTIONS, FERPLUS_VOTES, SPLITS, Split
from ferkit.data.stored_pictures import Images, StoredPictures, add_to_hash
from ferkit.errors import DataError

__all__ = ["SIZE", "FaceDataset", "as_faces", "images_shape"]

SIZE = 48

_OPTIONAL = ("votes", "subject", "weight")
# Of labels that are numbers of 8 bits from 0.
_MOST_CLASSES = 127


@dataclass(frozen=True, eq=False)
class FaceDataset:
    """Face pictures with their labels; immutable, each picture traceable to a row of its source.

    Attributes
    ----------
    images : (N, 48, 48) uint8
        Grey values, 0 is black. Of a streamed source `StoredPictures` of any side, grey or RGB.
    label : (N,) int8
        Index into `classes`.
    split : (N,) int8
        Index into `ferkit.data.labels.SPLITS`: 0 Training, 1 PublicTest, 2 PrivateTest.
    row : (N,) int64
        0-based data row of the source file (header not counted), or index of the source's file list. Unique.
    votes : (N, 10) uint8, optional
        FER+ votes in the order of `ferkit.data.labels.FERPLUS_VOTES`; all zero for a row that FER+ does not name.
    classes
        Names of the labels, the emotions of FER-2013 if not given. Each once, at most 127.
    subject : (N,) int32, optional
        The same number for pictures of one person, -1 where that is not known.
    weight : (N,) float32, optional
        How much each picture counts in the loss of a training, from 0; 1 each if None.

    Examples
    --------
    >>> import numpy as np
    >>> faces = FaceDataset(
    ...     images=np.zeros((3, 48, 48), np.uint8),
    ...     label=np.array([3, 6, 3], np.int8),
    ...     split=np.array([0, 0, 2], np.int8),
    ...     row=np.arange(3),
    ... )
    >>> len(faces.of_split("Training"))
    2
    >>> faces.take(faces.label == 3).row
    array([0, 2])
    """

    images: Images
    label: NDArray[np.int8]
    split: NDArray[np.int8]
    row: NDArray[np.int64]
    votes: NDArray[np.uint8] | None = None
    classes: tuple[str, ...] = FER_EMOTIONS
    subject: NDArray[np.int32] | None = None
    weight: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        count = len(self.images)
        expected: dict[str, tuple[tuple[int, ...], type]] = {
            "images": (images_shape(self.images), np.uint8),
            "label": ((count,), np.int8),
            "split": ((count,), np.int8),
            "row": ((count,), np.int64),
            "votes": ((count, len(FERPLUS_VOTES)), np.uint8),
            "subject": ((count,), np.int32),
            "weight": ((count,), np.float32),
        }
        freeze_arrays(self, expected, optional=_OPTIONAL)
        if len(set(self.classes)) < len(self.classes) or not 0 < len(self.classes) <= _MOST_CLASSES:
            raise DataError(
                f"FaceDataset.classes: {len(self.classes)} names, {len(set(self.classes))} of them different; expected "
                f"1 to {_MOST_CLASSES} different ones."
            )

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: ArrayLike) -> Self:
        """The pictures at `indices` (integers or a boolean mask), in that order."""
        at = np.asarray(indices)
        if not at.size:
            # An empty list is an array of floats.
            at = at.astype(np.int64)
        fields = ("images", "label", "split", "row", *_OPTIONAL)
        arrays: dict[str, Any] = {name: array[at] for name in fields if (array := getattr(self, name)) is not None}
        return replace(self, **arrays)

    def in_split(self, split: Split) -> NDArray[np.bool_]:
        """(N,) bool: which pictures belong to `split`."""
        return np.asarray(self.split == SPLITS.index(split))

    def of_split(self, split: Split) -> Self:
        """The pictures of `split`."""
        return self.take(self.in_split(split))

    def picture_hashes(self) -> NDArray[np.str_]:
        """(N,) str: sha256 of each picture's pixels, in hexadecimal. Equal hashes are exact duplicates."""
        if isinstance(self.images, StoredPictures):
            return self.images.hashes()
        flat = np.ascontiguousarray(self.images).reshape(len(self), SIZE * SIZE)
        return np.array([hashlib.sha256(picture.tobytes()).hexdigest() for picture in flat], dtype="U64")

    def content_hash(self) -> str:
        """sha256 over every array, in hexadecimal: the same for equal data, whatever made it."""
        digest = hashlib.sha256()
        # What is younger than results that are kept enters only where it is there.
        if self.classes != FER_EMOTIONS:
            digest.update(f"classes {self.classes}".encode())
        for name in ("subject", "weight"):
            if (array := getattr(self, name)) is not None:
                digest.update(name.encode() + np.ascontiguousarray(array).data)
        for name in ("images", "label", "split", "row", "votes"):
            array = getattr(self, name)
            digest.update(f"{name} {None if array is None else array.shape}".encode())
            if array is not None:
                add_to_hash(digest, array)
        return digest.hexdigest()


def as_faces(images: Images) -> Images:
    """The same pictures at 48x48 and grey, as FER-2013's are; those in files are reduced when they are read."""
    return replace(images, side=SIZE, colour="grey") if isinstance(images, StoredPictures) else images


def images_shape(images: Images) -> tuple[int, ...]:
    """The shape that `images` must have: as they are if they lie in files, else (N, 48, 48)."""
    return images.shape if isinstance(images, StoredPictures) else (len(images), SIZE, SIZE)
