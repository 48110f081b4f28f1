"""A picture with what was found in it drawn onto it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ferkit.inference.predictor import FacePrediction

__all__ = ["draw_predictions"]

_COLOUR = (255, 214, 10)
_INK = (20, 20, 20)
# Of the picture's longer side.
_LINE, _TEXT = 1 / 320, 1 / 40
# Height of the text, in widths of the box: twelve letters are about as wide.
_TEXT_OF_BOX = 0.17
_LEAST_TEXT = 11


def draw_predictions(picture: NDArray[np.uint8], faces: Sequence[FacePrediction]) -> NDArray[np.uint8]:
    """A copy of a picture (H, W, 3) uint8 RGB with each face's box, emotion and probability."""
    from PIL import Image, ImageDraw, ImageFont

    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    line = max(1, round(max(canvas.size) * _LINE))
    # The largest last, so that its label is on top.
    for face in reversed(faces):
        x, y, width, height = face.box
        draw.rectangle((x, y, x + width - 1, y + height - 1), outline=_COLOUR, width=line)
        text = f"{face.emotion} {face.probabilities.max():.2f}"
        # About as wide as the box, so that labels of faces side by side do not hide each other.
        size = min(round(max(canvas.size) * _TEXT), round(width * _TEXT_OF_BOX))
        font = ImageFont.load_default(max(_LEAST_TEXT, size))
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        wide, high = right - left + 2 * line, bottom - top + 4 * line
        # Above the box, or at its upper edge where there is no room; never beyond the picture's border.
        at_x = max(0, min(x, canvas.width - wide))
        at_y = y - high if y >= high else max(0, min(y, canvas.height - high))
        draw.rectangle((at_x, at_y, at_x + wide, at_y + high), fill=_COLOUR)
        draw.text((at_x + line - left, at_y + 2 * line - top), text, fill=_INK, font=font)
    return np.asarray(canvas)
