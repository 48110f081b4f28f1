"""Decoders of PGM and PPM for Pillow, whose own go over every value in Python: five seconds for a megapixel of colour.

They read what Pillow's read, in binary files whose values have another range than 0 to 255 and in plain text, and give
the same pixels. Importing this module imports Pillow.
"""

import re
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.PpmImagePlugin import PpmPlainDecoder

__all__ = ["register_netpbm_decoders"]

# Bytes that are read at a time; what they become takes eight times as many.
_BLOCK = 2**18
# A comment with the end of its line, of which a block may lack the rest.
_COMMENT = re.compile(rb"#[^\r\n]*[\r\n]")
_NUMBERS = b"0123456789 \t\n\v\f\r"
_LONGEST_NUMBER = 100


def register_netpbm_decoders() -> None:
    """Make Pillow use these decoders from now on."""
    Image.register_decoder("ppm", _BinaryDecoder)
    Image.register_decoder("ppm_plain", _PlainDecoder)


class _BinaryDecoder(ImageFile.PyDecoder):
    """Values of one byte, or of two with the upper one first, from 0 to a maximum; those above count as that."""

    _pulls_fd = True

    def decode(self, _buffer: Any) -> tuple[int, int]:
        """Give the picture its pixels; Pillow's sign that all is read."""
        maximum = self.args[-1]
        kind = np.dtype(np.uint8 if maximum < 256 else ">u2")
        # Pillow hands over its file as that of any codec.
        file: Any = self.fd
        left = _count(self)
        table = _table(self, maximum, np.iinfo(kind).max)
        parts = []
        while left and (content := file.read(min(_BLOCK, left * kind.itemsize))):
            values = np.frombuffer(content[: len(content) // kind.itemsize * kind.itemsize], kind)
            parts.append(table[values].tobytes())
            left -= len(values)
        _set(self, parts)
        return -1, 0


class _PlainDecoder(PpmPlainDecoder):
    """Decimal numbers with blanks between them, and comments; pictures of two colours are left to Pillow."""

    def decode(self, buffer: Any) -> tuple[int, int]:
        """Give the picture its pixels; Pillow's sign that all is read."""
        if self.mode == "1":
            return super().decode(buffer)
        file: Any = self.fd
        maximum, left, parts = self.args[-1], _count(self), []
        table = _table(self, maximum, maximum)
        for some in _numbers(file):
            values = some[:left]
            if int(values.max()) > maximum:
                raise ValueError(f"a value of {int(values.max())}, though the largest is said to be {maximum}")
            parts.append(table[values].tobytes())
            left -= len(values)
            if not left:
                break
        _set(self, parts)
        return -1, 0


def _count(decoder: ImageFile.PyDecoder) -> int:
    """How many values the picture has."""
    return decoder.state.xsize * decoder.state.ysize * Image.getmodebands(decoder.mode)


def _table(decoder: ImageFile.PyDecoder, maximum: int, largest: int) -> NDArray[np.unsignedinteger]:
    """What becomes of each value from 0 to `largest`: spread over 8 bits, or over the 16 that a grey picture may have.

    Pillow has those in 32.
    """
    most, kind = (65_535, np.uint32) if decoder.mode == "I" else (255, np.uint8)
    spread = np.rint(np.arange(largest + 1) / maximum * most)
    return np.minimum(spread, most).astype(np.dtype(kind).newbyteorder("<"))


def _set(decoder: ImageFile.PyDecoder, parts: list[bytes]) -> None:
    decoder.set_as_raw(b"".join(parts), "I;32" if decoder.mode == "I" else decoder.mode)


def _numbers(file: IO[bytes]) -> Iterator[NDArray[np.int64]]:
    """The numbers of a text, some at a time."""
    rest, more = b"", True
    while more:
        block = file.read(_BLOCK)
        more = bool(block)
        text = _COMMENT.sub(b"\n", rest + block)
        text, begun, _ = text.partition(b"#")
        # What a block cuts goes on in the next one; of a comment only that there is one.
        end = len(text) if begun or not more else max(text.rfind(blank) for blank in (b" ", b"\t", b"\n", b"\r")) + 1
        rest = text[end:] + begun
        # Behind the last pixel there may be anything, such as another picture.
        wrong = text[:end].translate(None, _NUMBERS)
        numbers = text[: text.index(wrong[:1])].rpartition(b" ")[0] if wrong else text[:end]
        if numbers.strip():
            yield np.fromstring(numbers, np.int64, sep=" ")
        if wrong:
            raise ValueError("pixels that are no decimal numbers")
        if len(rest) > _LONGEST_NUMBER:
            raise ValueError("pixels of too many digits")
