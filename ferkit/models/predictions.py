"""`Predictions`: class probabilities of one model for the pictures of one split."""

import hashlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ferkit.data.arrays import freeze_arrays
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import DECLARED_TARGETS, SPLITS, Split, Target, class_names
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import DataError

__all__ = ["Predictions"]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Probabilities of one model over pictures of one split; immutable.

    Attributes
    ----------
    target
        What it predicts.
    split
        The split that every picture belongs to.
    row : (K,) int64
        Row of each picture in its source, as in `FaceDataset.row`. Unique.
    probabilities : (K, classes) float32
        Rows sum to one.
    classes
        Names of the columns; those of a declared target, such as ``fer``, if not given.

    Raises
    ------
    DataError
        If the arrays disagree with each other or with the target, or a row is not a distribution.

    Examples
    --------
    >>> import numpy as np
    >>> probabilities = np.array([[0, 0, 0, 0.7, 0, 0, 0.3], [0.6, 0, 0, 0, 0.4, 0, 0]], np.float32)
    >>> Predictions("fer", "PublicTest", np.array([10, 11]), probabilities).label
    array([3, 0], dtype=int8)
    """

    target: Target
    split: Split
    row: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.classes:
            object.__setattr__(self, "classes", class_names(self.target))
        if self.split not in SPLITS:
            raise DataError(f"predictions of split {self.split!r}, expected one of {SPLITS}.")
        count = len(self.row)
        expected: dict[str, tuple[tuple[int, ...], type]] = {
            "row": ((count,), np.int64),
            "probabilities": ((count, len(self.classes)), np.float32),
        }
        freeze_arrays(self, expected)
        if len(np.unique(self.row)) != count:
            raise DataError(f"predictions of {self.split}: a row occurs twice, expected each picture once.")
        wrong = ~(
            np.isfinite(self.probabilities).all(axis=1)
            & (self.probabilities >= 0).all(axis=1)
            & np.isclose(self.probabilities.sum(axis=1, dtype=np.float64), 1.0, atol=1e-3)
        )
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"predictions of {self.split}, row {self.row[at]}: {self.probabilities[at].tolist()}, "
                "expected values from 0 that sum to 1: does the network end in a softmax, and did its loss become NaN?"
            )

    @classmethod
    def of_labelled(
        cls, pictures: FaceDataset, split: Split, target: TargetSettings, probabilities: NDArray[np.float32]
    ) -> Self:
        """The predictions of those of `pictures`, all of `split`, that have a label for `target`.

        Parameters
        ----------
        probabilities : (N, classes) float32
            Of all `pictures`, in their order.
        """
        known, _ = labelled(pictures, target)
        kept = np.isin(pictures.row, known.row)
        return cls(target.name, split, known.row, probabilities[kept], target.class_names(pictures.classes))

    def __len__(self) -> int:
        return len(self.row)

    @property
    def label(self) -> NDArray[np.int8]:
        """(K,) int8: the most probable class."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int8)

    def of_rows(self, rows: NDArray[np.int64]) -> Self:
        """The predictions of the pictures with these rows, in that order.

        Raises
        ------
        DataError
            If one of them was not predicted.
        """
        order = np.argsort(self.row)
        found = np.searchsorted(self.row, rows, sorter=order)
        at = order[np.minimum(found, len(self) - 1)] if len(self) else np.zeros(0, dtype=np.int64)
        missing = rows[self.row[at] != rows] if len(self) else rows
        if len(missing):
            raise DataError(
                f"predictions of {self.split}: {len(missing)} pictures are missing, the first is row {missing[0]}: "
                "were they made from data that was cleaned or labelled otherwise?"
            )
        return type(self)(self.target, self.split, rows, self.probabilities[at], self.classes)

    def content_hash(self) -> str:
        """sha256 over the target, its classes, the split and both arrays, in hexadecimal."""
        digest = hashlib.sha256(f"{self.target} {self.split} {self.probabilities.shape}".encode())
        # Of a declared target they are part of its name.
        if self.target not in DECLARED_TARGETS:
            digest.update(f"{self.classes}".encode())
        digest.update(np.ascontiguousarray(self.row).data)
        digest.update(np.ascontiguousarray(self.probabilities).data)
        return digest.hexdigest()
