"""Colour pictures of 16 bits a channel, which Pillow cuts to their upper 8 while it reads them.

What holds values of 12 bits, as cameras have them, or of 8 is then black. OpenCV reads the values as they are.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["has_deep_colour", "spare_bits", "use_lower_bits"]

# The values that a file of 16 bits may be meant to have, by their bits: cameras have 12, and programs store 8, too.
_DEPTHS = (8, 12, 16)

# Where OpenCV has the channels of Pillow's modes.
_CHANNELS = {"RGB": (2, 1, 0), "RGBA": (2, 1, 0, 3), "LA": (0, 3)}

_BITS_PER_SAMPLE = 258
_ORIENTATION = 274

# Pixels that are converted at a time.
_STRIP = 1_000_000


def spare_bits(values: NDArray[np.integer]) -> int:
    """How far values of a file of 16 bits have to be shifted to be 8: they use 8, 12 or all, as the brightest needs."""
    return next(depth for depth in _DEPTHS if int(values.max()) < 2**depth) - 8


def has_deep_colour(opened: "Image.Image") -> bool:
    """Whether a picture whose pixels are not read yet has several channels of 16 bits."""
    if opened.mode not in _CHANNELS:
        return False
    if opened.format == "TIFF":
        # OpenCV turns these as the camera noted, whatever it is told.
        about = opened.tag_v2  # type: ignore[attr-defined]
        return set(about.get(_BITS_PER_SAMPLE, ())) == {16} and about.get(_ORIENTATION, 1) == 1
    tiles = opened.tile  # type: ignore[attr-defined]
    form = tiles[0].args if tiles else None
    # A PPM that says how large its values may be is scaled by that.
    return str(form).endswith(";16B") if opened.format == "PNG" else form == (opened.mode, 65535)


def use_lower_bits(picture: "Image.Image", content: bytes) -> None:
    """Give a picture that `has_deep_colour` told of the bits that its file uses, where these are not the upper ones.

    Parameters
    ----------
    picture
        With its pixels; changed in place.
    content
        The file that it was read from.
    """
    import cv2
    from PIL import Image

    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    channels = _CHANNELS[picture.mode]
    if values is None or values.dtype != np.uint16 or values.shape != (*picture.size[::-1], max(channels) + 1):
        return
    colours, opacity = [each for each in channels if each != 3], 3 in channels
    shifts = [max(spare_bits(values[..., each]) for each in colours)] * len(colours)
    if opacity:
        shifts.append(spare_bits(values[..., 3]))
    if set(shifts) == {8}:
        return
    rows = max(1, _STRIP // picture.width)
    for top in range(0, picture.height, rows):
        strip = values[top : top + rows, :, list(channels)] >> np.array(shifts, np.uint16)
        picture.paste(Image.fromarray(strip.astype(np.uint8), picture.mode), (0, top))
