"""`deepface` behind HTTP: `DeepFace.analyze` for the emotion alone, with its default, OpenCV's cascade.

Its network comes from the project's releases when it is first asked for, before the first answer.
"""

from typing import Any

import numpy as np
from deepface import DeepFace
from serve_peer import serve


def analyze(pixels: Any, detector: str) -> list[dict[str, Any]]:
    faces = DeepFace.analyze(
        pixels, actions=["emotion"], detector_backend=detector, silent=True, enforce_detection=False
    )
    return [face["emotion"] for face in faces]


analyze(np.zeros((48, 48, 3), np.uint8), "skip")
serve(lambda pixels: analyze(pixels, "skip"), lambda pixels: analyze(pixels, "opencv"))
