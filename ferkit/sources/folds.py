"""Folds for cross-validation: which pictures test in which run, with copies and people on one side."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import SPLITS
from ferkit.errors import DataError
from ferkit.sources.hold_out import hold_out, kept_together
from ferkit.sources.picture_reading import copies_of
from ferkit.sources.split_settings import FoldSettings

__all__ = ["fold_sizes", "with_fold"]

_TRAINING, _PRIVATE = SPLITS.index("Training"), SPLITS.index("PrivateTest")


def with_fold(faces: FaceDataset, settings: FoldSettings) -> FaceDataset:
    """The same pictures in the splits of one fold, whatever theirs were.

    Raises
    ------
    DataError
        If no fold was chosen, nothing says who is in a picture, or there are fewer people or pictures that are no
        copies than folds.
    """
    chosen, together = settings.chosen(), _together(faces, settings)
    fold = _dealt(faces, together, settings)
    split = np.where(fold == chosen, _PRIVATE, _TRAINING).astype(np.int8)
    return replace(faces, split=hold_out(faces.label, split, together, settings.validation_fraction, settings.seed))


def fold_sizes(faces: FaceDataset, settings: FoldSettings) -> list[int]:
    """How many pictures each fold has; errors are those of `with_fold`."""
    fold = _dealt(faces, _together(faces, settings), settings)
    return [int(count) for count in np.bincount(fold, minlength=settings.folds)]


def _together(faces: FaceDataset, settings: FoldSettings) -> NDArray[np.int64]:
    """The same number for pictures that lie in one fold."""
    copies = copies_of(faces)
    if settings.by == "picture":
        return copies
    if faces.subject is None:
        raise DataError(
            "data.split.by subject: nothing says who is in a picture (data.subject of folders, a column subject of a "
            "table); or deal single pictures, data.split.by=picture."
        )
    return kept_together(copies, [None if number < 0 else number for number in faces.subject.tolist()])


def _dealt(faces: FaceDataset, together: NDArray[np.int64], settings: FoldSettings) -> NDArray[np.int64]:
    """(N,) int64: which fold each picture lies in; the classes have about the same shares in each.

    scikit-learn's `StratifiedGroupKFold` deals the groups, those whose classes are the most unequal first.

    Parameters
    ----------
    together : (N,) int64
        Pictures with the same number lie in one fold.

    Raises a `DataError` if there are fewer groups than folds.
    """
    import warnings

    from sklearn.model_selection import StratifiedGroupKFold

    groups = len(np.unique(together))
    if groups < settings.folds:
        what = "people" if settings.by == "subject" else "pictures that are no copies"
        raise DataError(f"data.split.folds {settings.folds}: there are {groups} {what}; make fewer folds.")
    dealer = StratifiedGroupKFold(settings.folds, shuffle=True, random_state=settings.seed)
    fold = np.zeros(len(faces), dtype=np.int64)
    with warnings.catch_warnings():
        # A class with fewer pictures than folds is missing in some, which the validation of the data judges.
        warnings.simplefilter("ignore", UserWarning)
        try:
            for number, (_, tested) in enumerate(dealer.split(np.zeros(len(faces)), faces.label, together)):
                fold[tested] = number
        except ValueError as error:
            raise DataError(f"data.split.folds {settings.folds}: {error}") from error
    if empty := sorted(set(range(settings.folds)) - set(fold.tolist())):
        raise DataError(f"data.split.folds {settings.folds}: nothing is left for fold {empty[0]}; make fewer.")
    return fold
