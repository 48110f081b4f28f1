"""What the shipped models answered to each picture, kept so that a shipped number can be checked without the run.

A file of some ten kilobytes: four bytes of the sha256 of each picture of PublicTest and PrivateTest, and the class that
each model gave it for each target. No picture and no label is in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import DataError

__all__ = ["ANSWERS", "KeptAnswers"]

ANSWERS = "answers.npz"

# Hexadecimal digits. Two of 7,178 pictures share four bytes with a probability of 0.6 %: enough to compare shares.
_PREFIX = 8


@dataclass(frozen=True, eq=False)
class KeptAnswers:
    """Answers by picture.

    Attributes
    ----------
    picture : (N,) uint32
        The first four bytes of the sha256 of the pixels; sorted, each once.
    classes : (N,) uint8, by question
        Class that was answered; a question is such as ``fer vote``.
    """

    picture: NDArray[np.uint32]
    classes: dict[str, NDArray[np.uint8]]

    @classmethod
    def of(cls, hashes: NDArray[np.str_], classes: Mapping[str, NDArray[np.intp]]) -> Self:
        """Keep the answers (N,) to pictures with these `FaceDataset.picture_hashes`."""
        prefixes = np.array([int(each[:_PREFIX], 16) for each in hashes], dtype=np.uint32)
        picture, first = np.unique(prefixes, return_index=True)
        return cls(picture, {question: answer[first].astype(np.uint8) for question, answer in classes.items()})

    def agreement(self, other: "KeptAnswers", question: str) -> tuple[int, int]:
        """How many pictures both were asked about, and to how many of them both gave the same answer."""
        _, here, there = np.intersect1d(self.picture, other.picture, return_indices=True)
        same = self.classes[question][here] == other.classes[question][there]
        return len(here), int(same.sum())

    def write(self, folder: Path) -> None:
        """Write ``answers.npz`` into `folder`."""
        arrays: dict[str, Any] = {"picture": self.picture, **self.classes}
        np.savez_compressed(folder / ANSWERS, **arrays)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote.

        Raises
        ------
        DataError
            If it is missing or damaged.
        """
        file = folder / ANSWERS
        try:
            with np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            return cls(arrays.pop("picture"), arrays)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{file}: no answers to compare with ({error}); export the bundle again.") from error
