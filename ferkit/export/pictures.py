"""The pictures that an export needs: some to calibrate int8 with, others to compare its answers on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import FaceDataset
from ferkit.data.input_card import InputCard
from ferkit.data.labels import DECLARED_TARGETS, Split, Target, votes_to_labels
from ferkit.data.targets import TargetSettings
from ferkit.errors import DataError

__all__ = ["ExportPictures"]


@dataclass(frozen=True, eq=False)
class ExportPictures:
    """Pictures, by what they are for.

    Attributes
    ----------
    representative : (C, side, side[, 3]) uint8
        Of Training: which values a network's activations take.
    compared : (N, side, side[, 3]) uint8
        Of PublicTest: where files and Keras model are compared.
    labels
        (N,) class of those by target, -1 where there is none.
    drawn
        Whether they are drawn faces, which say little about real ones.
    """

    representative: NDArray[np.uint8]
    compared: NDArray[np.uint8]
    labels: Mapping[Target, NDArray[np.integer[Any]]]
    drawn: bool = False

    @classmethod
    def of(
        cls,
        faces: FaceDataset,
        targets: Mapping[Target, TargetSettings],
        taken: InputCard,
        *,
        representative: int = 500,
        compared: int = 1000,
        drawn: bool = False,
    ) -> Self:
        """Draw them at random, the same ones each time.

        Parameters
        ----------
        representative, compared
            How many, or as many as there are.
        targets
            How labels are made, of the targets that are exported; there are none of data with other classes.
        taken
            The pictures that the model takes.

        Raises
        ------
        DataError
            If a split has no picture.
        """
        training, public = (_some(faces, *each) for each in (("Training", representative), ("PublicTest", compared)))
        labels: dict[Target, NDArray[np.integer[Any]]] = {}
        for name, target in targets.items():
            if (of_target := _labels(public, target)) is not None:
                labels[name] = of_target
        pictures = [np.asarray(taken.read(each.images)) for each in (training, public)]
        return cls(pictures[0], pictures[1], labels, drawn)


def _labels(faces: FaceDataset, target: TargetSettings) -> NDArray[np.integer[Any]] | None:
    """(N,) class of each picture, -1 where there is none; None if the data has no labels for `target`."""
    declared = DECLARED_TARGETS.get(target.name)
    if declared and declared.from_votes:
        return None if faces.votes is None else votes_to_labels(faces.votes, target.protocol).label
    try:
        return target.index_of(faces.classes)[faces.label]
    except DataError:
        # Such as drawn faces, with which a model of other classes is compared.
        return None


def _some(faces: FaceDataset, split: Split, count: int) -> FaceDataset:
    of_split = faces.of_split(split)
    if not len(of_split):
        raise DataError(f"no picture of {split}: an export calibrates with Training and compares on PublicTest.")
    chosen = np.random.default_rng(0).permutation(len(of_split))[:count]
    return of_split.take(np.sort(chosen))
