"""Pictures as the files that people send."""

from io import BytesIO

from PIL import Image


def encoded(image, kind="PNG", **options) -> bytes:
    """A picture of Pillow's, or its pixels, (H, W) or (H, W, 3) uint8, as a file of a format of Pillow's."""
    file = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()
