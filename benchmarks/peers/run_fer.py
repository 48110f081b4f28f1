"""`fer`: its own preparation and its own classifier, without its face detector.

As `FER.detect_emotions` of fer 25.10.3 does with a box: resize to 64x64 with OpenCV, then -1..1. It would first widen
the box by 10 pixels, which a picture cut out at the face does not have. Variant ``tflite`` is its default, ``keras``
is what it loads with ``use_tflite=False``.
"""

import sys
from pathlib import Path
from typing import Any

import cv2
import fer
import numpy as np
from fer.fer import FER
from measure import measure

use_tflite = sys.argv[3] == "tflite"
detector = FER(use_tflite=use_tflite)
labels = detector._get_labels()


def predict(pictures: Any) -> Any:
    faces = np.array([cv2.resize(picture, (64, 64)) for picture in pictures], dtype="float32")
    faces = (faces / 255.0 - 0.5) * 2.0
    return detector._classify_emotions(faces)


name = "emotion_model_quantized.tflite" if use_tflite else "emotion_model.hdf5"
weights = Path(fer.__file__).parent / "data" / name
measure([labels[index] for index in range(len(labels))], [weights], predict, batches=not use_tflite)
