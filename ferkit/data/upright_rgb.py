"""Pixels as a viewer shows them: upright, RGB, 8 bits a channel, on white, whatever form Pillow read them in."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferkit.data.formats.deep_colour import spare_bits
from ferkit.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["upright_rgb"]

# Pixels that are converted at a time.
_STRIP = 1_000_000


def upright_rgb(picture: "Image.Image", name: str) -> NDArray[np.uint8]:
    """The pixels of a picture that is read: turned as the camera noted, 8 bits a channel, white where transparent.

    Parameters
    ----------
    picture
        With its pixels; it is turned in place.
    name
        What messages call it.

    Returns
    -------
    (H, W, 3) uint8 RGB

    Raises
    ------
    DataError
        If its pixels have 32 bits.
    """
    from PIL import ImageOps

    # In place: a copy of 25 million pixels is 100 MB.
    ImageOps.exif_transpose(picture, in_place=True)
    # Pillow would clip 16 bits to 8: every grey but the darkest would be white. It reads those of PGM as 32.
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PPM"):
        values = np.asarray(picture)
        return np.repeat((values >> spare_bits(values)).astype(np.uint8)[..., None], 3, axis=2)
    if picture.mode in ("I", "F"):
        raise DataError(f"{name}: pixels of 32 bits, whose range nobody knows; expected 8 or 16: convert it.")
    rgb = np.empty((picture.height, picture.width, 3), np.uint8)
    rows = max(1, _STRIP // picture.width)
    for top in range(0, picture.height, rows):
        strip = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        rgb[top : top + rows] = np.asarray(_on_paper(strip).convert("RGB"))
    return rgb


def _on_paper(picture: "Image.Image") -> "Image.Image":
    """`picture` with white where it is transparent."""
    from PIL import Image

    if not picture.has_transparency_data:
        return picture
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
