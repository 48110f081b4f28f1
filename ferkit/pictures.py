"""Reading pictures as people have them: turned by the camera, in 16 bits, transparent, animated, or broken."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["FORMATS", "MOST_PIXELS", "SUFFIXES", "decode_picture", "find_pictures", "picture_bytes", "read_picture"]

SUFFIXES = (".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
# A file of a few kilobytes can claim billions of pixels; the cameras of telephones have up to 108 million.
MOST_PIXELS = 120_000_000

# What is read: Pillow knows more kinds, and some of them run other programs.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")

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


def decode_picture(content: bytes, name: str, most_pixels: int = MOST_PIXELS) -> NDArray[np.uint8]:
    """The first picture of a file's content.

    Turned as the camera noted (EXIF), 16 bits cut to their upper 8, transparent parts white, as on a page.

    Parameters
    ----------
    content
        JPEG, PNG, GIF, WebP, AVIF, TIFF, BMP, JPEG 2000 or PPM.
    name
        What messages call it.
    most_pixels
        Most pixels that are decoded; each takes three bytes, more while it is decoded.

    Returns
    -------
    (H, W, 3) uint8 RGB

    Raises
    ------
    DataError
        If it is no picture, is cut short, or has too many pixels.
    """
    from PIL import Image, UnidentifiedImageError

    if not content:
        raise DataError(f"{name}: an empty file, expected a picture.")
    try:
        # Registers all readers; a name in `formats` that is not registered is an error.
        Image.init()
        with Image.open(BytesIO(content), formats=FORMATS) as opened:
            if opened.width * opened.height > most_pixels:
                raise DataError(
                    f"{name}: {opened.width:,} x {opened.height:,} pixels, expected at most {most_pixels:,} in all; "
                    "make it smaller."
                )
            return _upright_rgb(opened, name)
    except UnidentifiedImageError:
        raise DataError(f"{name}: not a picture, expected JPEG, PNG, GIF, WebP, AVIF, TIFF or BMP.") from None
    except Image.DecompressionBombError:
        raise DataError(f"{name}: far more pixels than a camera has, expected at most {most_pixels:,}.") from None
    except _BROKEN as error:
        reason = str(error).partition(" <")[0] or type(error).__name__
        raise DataError(f"{name}: not a whole picture ({reason}).") from error


def find_pictures(folder: Path) -> list[Path]:
    """Files in `folder`, and in folders in it, that are called like pictures; sorted, without hidden ones.

    Raises
    ------
    DataError
        If there is none.
    """
    found = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not found:
        raise DataError(f"{folder}: no picture in this folder; known suffixes are {', '.join(SUFFIXES)}.")
    return sorted(found)


def _upright_rgb(opened: "Image.Image", name: str) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(opened)
    if picture.mode.startswith("I;16"):
        # Pillow would clip 16 bits to 8: every grey but the darkest would be white.
        grey = (np.asarray(picture) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode in ("I", "F"):
        raise DataError(f"{name}: pixels of 32 bits, whose range nobody knows; expected 8 or 16: convert it.")
    if picture.has_transparency_data:
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture.convert("RGBA"))
    return np.asarray(picture.convert("RGB"))
