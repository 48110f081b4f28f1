"""Selection: what PublicTest may choose (epoch, votes, temperature, champion), and from which of its pictures.

A picture that a network has learned from says nothing about how well it does on new ones: 280 of the 3,589 pictures
of FER-2013's PublicTest occur in Training, byte for byte, and 46 in PrivateTest, which must choose nothing.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import FaceDataset
from ferkit.data.duplicates import cross_split_duplicates
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import DataError
from ferkit.models.predictions import Predictions
from ferkit.settings import Settings

__all__ = ["NO_DUPLICATES", "SelectionSettings", "selection_pictures", "selection_predictions"]


class SelectionSettings(Settings):
    """Which pictures of PublicTest choose the best epoch, the weights of the vote, the temperature and the champion.

    Attributes
    ----------
    duplicates
        Pictures of PublicTest that also occur, byte for byte, in another split: ``leave_out`` or ``keep``. Left out,
        neither a picture that was learned by heart nor one of PrivateTest chooses anything.
    """

    duplicates: Literal["leave_out", "keep"] = "leave_out"

    @property
    def subset(self) -> str:
        """The name of these pictures in an evaluation: ``PublicTest`` or ``PublicTest, no duplicates``."""
        return "PublicTest" if self.duplicates == "keep" else "PublicTest, no duplicates"


NO_DUPLICATES = SelectionSettings()


def selection_pictures(faces: FaceDataset, settings: SelectionSettings) -> FaceDataset:
    """The pictures of PublicTest that choose, in order; `faces` holds every split that networks learn from.

    Raises
    ------
    DataError
        If each picture of PublicTest occurs in another split.
    """
    public = faces.of_split("PublicTest")
    if settings.duplicates == "keep":
        return public
    chosen = public.take(~cross_split_duplicates(faces, "PublicTest"))
    if len(public) and not len(chosen):
        raise DataError(
            f"all {len(public)} pictures of PublicTest also occur in another split, so that nothing is left to choose "
            "by: bring other pictures for it, or set selection.duplicates to keep."
        )
    return chosen


def selection_predictions(
    predictions: Predictions, faces: FaceDataset, target: TargetSettings, settings: SelectionSettings
) -> tuple[Predictions, NDArray[np.float32]]:
    """A model's predictions of the pictures that choose and have a label, and these labels (K, classes) float32.

    Parameters
    ----------
    predictions
        Predictions of PublicTest; those of further pictures are left out.

    Raises
    ------
    DataError
        If no picture is left to choose by, or the predictions are of another split or lack one of the pictures.
    """
    if predictions.split != "PublicTest":
        raise DataError(f"selection: predictions of {predictions.split}; PublicTest alone may choose.")
    pictures, labels = labelled(selection_pictures(faces, settings), target)
    return predictions.of_rows(pictures.row), labels
