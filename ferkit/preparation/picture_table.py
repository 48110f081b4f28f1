"""What is known of each picture before any model has seen it, as the table that the expectations are about."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.data.class_names import class_key
from ferkit.data.dataset import FaceDataset
from ferkit.data.duplicates import duplicate_groups
from ferkit.data.labels import FERPLUS_EMOTIONS, SPLITS
from ferkit.data.stored_pictures import Images, StoredPictures

__all__ = ["PICTURE_COLUMNS", "ROW_RULES", "picture_table"]

PICTURE_COLUMNS = (
    *("row", "split", "label", "emotion", "pixels", "darkest", "brightest", "spread"),
    *("copies_in_split", "repeats_in_split", "copies_in_other_splits", "labels_of_copies"),
    *("votes", "emotion_votes", "ferplus_agrees"),
)


# What a single picture may be put aside for: a column, its least and most, what is wrong beyond them, and the field of
# `ferkit.preparation.validation_settings.ValidationSettings` that says what follows.
ROW_RULES: tuple[tuple[str, int | None, int | None, str, str], ...] = (
    ("spread", 1, None, "one grey level throughout", "constant"),
    ("repeats_in_split", None, 0, "exact copy of an earlier picture of the split", "copies_in_training"),
    ("copies_in_other_splits", None, 0, "exact copy in another split", "copies_across_splits"),
    ("labels_of_copies", None, 1, "exact copy with another label", "conflicting_labels"),
)


def picture_table(faces: FaceDataset) -> pd.DataFrame:
    """What is known of each picture.

    Returns
    -------
    DataFrame
        One line a picture, in the order of `faces`, with the columns `PICTURE_COLUMNS`. ``spread`` is the brightest
        less the darkest pixel. ``repeats_in_split`` counts the earlier copies in the same split: 0 for the first of
        equal pictures. ``ferplus_agrees`` means nothing where ``emotion_votes`` is 0. A split or an emotion that there
        is not is ``unknown``.
    """
    darkest, brightest = _extremes(faces.images)
    group = pd.Series(duplicate_groups(faces))
    split = pd.Series(_names(SPLITS, faces.split))
    copies = group.groupby(group).transform("size")
    of_group_and_split = group.groupby([group, split])
    in_split = of_group_and_split.transform("size")
    table = pd.DataFrame(
        {
            "row": faces.row,
            "split": split,
            "label": faces.label,
            "emotion": _names(faces.classes, faces.label),
            "pixels": faces.images.shape[1] * faces.images.shape[2],
            "darkest": darkest,
            "brightest": brightest,
            "spread": brightest.astype(int) - darkest,
            "copies_in_split": in_split - 1,
            "repeats_in_split": of_group_and_split.cumcount(),
            "copies_in_other_splits": copies - in_split,
            "labels_of_copies": pd.Series(faces.label).groupby(group).transform("nunique"),
        }
    )
    table["votes"], table["emotion_votes"], table["ferplus_agrees"] = 0, 0, False
    if faces.votes is not None:
        emotions = faces.votes[:, : len(FERPLUS_EMOTIONS)]
        table["votes"] = faces.votes.sum(axis=1, dtype=np.int64)
        table["emotion_votes"] = emotions.sum(axis=1, dtype=np.int64)
        table["ferplus_agrees"] = _index_of_emotions(faces.classes)[emotions.argmax(axis=1)] == faces.label
    return table[list(PICTURE_COLUMNS)]


def _index_of_emotions(classes: tuple[str, ...]) -> NDArray[np.int64]:
    """(8,) int64: which of the classes each FER+ emotion is, -1 where it is none."""
    place = {class_key(name): index for index, name in enumerate(classes)}
    return np.array([place.get(class_key(name), -1) for name in FERPLUS_EMOTIONS])


def _extremes(images: Images) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    if isinstance(images, StoredPictures):
        return images.darkest, images.brightest
    flat = images.reshape(len(images), -1)
    return flat.min(axis=1), flat.max(axis=1)


def _names(known: tuple[str, ...], index: NDArray[np.int8]) -> NDArray[np.object_]:
    # The last name is that of every index out of range, -1 among them.
    return np.array([*known, "unknown"], dtype=object)[np.clip(index, -1, len(known))]
