"""Cutting a face from a picture as the pictures of FER-2013 were cut."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import SIZE
from ferkit.detection.base import Face, Framing, require_rgb

__all__ = ["Square", "crop_face", "grey", "square_of", "whole_as_face"]

# A head that leans by fewer degrees is cut as it is: FER-2013's lean by that much, too.
_LEAST_ROLL = 15.0


def grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) uint8 luma (ITU-R BT.601) of a picture (H, W, 3) uint8 RGB."""
    import cv2

    require_rgb(picture)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


@dataclass(frozen=True)
class Square:
    """Where in a picture the crop of a face lies.

    Attributes
    ----------
    centre_x, centre_y, side
        In pixels of the picture.
    roll
        Degrees by which it is turned about its centre, clockwise.
    """

    centre_x: float
    centre_y: float
    side: float
    roll: float


def crop_face(picture: NDArray[np.uint8], face: Face, framing: Framing, size: int = SIZE) -> NDArray[np.uint8]:
    """The square that FER-2013 would show of a face.

    What lies beyond the picture repeats its border. A head that leans is set upright.

    Parameters
    ----------
    picture : (H, W) or (H, W, 3) uint8
        Grey or RGB.
    framing
        Of the detector that found the face.
    size
        Width and height of the crop in pixels.

    Returns
    -------
    (size, size) or (size, size, 3) uint8
    """
    import cv2

    square = square_of(face, framing)
    centre_x, centre_y, side = square.centre_x, square.centre_y, square.side
    cos, sin = np.cos(np.radians(square.roll)), np.sin(np.radians(square.roll))
    pixels = max(1, round(side))
    # From the pixels of the crop to those of the picture; a pixel's middle is at whole coordinates.
    step, middle = side / pixels, (pixels - 1) / 2
    to_picture = np.array(
        [
            [step * cos, -step * sin, centre_x - 0.5 - step * middle * (cos - sin)],
            [step * sin, step * cos, centre_y - 0.5 - step * middle * (sin + cos)],
        ]
    )
    cut = cv2.warpAffine(
        picture,
        to_picture,
        (pixels, pixels),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return _to_size(np.asarray(cut, dtype=np.uint8), size)


def square_of(face: Face, framing: Framing) -> Square:
    """The square of a picture that FER-2013 would show of a face; `framing` is its detector's."""
    x, y, width, height = face.box
    roll = face.roll if abs(face.roll) >= _LEAST_ROLL else 0.0
    # Up is where the forehead is.
    up, radians = framing.up * max(width, height), np.radians(roll)
    return Square(
        float(x + width / 2 + up * np.sin(radians)),
        float(y + height / 2 - up * np.cos(radians)),
        max(1.0, framing.scale * max(width, height)),
        roll,
    )


def whole_as_face(picture: NDArray[np.uint8], size: int = SIZE) -> NDArray[np.uint8]:
    """A picture (H, W[, 3]) uint8 that is a face already, as (size, size[, 3]) uint8; not square, it is squashed."""
    return _to_size(picture, size)


def _to_size(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    import cv2

    if picture.shape[:2] == (size, size):
        return picture
    smaller = min(picture.shape[:2]) < size
    resized = cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC if smaller else cv2.INTER_AREA)
    return np.asarray(resized, dtype=np.uint8)
