"""The pictures that an export needs: some to calibrate int8 with, others to compare its answers on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import FaceDataset, as_faces
from ferkit.data.labels import Protocol, Split, Target, votes_to_labels
from ferkit.errors import DataError

__all__ = ["ExportPictures"]


@dataclass(frozen=True, eq=False)
class ExportPictures:
    """Pictures, by what they are for.

    Attributes
    ----------
    representative : (C, 48, 48) uint8
        Of Training: which values a network's activations take.
    compared : (N, 48, 48) uint8
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
        protocols: Mapping[Target, Protocol],
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
        protocols
            How labels are made, of the targets that are exported.

        Raises
        ------
        DataError
            If a split has no picture.
        """
        training, public = (_some(faces, *each) for each in (("Training", representative), ("PublicTest", compared)))
        labels: dict[Target, NDArray[np.integer[Any]]] = {}
        for target, protocol in protocols.items():
            if target == "fer":
                labels[target] = public.label
            elif public.votes is not None:
                labels[target] = votes_to_labels(public.votes, protocol).label
        return cls(np.asarray(as_faces(training.images)), np.asarray(as_faces(public.images)), labels, drawn)


def _some(faces: FaceDataset, split: Split, count: int) -> FaceDataset:
    of_split = faces.of_split(split)
    if not len(of_split):
        raise DataError(f"no picture of {split}: an export calibrates with Training and compares on PublicTest.")
    chosen = np.random.default_rng(0).permutation(len(of_split))[:count]
    return of_split.take(np.sort(chosen))
