"""Many small grey pictures on one, with a line of text under each: the quickest way to see what data really is."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ferkit.errors import DataError

__all__ = ["contact_sheet", "to_png"]

_GAP = 2
_PAPER = 255
_INK = 0
_FONT_SIZE = 10


def contact_sheet(
    images: ArrayLike, captions: Sequence[str] | None = None, columns: int = 16, scale: int = 2
) -> NDArray[np.uint8]:
    """Lay pictures out in rows, each enlarged with square pixels so that nothing is smoothed away.

    Parameters
    ----------
    images : (N, H, W) uint8
        Grey pictures of one size; N may be 0, which gives one empty cell.
    captions
        One short text a picture, drawn below it and cut at the picture's width.
    columns
        Most pictures in a row of the sheet.
    scale
        Pixels of the sheet for each pixel of a picture.

    Returns
    -------
    (rows, columns) uint8
        The sheet, white between the pictures; `to_png` makes a file of it.

    Raises
    ------
    DataError
        If the pictures are not (N, H, W) uint8, or there is not one caption for each.
    """
    from PIL import Image, ImageDraw, ImageFont

    pictures = np.asarray(images)
    if pictures.ndim != 3 or pictures.dtype != np.uint8:
        raise DataError(
            f"contact sheet of {pictures.dtype} {pictures.shape}, expected uint8 (pictures, height, width)."
        )
    if captions is not None and len(captions) != len(pictures):
        raise DataError(f"contact sheet of {len(pictures)} pictures with {len(captions)} captions, expected one each.")
    if columns < 1 or scale < 1:
        raise DataError(f"contact sheet with {columns} columns at scale {scale}, expected at least 1 of each.")

    count, height, width = len(pictures), pictures.shape[1] * scale, pictures.shape[2] * scale
    text_height = 0 if captions is None else _FONT_SIZE + 4
    across = max(1, min(columns, count))
    down = max(1, -(-count // across))
    cell_height, cell_width = height + text_height + _GAP, width + _GAP
    sheet = np.full((down * cell_height + _GAP, across * cell_width + _GAP), _PAPER, dtype=np.uint8)
    corners = [(_GAP + at // across * cell_height, _GAP + at % across * cell_width) for at in range(count)]
    for picture, (top, left) in zip(pictures, corners, strict=True):
        sheet[top : top + height, left : left + width] = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    if captions is None:
        return sheet

    font = ImageFont.load_default(_FONT_SIZE)
    for caption, (top, left) in zip(captions, corners, strict=True):
        label = Image.new("L", (width, text_height), _PAPER)
        ImageDraw.Draw(label).text((0, 0), caption, fill=_INK, font=font)
        sheet[top + height : top + height + text_height, left : left + width] = np.asarray(label)
    return sheet


def to_png(picture: NDArray[np.uint8]) -> bytes:
    """The bytes of a PNG file that holds a (rows, columns) grey or (rows, columns, 3) RGB uint8 picture."""
    from PIL import Image

    buffer = BytesIO()
    # Taking pains over it takes thrice as long and saves a hundredth of the bytes.
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()
