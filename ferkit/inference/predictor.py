"""From a picture to its faces, and from each face to its emotion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferkit.data.input_card import InputCard
from ferkit.detection.base import Box, Detector, Face
from ferkit.detection.crop import crop_face, grey, whole_as_face
from ferkit.errors import DataError

__all__ = ["Classify", "Crops", "FacePrediction", "Predictor", "find_faces"]

# Half precision in the last layer makes sums of 0.99.
_TOLERANCE = 0.02

# Pictures (N, side, side[, 3]) uint8, as the network takes them, to probabilities (N, classes).
Classify = Callable[[NDArray[np.uint8]], NDArray[np.floating]]


@dataclass(frozen=True, eq=False)
class FacePrediction:
    """A face with the probabilities of its emotions.

    Attributes
    ----------
    box
        x, y, width, height in pixels of the picture.
    score
        How sure the detector is that it is a face; 1 without a detector.
    emotion
        The most probable class.
    probabilities : (classes,) float32
        They sum to one.
    """

    box: Box
    score: float
    emotion: str
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Crops:
    """The faces of one picture, cut for the network.

    Attributes
    ----------
    faces
        Largest first.
    images : (faces, side, side[, 3]) uint8
        As the network takes them.
    left_out
        Faces that were found and not cut.
    """

    faces: tuple[Face, ...]
    images: NDArray[np.uint8]
    left_out: int = 0


def find_faces(
    picture: NDArray[np.uint8], detector: Detector | None, taken: InputCard | None = None, most: int | None = None
) -> Crops:
    """The faces of a picture, cut for a network.

    Parameters
    ----------
    picture : (H, W, 3) uint8
        RGB.
    detector
        None: the whole picture is one face.
    taken
        What the network takes; 48x48 grey if not given.
    most
        How many faces are cut, the largest; all if not given.
    """
    taken = taken or InputCard()
    pixels = picture if taken.colour else grey(picture)
    if detector is None:
        height, width = picture.shape[:2]
        return Crops((Face((0, 0, width, height), 1.0),), whole_as_face(pixels, taken.size)[None])
    found = tuple(detector.detect(picture))
    faces = found[:most]
    images = taken.blank(len(faces))
    for index, face in enumerate(faces):
        images[index] = crop_face(pixels, face, detector.framing, taken.size)
    return Crops(faces, images, len(found) - len(faces))


class Predictor:
    """Finds the faces of pictures and predicts the emotion of each.

    Parameters
    ----------
    classify
        Any model's ``predict``: (N, side, side[, 3]) uint8 to (N, classes) probabilities.
    classes
        Names of the columns of what it returns.
    detector
        None for pictures that are a face and nothing else.
    taken
        The pictures that the model takes, such as `Bundle.input`; 48x48 grey if not given.

    Examples
    --------
    >>> from functools import partial
    >>> from pathlib import Path
    >>> from ferkit.bundles.bundle import load_bundle
    >>> from ferkit.data.picture_files import read_picture
    >>> from ferkit.detection.loading import load_detector
    >>> bundle = load_bundle()
    >>> classify = partial(bundle.predict, model="tiny")
    >>> predictor = Predictor(classify, bundle.classes("fer"), load_detector("blazeface"))
    >>> faces = predictor.predict(read_picture(Path("docs/images/faces.png")))
    >>> len(faces) > 10, {face.emotion for face in faces} <= set(bundle.classes("fer"))
    (True, True)
    """

    def __init__(
        self, classify: Classify, classes: Sequence[str], detector: Detector | None, taken: InputCard | None = None
    ) -> None:
        self._classify = classify
        self.classes = tuple(classes)
        self._detector = detector
        self._taken = taken

    def predict(self, picture: NDArray[np.uint8]) -> list[FacePrediction]:
        """Predictions of the faces of a picture (H, W, 3) uint8 RGB, largest first; an empty list without a face."""
        return self.predict_many([picture])[0]

    def predict_many(self, pictures: Sequence[NDArray[np.uint8]]) -> list[list[FacePrediction]]:
        """Predictions of the faces of each picture, all of them in one call of the model."""
        return self.classify([self.find(picture) for picture in pictures])

    def find(self, picture: NDArray[np.uint8]) -> Crops:
        """The faces of a picture (H, W, 3) uint8 RGB, cut for the network but not yet classified."""
        return find_faces(picture, self._detector, self._taken)

    def classify(self, crops: Sequence[Crops]) -> list[list[FacePrediction]]:
        """Predict the emotion of each face of each picture, all of them in one call of the model.

        Raises
        ------
        DataError
            If the model returns anything but one probability for each class and face.
        """
        # A picture that could not be read has no crops of any size.
        images = [each.images for each in crops if each.faces]
        if not images:
            return [[] for _ in crops]
        return self._classified(crops, np.concatenate(images))

    def _classified(self, crops: Sequence[Crops], images: NDArray[np.uint8]) -> list[list[FacePrediction]]:
        probabilities = np.asarray(self._classify(images), dtype=np.float32)
        if probabilities.shape != (len(images), len(self.classes)):
            raise DataError(
                f"the model returned {probabilities.shape} for {len(images)} faces, expected one column for each of "
                f"{', '.join(self.classes)}: is it trained for another target?"
            )
        sums = probabilities.sum(axis=1)
        # Not "any is more", which is false of nan.
        if not (np.abs(sums - 1) <= _TOLERANCE).all() or probabilities.min() < -_TOLERANCE:
            wrong = probabilities[
                int(np.argmax(~(np.abs(sums - 1) <= _TOLERANCE) | (probabilities.min(axis=1) < -_TOLERANCE)))
            ]
            raise DataError(
                f"the model said {', '.join(f'{value:.3g}' for value in wrong)} of a face, which sums to "
                f"{wrong.sum():.3g}: expected probabilities, which sum to 1. If these are logits, add "
                "keras.layers.Softmax() as its last layer and save it anew."
            )
        rows = iter(probabilities)
        return [[self._prediction(face, next(rows)) for face in each.faces] for each in crops]

    def _prediction(self, face: Face, probabilities: NDArray[np.float32]) -> FacePrediction:
        return FacePrediction(face.box, face.score, self.classes[int(probabilities.argmax())], probabilities)
