"""A heat map over the face that it explains, as a picture."""

import numpy as np
from numpy.typing import NDArray

from ferkit.dataset import SIZE
from ferkit.errors import DataError

__all__ = ["overlay_png"]

# Of the heat where it is 1: the face stays visible below.
_OPACITY = 0.72


def overlay_png(face: NDArray[np.uint8], heat: NDArray[np.float32], side: int = 384) -> bytes:
    """The heat over a grey face, as PNG: inferno's colours, the more opaque the hotter.

    Inferno (Smith and van der Walt, 2015) is even in lightness, so that twice the heat looks like twice the heat, also
    in grey and to colour-blind people.

    Parameters
    ----------
    face : (48, 48) uint8
        What the network saw.
    heat : (48, 48) float32
        From 0 to 1, as `ferkit.explain` returns it.
    side
        Of the picture, in pixels.

    Raises
    ------
    DataError
        If face and heat are not two maps of 48 x 48.
    """
    import cv2

    if face.shape != (SIZE, SIZE) or heat.shape != (SIZE, SIZE) or face.dtype != np.uint8:
        raise DataError(
            f"face {face.dtype} {face.shape} and heat {heat.shape}, expected a uint8 face and its heat, both "
            f"({SIZE}, {SIZE})."
        )
    below = cv2.cvtColor(cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2BGR)
    wide = np.clip(cv2.resize(heat, (side, side), interpolation=cv2.INTER_CUBIC), 0, 1)
    colours = cv2.applyColorMap(np.rint(wide * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = (_OPACITY * wide)[..., None]
    mixed = np.rint(below * (1 - opacity) + colours * opacity).astype(np.uint8)
    return cv2.imencode(".png", mixed)[1].tobytes()
