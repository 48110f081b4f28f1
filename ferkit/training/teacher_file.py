"""A teacher's answers in a file: soft targets of pictures, found by the pictures themselves."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkit.data.labels import Target
from ferkit.data.stored_pictures import Images, picture_digests
from ferkit.data.training_set import TrainingSet
from ferkit.errors import DataError
from ferkit.files import written_whole
from ferkit.models.predictions import Predictions

__all__ = ["TeacherFile", "read_teacher_file", "write_teacher_file"]

_PICTURES = "picture"


@dataclass(frozen=True, eq=False)
class TeacherFile:
    """What a teacher predicted for pictures that are known by their content.

    Attributes
    ----------
    path
        Where it was read.
    digests : (N,) void of 32 bytes
        sha256 of each picture's pixels, each once, sorted.
    probabilities : (N, classes) float32 a target
        In the order of `digests`.
    """

    path: Path
    digests: NDArray[np.void]
    probabilities: Mapping[Target, NDArray[np.float32]]

    def predict(self, training_set: TrainingSet, target: Target) -> Predictions:
        """The stored probabilities of each real picture of `training_set`; those that balancing made are left out.

        Raises
        ------
        DataError
            If the file does not answer for `target`, or lacks a picture.
        """
        if target not in self.probabilities:
            known = ", ".join(self.probabilities)
            raise DataError(f"{self.path}: no answers for target {target}, the file answers for {known}.")
        real = np.flatnonzero(~training_set.made)
        wanted = _void(picture_digests(training_set.images[real]))
        at = np.minimum(np.searchsorted(self.digests, wanted), len(self.digests) - 1)
        missing = real[self.digests[at] != wanted]
        if len(missing):
            raise DataError(
                f"{self.path}: {len(missing)} of {len(real)} training pictures are not in the file, such as row "
                f"{training_set.row[missing[0]]}: was it written for other data?"
            )
        return Predictions(
            target, "Training", training_set.row[real], self.probabilities[target][at], training_set.classes
        )


def write_teacher_file(path: Path, images: Images, probabilities: Mapping[Target, NDArray[np.floating]]) -> None:
    """Store what a teacher predicted for pictures, whole or not at all.

    Parameters
    ----------
    path
        A file that ends in .npz; one that is there is replaced.
    images : (N, 48, 48) uint8
        The pictures; one that occurs twice may do so.
    probabilities : (N, classes) a target
        Rows sum to one. They are kept as float16.
    """
    digests, first = np.unique(_void(picture_digests(images)), return_index=True)
    arrays = {target: np.asarray(each[first], dtype=np.float16) for target, each in probabilities.items()}
    with written_whole(path) as part, part.open("wb") as opened:
        np.savez_compressed(opened, **{_PICTURES: digests.view(np.uint8).reshape(-1, 32)}, **arrays)  # type: ignore[arg-type]


def read_teacher_file(path: Path) -> TeacherFile:
    """Read what `write_teacher_file` wrote.

    Raises
    ------
    DataError
        If the file is missing, damaged, or not of this kind.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            digests = _void(stored[_PICTURES])
            found = {name: _normalised(stored[name]) for name in stored.files if name != _PICTURES}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file of a teacher's answers.") from None
    except (OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a file of a teacher's answers ({' '.join(str(error).split())}).") from error
    if not found or not len(digests) or any(each.ndim != 2 or len(each) != len(digests) for each in found.values()):
        raise DataError(f"{path}: not a file of a teacher's answers (expected an array a target, a row a picture).")
    return TeacherFile(path, digests, found)


def _void(digests: NDArray[np.uint8]) -> NDArray[np.void]:
    """(N, 32) uint8 as (N,) values that compare and sort as a whole."""
    return np.ascontiguousarray(digests).view("V32")[:, 0]


def _normalised(stored: NDArray[np.float16]) -> NDArray[np.float32]:
    """Half precision no longer sums to one."""
    values = np.asarray(stored, dtype=np.float32)
    return np.asarray(values / values.sum(axis=-1, keepdims=True), dtype=np.float32)
