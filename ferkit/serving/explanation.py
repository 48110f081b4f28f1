"""The answer of ``/api/v1/explain``: which parts of a face speak for an emotion."""

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferkit.detection.crop import Square, square_of
from ferkit.serving.errors import ApiError
from ferkit.serving.responses import model_of, rounded

if TYPE_CHECKING:
    from ferkit.detection.base import Detector
    from ferkit.inference.decoder import FoundFaces
    from ferkit.inference.predictor import FacePrediction
    from ferkit.serving.model.served import ServedClassifier
    from ferkit.serving.requests import ExplainQuery

__all__ = ["explanation"]

# Side of the drawing, in pixels, and how much of it is heat.
_SIDE, _HEAT = 240, 0.45


def explanation(
    classifier: "ServedClassifier",
    query: "ExplainQuery",
    found: "FoundFaces",
    faces: "list[FacePrediction]",
    detector: "Detector | None",
) -> dict[str, Any]:
    """The JSON of an explanation: heat map and drawing of one face.

    Raises
    ------
    ApiError
        If there is no such face or emotion.
    """
    from ferkit.bundles.explain import explain

    if query.face >= len(faces):
        there = f"faces 0 to {len(faces) - 1}" if faces else "no face"
        raise ApiError(422, "no_such_face", f"face {query.face}: {found.name} shows {there}.")
    classes, served = classifier.classes, classifier.served
    emotion = query.emotion or faces[query.face].emotion
    if emotion not in classes:
        raise ApiError(422, "no_such_emotion", f"emotion {emotion[:100]!r}: expected one of {', '.join(classes)}.")
    crop = found.crops.images[query.face]
    index = classes.index(emotion)
    heat = explain(served.bundle, crop[None], classifier.target, model=classifier.model, class_index=index)[0]
    face = found.crops.faces[query.face]
    square = square_of(face, detector.framing) if detector else None
    return {
        "model": model_of(served),
        "target": classifier.target,
        "emotion": emotion,
        "face": query.face,
        "box": [int(value) for value in face.box],
        "crop_box": _corner_and_side(square) if square else [0, 0, found.width, found.height],
        "crop_roll": round(square.roll, 2) if square else 0.0,
        "heatmap": np.round(heat.astype(np.float64), 4).tolist(),
        "overlay_png": "data:image/png;base64," + base64.b64encode(_drawing(crop, heat)).decode(),
        "probabilities": dict(zip(classes, rounded(faces[query.face].probabilities), strict=True)),
    }


def _corner_and_side(square: Square) -> list[float]:
    half = square.side / 2
    return [round(value, 2) for value in (square.centre_x - half, square.centre_y - half, square.side, square.side)]


def _drawing(crop: NDArray[np.uint8], heat: NDArray[np.float32]) -> bytes:
    """The face with the heat over it, as PNG; where nothing speaks for the emotion, the face alone."""
    import cv2

    # OpenCV's order of colours is blue, green, red.
    picture = cv2.cvtColor(crop, cv2.COLOR_GRAY2BGR if crop.ndim == 2 else cv2.COLOR_RGB2BGR)
    larger = crop.shape[0] < _SIDE
    large = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC if larger else cv2.INTER_AREA)
    # Bilinear: what lies between two cells of the map is nobody's finding.
    weight = cv2.resize(heat, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
    colours = cv2.applyColorMap((weight * 255).astype(np.uint8), cv2.COLORMAP_INFERNO).astype(np.float32)
    share = (_HEAT * np.sqrt(weight))[..., None]
    drawn = large.astype(np.float32) * (1 - share) + colours * share
    return bytes(cv2.imencode(".png", np.clip(drawn, 0, 255).astype(np.uint8))[1])
