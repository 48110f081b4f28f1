"""`PictureList`: which pictures a source has, and what it says of each, before any is decoded."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ferkit.data.class_names import class_table
from ferkit.data.labels import FER_EMOTIONS
from ferkit.sources.labels import Labels, read_labels, relabelled

__all__ = ["PictureList"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class PictureList:
    """The pictures of a source.

    Attributes
    ----------
    files
        In the order of the source: sorted paths, or the lines of a table.
    label, split : (N,) int8
        As in `ferkit.data.dataset.FaceDataset`; what the source does not put into a split is Training.
    row : (N,) int64
        Place of each in the source, also where others were left out.
    classes
        Names of the labels.
    subject : (N,) object, optional
        Who is in each picture, None where that is not known.
    box : (N, 4) int32, optional
        Where the face is, in pixels: left, top, width, height.
    votes, weight
        As in `ferkit.data.dataset.FaceDataset`.
    passed_over
        How many files and folders were left out, by reason.
    """

    files: list[Path]
    label: NDArray[np.int8]
    split: NDArray[np.int8]
    row: NDArray[np.int64]
    classes: tuple[str, ...] = FER_EMOTIONS
    subject: NDArray[np.object_] | None = None
    box: NDArray[np.int32] | None = None
    votes: NDArray[np.uint8] | None = None
    weight: NDArray[np.float32] | None = None
    passed_over: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(
        cls, files: Sequence[Path], names: Sequence[str], split: Sequence[int], labels: Labels, **optional: Any
    ) -> Self:
        """Pictures whose classes are called `names`; those that `labels` maps to null are left out and counted.

        Raises
        ------
        DataError
            As `ferkit.sources.labels.relabelled` does.
        """
        meant: Sequence[str | None] = relabelled(names, read_labels(labels)) if labels else names
        classes, index = class_table(name for name in meant if name is not None)
        label = np.array([-1 if name is None else index[name] for name in meant], dtype=np.int8)
        row = np.arange(len(label), dtype=np.int64)
        listed = cls(list(files), label, np.array(split, dtype=np.int8), row, classes, **optional)
        left_out = Counter(name for name, each in zip(names, meant, strict=True) if each is None)
        for name, count in left_out.items():
            _LOG.warning("data.labels leaves out %s pictures of class %s", f"{count:,}", name)
        return listed.take(np.flatnonzero(label >= 0)) if left_out else listed

    def __len__(self) -> int:
        return len(self.files)

    def take(self, indices: NDArray[np.int64]) -> Self:
        """The pictures at `indices`."""
        arrays: dict[str, Any] = {
            each.name: value[indices]
            for each in fields(self)
            if isinstance(value := getattr(self, each.name), np.ndarray)
        }
        return replace(self, files=[self.files[index] for index in indices.tolist()], **arrays)

    @property
    def subject_numbers(self) -> NDArray[np.int32] | None:
        """(N,) int32: the same number for pictures of one person, -1 where that is not known; None without any."""
        if self.subject is None:
            return None
        names = sorted({name for name in self.subject.tolist() if name is not None})
        number = {name: index for index, name in enumerate(names)}
        return np.array([-1 if name is None else number[name] for name in self.subject.tolist()], dtype=np.int32)
