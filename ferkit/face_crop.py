"""Cutting a face from a picture as the pictures of FER-2013 were cut."""

import numpy as np
from numpy.typing import NDArray

from ferkit.dataset import SIZE
from ferkit.detection import Face, Framing, require_rgb

__all__ = ["crop_face", "grey", "whole_as_face"]

# A head that leans by fewer degrees is cut as it is: FER-2013's lean by that much, too.
_LEAST_ROLL = 15.0


def grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) uint8 luma (ITU-R BT.601) of a picture (H, W, 3) uint8 RGB."""
    import cv2

    require_rgb(picture)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def crop_face(picture: NDArray[np.uint8], face: Face, framing: Framing) -> NDArray[np.uint8]:
    """The square that FER-2013 would show of a face.

    What lies beyond the picture repeats its border. A head that leans is set upright.

    Parameters
    ----------
    picture : (H, W) uint8
        Grey.
    framing
        Of the detector that found the face.

    Returns
    -------
    (48, 48) uint8
    """
    import cv2

    x, y, width, height = face.box
    side = max(1.0, framing.scale * max(width, height))
    roll = np.radians(face.roll if abs(face.roll) >= _LEAST_ROLL else 0.0)
    cos, sin = np.cos(roll), np.sin(roll)
    # Up is where the forehead is.
    up = framing.up * max(width, height)
    centre_x, centre_y = x + width / 2 + up * sin, y + height / 2 - up * cos
    pixels = max(1, round(side))
    # From the pixels of the crop to those of the picture; a pixel's middle is at whole coordinates.
    step, middle = side / pixels, (pixels - 1) / 2
    to_picture = np.array(
        [
            [step * cos, -step * sin, centre_x - 0.5 - step * middle * (cos - sin)],
            [step * sin, step * cos, centre_y - 0.5 - step * middle * (sin + cos)],
        ]
    )
    square = cv2.warpAffine(
        picture,
        to_picture,
        (pixels, pixels),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return _to_size(np.asarray(square, dtype=np.uint8))


def whole_as_face(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grey picture (H, W) uint8 that is a face already, as (48, 48) uint8; what is not square is squashed."""
    return _to_size(picture)


def _to_size(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    if picture.shape == (SIZE, SIZE):
        return picture
    smaller = min(picture.shape) < SIZE
    resized = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC if smaller else cv2.INTER_AREA)
    return np.asarray(resized, dtype=np.uint8)
