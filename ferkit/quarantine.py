"""Training pictures that `ValidationSettings` puts aside, found without Great Expectations.

`ferkit.validation.validate` does the same and much more; a GPU machine that only trains has no Great Expectations, and
has to learn from the same pictures.
"""

import numpy as np

from ferkit.dataset import FaceDataset
from ferkit.facts import facts
from ferkit.validation import ValidationSettings

__all__ = ["without_quarantined"]


def without_quarantined(faces: FaceDataset, settings: ValidationSettings) -> FaceDataset:
    """What `ferkit.validation.validate` would leave of `faces`, none of its thresholds looked at."""
    known = facts(faces)
    unfit = {
        "constant": known["spread"] < 1,
        "copies_in_training": known["repeats_in_split"] > 0,
        "copies_across_splits": known["copies_in_other_splits"] > 0,
        "conflicting_labels": known["labels_of_copies"] > 1,
    }
    aside = np.zeros(len(faces), dtype=bool)
    for setting, found in unfit.items():
        if getattr(settings, setting) == "quarantine":
            aside |= found.to_numpy()
    return faces.take(~(aside & faces.in_split("Training")))
