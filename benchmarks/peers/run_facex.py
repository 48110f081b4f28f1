"""`facex`: `EmotionClassifier.detect_emotion`, which resizes to 200x200 itself; one face at a time is all it takes."""

from pathlib import Path
from typing import Any

import facex
import numpy as np
from facex.core import EmotionClassifier
from measure import measure

weights = Path(facex.__file__).parent / "assets" / "model_optimized.tflite"
classifier = EmotionClassifier(str(weights))


def predict(pictures: Any) -> Any:
    return np.array([list(classifier.detect_emotion(picture).values()) for picture in pictures])


measure(classifier.category, [weights], predict, batches=False)
