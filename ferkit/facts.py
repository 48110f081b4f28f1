"""What is known of each picture before any model has seen it, as the table that the expectations are about."""

import numpy as np
import pandas as pd

from ferkit.dataset import FaceDataset
from ferkit.duplicates import duplicate_groups
from ferkit.labels import FER_EMOTIONS, FERPLUS_EMOTIONS, FERPLUS_TO_FER, SPLITS

__all__ = ["FACTS", "facts"]

FACTS = (
    *("row", "split", "label", "emotion", "pixels", "darkest", "brightest", "spread"),
    *("split_pictures", "class_pictures", "copies_in_split", "copies_in_other_splits", "labels_of_copies"),
    *("votes", "ferplus_agrees"),
)


def facts(faces: FaceDataset) -> pd.DataFrame:
    """One line a picture with all that the expectations are about: the columns `FACTS`."""
    flat = faces.images.reshape(len(faces), -1)
    group = pd.Series(duplicate_groups(faces))
    split = pd.Series(np.array(SPLITS, dtype=object)[faces.split])
    copies = group.groupby(group).transform("size")
    in_split = group.groupby([group, split]).transform("size")
    table = pd.DataFrame(
        {
            "row": faces.row,
            "split": split,
            "label": faces.label,
            "emotion": np.array([*FER_EMOTIONS, "unknown"], dtype=object)[np.clip(faces.label, -1, len(FER_EMOTIONS))],
            "pixels": flat.shape[1],
            "darkest": flat.min(axis=1),
            "brightest": flat.max(axis=1),
            "spread": flat.max(axis=1).astype(int) - flat.min(axis=1),
            "copies_in_split": in_split - 1,
            "copies_in_other_splits": copies - in_split,
            "labels_of_copies": pd.Series(faces.label).groupby(group).transform("nunique"),
        }
    )
    table["split_pictures"] = table.groupby("split")["row"].transform("size")
    table["class_pictures"] = table.groupby(["split", "label"])["row"].transform("size")
    table["votes"], table["ferplus_agrees"] = 0, False
    if faces.votes is not None:
        emotions = faces.votes[:, : len(FERPLUS_EMOTIONS)]
        table["votes"] = faces.votes.sum(axis=1)
        table["ferplus_agrees"] = FERPLUS_TO_FER[emotions.argmax(axis=1)] == faces.label
    return table[list(FACTS)]
