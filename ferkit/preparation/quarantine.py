"""Training pictures that `ValidationSettings` puts aside, found without Great Expectations.

`ferkit.preparation.validation.validate` does the same and much more; a GPU machine that only trains has no Great
Expectations, and has to learn from the same pictures.
"""

import numpy as np

from ferkit.data.dataset import FaceDataset
from ferkit.preparation.picture_table import ROW_RULES, picture_table
from ferkit.preparation.validation_settings import ValidationSettings

__all__ = ["without_quarantined"]


def without_quarantined(faces: FaceDataset, settings: ValidationSettings) -> FaceDataset:
    """What `ferkit.preparation.validation.validate` would leave of `faces`, none of its thresholds looked at."""
    table = picture_table(faces)
    aside = np.zeros(len(faces), dtype=bool)
    for column, least, most, _, setting in ROW_RULES:
        if getattr(settings, setting) == "quarantine":
            fits = table[column].between(-np.inf if least is None else least, np.inf if most is None else most)
            aside |= ~fits.to_numpy()
    return faces.take(~(aside & faces.in_split("Training")))
