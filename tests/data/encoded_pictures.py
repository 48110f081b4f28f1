"""A picture whose corners differ, as a file of any format, and what is read of that."""

import numpy as np
from pillow_heif import register_heif_opener

from ferkit.data.picture_files import decode_picture
from tests.toys.pictures import encoded

# It writes HEIC, too.
register_heif_opener()


def pattern(width=40, height=24):
    """A picture (H, W, 3) whose corners differ: red, green, blue, dark grey."""
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[: height // 2, : width // 2] = 255, 0, 0
    picture[: height // 2, width // 2 :] = 0, 255, 0
    picture[height // 2 :, : width // 2] = 0, 0, 255
    picture[height // 2 :, width // 2 :] = 60
    return picture


def decoded(image, kind="PNG", **options):
    return decode_picture(encoded(image, kind, **options), "x")
