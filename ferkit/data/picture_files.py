"""Reading pictures as people have them: turned by the camera, in 16 bits, transparent, animated, or broken."""

import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferkit.data.formats.av1_size import coded_sizes
from ferkit.data.formats.deep_colour import has_deep_colour, use_lower_bits
from ferkit.data.formats.jpeg_scans import count_scans
from ferkit.data.limited_process import decode_apart
from ferkit.data.upright_rgb import upright_rgb
from ferkit.errors import DataError, TooCostlyError, TooLargeError

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "FORMATS",
    "MOST_PIXELS",
    "SUFFIXES",
    "PictureHead",
    "decode_here",
    "decode_picture",
    "inspect_picture",
    "picture_bytes",
    "read_picture",
    "register_readers",
]

_LOG = logging.getLogger(__name__)

# All names of Pillow for FORMATS, but that of PPM's kind with floating point.
SUFFIXES = (
    ".apng", ".avif", ".avifs", ".bmp", ".gif", ".heic", ".heics", ".heif", ".heifs", ".hif", ".j2c", ".j2k", ".jfif",
    ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff",
    ".webp",
)  # fmt: skip
# A file of a few kilobytes can claim billions of pixels; the cameras of telephones have up to 108 million.
MOST_PIXELS = 120_000_000
# The largest side that a JPEG can have. To resize a picture of one row and millions of columns takes many times its
# memory.
_MOST_SIDE = 65_535
# Of a JPEG; encoders write ten or so. Each of them decodes all pixels again.
_MOST_SCANS = 100
# Pixels by which an encoder of AV1 may round each side up: it codes them in blocks of 64.
_AV1_PADDING = 63
# Bytes of all texts of a PNG, which are read with its head; compressed, they are a thousandth of that.
_MOST_TEXT = 8_000_000

# What is read: Pillow knows more kinds, and some of them run other programs.
FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")

# How the files of AVIF and HEIC begin: boxes that name pictures, which are coded as anybody likes.
_BOXES = b"ftyp"

_END_OF_JPEG = b"\xff\xd9"
# Behind a whole scan, any bytes but markers are passed over; in one that was cut they are taken for pixels.
_NO_MARKERS = bytes(range(0xB7, 0xF7)) + bytes(range(0x17, 0x57))

# What Pillow's readers raise depends on the format and on where the file is broken.
_BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, RuntimeError, struct.error,
    zlib.error,
)  # fmt: skip


def read_picture(path: Path, most_pixels: int = MOST_PIXELS) -> NDArray[np.uint8]:
    """The picture in a file, as `decode_picture` gives it.

    Raises
    ------
    DataError
        If the file cannot be read, or holds no whole picture.

    Examples
    --------
    >>> picture = read_picture(Path("docs/images/faces.png"))
    >>> picture.ndim, picture.dtype
    (3, dtype('uint8'))
    """
    return decode_picture(picture_bytes(path), str(path), most_pixels)


def picture_bytes(path: Path) -> bytes:
    """What a picture's file holds.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error


@dataclass(frozen=True)
class PictureHead:
    """What a picture's file says of itself, before any pixel is decoded; it may lie.

    Attributes
    ----------
    width, height
        In pixels, as they are stored: EXIF may turn them.
    """

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """How many there are."""
        return self.width * self.height


def inspect_picture(content: bytes, name: str, most_pixels: int = MOST_PIXELS) -> PictureHead:
    """What the head of a file says, if it is one that `decode_picture` would go on to decode.

    Parameters
    ----------
    content, name, most_pixels
        As for `decode_picture`.

    Raises
    ------
    TooLargeError
        If it has more pixels, or longer sides, than allowed.
    TooCostlyError
        If it is a JPEG of more scans than any picture needs, or an AVIF of which more is decoded than it says.
    DataError
        If it is no picture.
    """
    with _opened(content, name, most_pixels) as picture:
        return PictureHead(picture.width, picture.height)


def decode_picture(content: bytes, name: str, most_pixels: int = MOST_PIXELS) -> NDArray[np.uint8]:
    """The first picture of a file's content.

    Turned as the camera noted (EXIF), 16 bits cut to their upper 8 (12 bits to theirs, if no value needs more),
    transparent parts white, as on a page. A JPEG that lacks nothing but its end marker is read, with a warning in the
    log.

    What an AVIF or a HEIC takes is not bounded by the size that its head says: they are decoded in a process of their
    own, which may take what a picture of that size needs (`ferkit.data.limited_process`).

    Parameters
    ----------
    content
        JPEG, PNG, GIF, WebP, AVIF, HEIC, TIFF, BMP, JPEG 2000 or PPM.
    name
        What messages call it.
    most_pixels
        Most pixels that are decoded; each takes seven bytes, more where the format needs it.

    Returns
    -------
    (H, W, 3) uint8 RGB

    Raises
    ------
    TooLargeError
        If it has more pixels, or longer sides, than allowed.
    TooCostlyError
        If it is a JPEG of more scans than any picture needs, or an AVIF or a HEIC that takes more than it should.
    DataError
        If it is no picture, or is cut short.
    """
    if content[4:8] != _BOXES:
        return decode_here(content, name, most_pixels)
    return decode_apart(content, name, inspect_picture(content, name, most_pixels).pixels)


def decode_here(content: bytes, name: str, most_pixels: int = MOST_PIXELS) -> NDArray[np.uint8]:
    """As `decode_picture`, whatever it takes: for a process that has limits."""
    with _opened(content, name, most_pixels) as picture:
        is_deep = has_deep_colour(picture)
        loaded = _loaded(picture, content, name)
        if is_deep:
            use_lower_bits(loaded, content)
        return upright_rgb(loaded, name)


@contextmanager
def _opened(content: bytes, name: str, most_pixels: int) -> "Iterator[Image.Image]":
    """The picture, of which the head has been read and found to be within all limits."""
    from PIL import Image, UnidentifiedImageError

    if not content:
        raise DataError(f"{name}: an empty file, expected a picture.")
    try:
        register_readers()
        with Image.open(BytesIO(content), formats=FORMATS) as opened:
            _require_within(opened, content, name, most_pixels)
            yield opened
    except UnidentifiedImageError:
        raise DataError(
            f"{name}: not a picture, expected JPEG, PNG, GIF, WebP, AVIF, HEIC, TIFF, BMP or JPEG 2000."
        ) from None
    except Image.DecompressionBombError:
        raise TooLargeError(f"{name}: far more pixels than a camera has, expected at most {most_pixels:,}.") from None
    except _BROKEN as error:
        reason = str(error).partition(" <")[0] or type(error).__name__
        raise DataError(f"{name}: not a whole picture ({reason}).") from error


def _require_within(opened: "Image.Image", content: bytes, name: str, most_pixels: int) -> None:
    size = f"{opened.width:,} x {opened.height:,} pixels"
    if opened.width * opened.height > most_pixels:
        raise TooLargeError(f"{name}: {size}, expected at most {most_pixels:,} in all; make it smaller.")
    if max(opened.size) > _MOST_SIDE:
        raise TooLargeError(f"{name}: {size}, expected at most {_MOST_SIDE:,} on a side; cut it.")
    if opened.format in ("JPEG", "MPO") and count_scans(content, _MOST_SCANS) > _MOST_SCANS:
        raise TooCostlyError(f"{name}: a JPEG of more than {_MOST_SCANS} scans, expected ten or so; save it anew.")
    if opened.format == "AVIF":
        for width, height in coded_sizes(content):
            if max(0, width - _AV1_PADDING) * max(0, height - _AV1_PADDING) > most_pixels:
                raise TooCostlyError(
                    f"{name}: {width:,} x {height:,} pixels are decoded, though the AVIF says {size}; expected at most "
                    f"{most_pixels:,} in all: save it anew."
                )


@cache
def register_readers() -> None:
    """Make Pillow know all of `FORMATS`, to which a name that is not registered is an error, and Netpbm in a moment."""
    from PIL import Image, PngImagePlugin
    from pillow_heif import register_heif_opener

    from ferkit.data.formats.netpbm import register_netpbm_decoders

    Image.init()
    PngImagePlugin.MAX_TEXT_MEMORY = _MOST_TEXT
    register_heif_opener()
    register_netpbm_decoders()


def _loaded(opened: "Image.Image", content: bytes, name: str) -> "Image.Image":
    """`opened` with its pixels, also those of a JPEG that lacks nothing but its end marker."""
    try:
        opened.load()
    except OSError:
        whole = _with_end_marker(content) if opened.format in ("JPEG", "MPO") else None
        if whole is None:
            raise
        _warn_once(f"{name}: a JPEG without its end marker; nothing else is missing, and it is read.")
        return whole
    return opened


def _with_end_marker(content: bytes) -> "Image.Image | None":
    """The picture of a JPEG that ends behind its last scan; None if the end of that scan is missing, too.

    The decoder fills what is missing with grey and says nothing. But it then reads whatever follows as pixels, so that
    two different ends give two pictures.
    """
    from PIL import Image

    if content.endswith(_END_OF_JPEG):
        return None
    # Of the marker, its first byte may be there.
    scan = content.rstrip(b"\xff")
    first, second = (Image.open(BytesIO(scan + end + _END_OF_JPEG), formats=("JPEG",)) for end in (b"", _NO_MARKERS))
    return first if first == second else None


@lru_cache(maxsize=1000)
def _warn_once(text: str) -> None:
    """Write a warning into the log; a training reads the same picture many times."""
    _LOG.warning("%s", text)
