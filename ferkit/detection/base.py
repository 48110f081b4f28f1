"""The interface of face detectors, and the faces that they return."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import DataError

__all__ = ["Box", "Detector", "Face", "Framing", "largest_first", "require_rgb"]


# x and y of the upper left corner, width, height, in pixels; a face at the border may reach beyond it.
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Face:
    """A face in a picture.

    Attributes
    ----------
    box
        x, y, width, height in pixels.
    score
        How sure the detector is, 0..1 (`BlazeFace`), or on a scale of its own (`HaarCascade`).
    roll
        Degrees by which the head leans, clockwise in the picture; 0 if the detector does not say.
    """

    box: Box
    score: float
    roll: float = 0.0


@dataclass(frozen=True)
class Framing:
    """Size and place of FER-2013's crop of a face, relative to a detector's box of it.

    Attributes
    ----------
    scale
        Side of the crop, in sides of the box.
    up
        How far the centre of the crop lies above the centre of the box, in sides of the box.
    """

    scale: float = 1.0
    up: float = 0.0


class Detector(Protocol):
    """Finds faces; one instance may be used by several threads."""

    @property
    def framing(self) -> Framing:
        """How to cut its faces as FER-2013's were."""

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces of a picture (H, W, 3) uint8 RGB, largest first."""


def largest_first(faces: list[Face]) -> list[Face]:
    """`faces` by the area of their boxes, and by position where that is equal."""
    return sorted(faces, key=lambda face: (-face.box[2] * face.box[3], face.box))


def require_rgb(picture: NDArray[np.uint8]) -> None:
    """Raise a `DataError` unless `picture` is (H, W, 3) uint8 with at least one pixel."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise DataError(f"picture of {picture.dtype} {picture.shape}, expected uint8 (height, width, 3), red first.")
