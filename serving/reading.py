"""From the bytes of a picture to its faces, within bounds of memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import DataError
from ferkit.pictures import FORMATS, decode_picture, register_readers
from ferkit.predictor import Crops, Predictor
from serving.backend import Backend
from serving.errors import ApiError
from serving.uploads import Upload

__all__ = ["Found", "decoded", "find_faces"]


@dataclass(frozen=True, eq=False)
class Found:
    """The faces of a picture, which itself is gone.

    Attributes
    ----------
    width, height
        In pixels, as the picture is shown: turned as EXIF says.
    left_out
        Faces beyond the largest that are read.
    """

    name: str
    width: int
    height: int
    crops: Crops
    left_out: int


@contextmanager
def decoded(upload: Upload, backend: Backend) -> Iterator[NDArray[np.uint8]]:
    """The picture (H, W, 3) uint8 RGB, while there is memory for it.

    Raises
    ------
    ApiError
        If it is no picture, or too large.
    """
    most = backend.settings.most_pixels
    pixels = _pixels(upload)
    if pixels is not None and pixels > most:
        raise ApiError(413, "too_many_pixels", f"{upload.name}: {pixels:,} pixels, expected at most {most:,}.")
    with backend.pixels.share(pixels or most):
        try:
            picture = decode_picture(upload.content, upload.name, most)
        except DataError as error:
            raise ApiError(422, "not_a_picture", str(error)) from error
        yield picture


def find_faces(upload: Upload, backend: Backend, predictor: Predictor) -> Found:
    """Its faces, cut; the picture is forgotten at the end."""
    with decoded(upload, backend) as picture:
        height, width = picture.shape[:2]
        crops = predictor.find(picture)
    most = backend.settings.most_faces
    left_out = max(0, len(crops.faces) - most)
    return Found(upload.name, width, height, Crops(crops.faces[:most], crops.images[:most]), left_out)


def _pixels(upload: Upload) -> int | None:
    """What the head of the file says; None if it says nothing that can be read."""
    from PIL import Image

    register_readers()
    try:
        with Image.open(BytesIO(upload.content), formats=FORMATS) as opened:
            return opened.width * opened.height
    except Image.DecompressionBombError:
        return 2**63
    except Exception:  # noqa: BLE001 - `decode_picture` will say what is wrong.
        return None
