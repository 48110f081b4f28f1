"""Grey values written as decimal text, read quickly."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["PixelError", "excerpt", "parse_pixels"]

_SPACE = ord(" ")
_ZERO = np.uint8(ord("0"))
_TEN, _HUNDRED = np.uint16(10), np.uint16(100)
# More digits are no number that anyone meant, and Python refuses to read thousands of them.
_DIGITS = 9
_SHOWN = 30


class PixelError(ValueError):
    """Text that is no picture.

    Attributes
    ----------
    index
        Which of the texts.
    """

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


def parse_pixels(texts: Sequence[bytes], count: int) -> NDArray[np.uint8]:
    """Numbers 0..255, `count` in each text, separated by white space.

    Returns
    -------
    (texts, count) uint8

    Raises
    ------
    PixelError
        For the first text that has another number of values, or one that is no integer 0..255.
    """
    values = _parse_all(texts, count)
    if values is None:
        # Something is unusual: read text by text, which is slow but knows where.
        values = np.array([_parse_one(index, text, count) for index, text in enumerate(texts)], dtype=np.uint8)
    return values.reshape(len(texts), count)


def excerpt(field: bytes | str) -> str:
    """What stands in a field, in quotes, for a message: its beginning, as it may be a whole picture."""
    text = field.decode(errors="replace") if isinstance(field, bytes) else field
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."


def _parse_all(texts: Sequence[bytes], count: int) -> NDArray[np.uint8] | None:
    """All texts at once, from the three characters before each space; None unless all of it is plain."""
    # Three spaces in front, so that every number has three characters before its end.
    text = b"   " + b" ".join(texts) + b" "
    if text.translate(None, b"0123456789 "):
        return None
    data = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(data == _SPACE)[2:]
    lengths = np.diff(ends)
    ends = ends[1:]
    if len(ends) != len(texts) * count or lengths.min() < 2 or lengths.max() > 4:
        return None
    # Each text's last number has to end where the text does.
    if (ends[count - 1 :: count] != np.cumsum([len(each) + 1 for each in texts]) + 2).any():
        return None
    values = (data[ends - 1] - _ZERO).astype(np.uint16)
    values += (data[ends - 2] - _ZERO) * (lengths > 2) * _TEN
    values += (data[ends - 3] - _ZERO) * (lengths > 3) * _HUNDRED
    return None if values.max() > 255 else values.astype(np.uint8)


def _parse_one(index: int, text: bytes, count: int) -> list[int]:
    words = text.split()
    if len(words) != count:
        side = round(count**0.5)
        raise PixelError(index, f"{len(words):,} pixels, expected {count:,} ({side}x{side})")
    for at, word in enumerate(words):
        if not word.isdigit() or len(word) > _DIGITS or int(word) > 255:
            raise PixelError(index, f"pixel {at} is {excerpt(word)}, expected a number 0..255")
    return [int(word) for word in words]
