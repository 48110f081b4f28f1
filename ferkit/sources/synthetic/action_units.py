"""The action units that make each expression, and how strongly a drawn face contracts them.

Action units (AU): Ekman & Friesen, Facial Action Coding System, 1978; Ekman, Friesen & Hager, 2002.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["ACTION_UNITS", "EXPRESSION_ACTION_UNITS", "draw_intensities"]

# The AUs that any expression uses, in the order of the columns of an intensity array.
ACTION_UNITS: Final = (1, 2, 4, 5, 6, 7, 9, 12, 14, 15, 16, 20, 23, 26)

# Emotions in the order of ferkit.data.labels.FERPLUS_EMOTIONS. The combinations are those that FACS (Ekman, Friesen &
# Hager, 2002) gives as prototypes of the emotions; contempt shows on one side of the face only.
EXPRESSION_ACTION_UNITS: Final[dict[str, tuple[int, ...]]] = {
    "neutral": (),
    "happiness": (6, 12),
    "surprise": (1, 2, 5, 26),
    "sadness": (1, 4, 15),
    "anger": (4, 5, 7, 23),
    "disgust": (9, 15, 16),
    "fear": (1, 2, 4, 5, 20, 26),
    "contempt": (12, 14),
}


def draw_intensities(expression: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """Strength of each of `ACTION_UNITS` in one face.

    Parameters
    ----------
    expression
        One of `ferkit.data.labels.FERPLUS_EMOTIONS`.

    Returns
    -------
    (14,) float32
        0 for an AU that the expression does not use, else 0.35..1: a face has a strength, from which each of its AUs
        departs a little.
    """
    strength = rng.uniform(0.5, 1.0)
    each = np.clip(strength + rng.uniform(-0.15, 0.15, len(ACTION_UNITS)), 0.35, 1.0)
    return np.where(np.isin(ACTION_UNITS, EXPRESSION_ACTION_UNITS[expression]), each, 0.0).astype(np.float32)
