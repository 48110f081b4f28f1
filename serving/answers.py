"""What the API answers, as JSON."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkit.decoder import FoundFaces
from ferkit.predictor import FacePrediction
from serving.served import Served

__all__ = ["model_of", "picture_answer", "rounded"]


def model_of(served: Served) -> dict[str, str]:
    """Who answers."""
    return {"name": served.name, "version": served.version}


def rounded(values: NDArray[np.floating]) -> list[Any]:
    """An array as lists, without digits that mean nothing."""
    return list(np.round(values.astype(np.float64), 6).tolist())


def picture_answer(found: FoundFaces, faces: Sequence[FacePrediction], classes: Sequence[str]) -> dict[str, Any]:
    """A picture and its faces, largest first."""
    return {
        "name": found.name,
        "width": found.width,
        "height": found.height,
        "faces": [_face(face, classes) for face in faces],
        "left_out": found.left_out,
    }


def _face(face: FacePrediction, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "box": [int(value) for value in face.box],
        "score": round(float(face.score), 4),
        "emotion": face.emotion,
        "probabilities": dict(zip(classes, rounded(face.probabilities), strict=True)),
    }
