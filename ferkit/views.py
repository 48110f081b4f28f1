"""Test-time augmentation: several views of a picture, whose predictions are averaged."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ferkit.settings import Settings

__all__ = ["CROP", "NO_VIEWS", "TestTimeAugmentation"]

# Share of the side that a crop keeps: 42 of 48 pixels, between the 44 and 40 that published networks for FER-2013 use.
CROP = 42


class TestTimeAugmentation(Settings):
    """Which views of each picture a network sees; with flip and five crops these are the usual ten.

    Attributes
    ----------
    flip
        The picture, and its mirror image.
    crops
        ``five``: the four corners and the centre, 42 of 48 pixels wide, enlarged to the whole side (bilinear), in place
        of the picture itself (Krizhevsky et al., NeurIPS 2012, section 4.1).
    """

    # Its name begins with Test, as pytest's classes do.
    __test__ = False

    flip: bool = False
    crops: Literal["none", "five"] = "none"

    def of(self, images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
        """The views of pictures (N, H, W) uint8, one array of the same shape after the other."""
        for view in self._cropped(images):
            yield view
            if self.flip:
                yield view[:, :, ::-1]

    def _cropped(self, images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
        if self.crops == "none":
            yield images
            return
        height, width = images.shape[1:]
        tall, broad = round(height * CROP / 48), round(width * CROP / 48)
        down, across = height - tall, width - broad
        for top, left in ((0, 0), (0, across), (down, 0), (down, across), (down // 2, across // 2)):
            yield _resized(images[:, top : top + tall, left : left + broad], height, width)


def _resized(images: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Enlarge (N, h, w) uint8 to (N, height, width), bilinearly with aligned pixel centres, rows before columns."""
    rows = _along(images.astype(np.float32), 1, height)
    return np.rint(_along(rows, 2, width)).astype(np.uint8)


def _along(images: NDArray[np.float32], axis: int, size: int) -> NDArray[np.float32]:
    given = images.shape[axis]
    position = np.clip((np.arange(size) + 0.5) * given / size - 0.5, 0, given - 1)
    before = np.minimum(position.astype(np.intp), given - 2)
    way = (position - before).astype(np.float32).reshape([-1 if each == axis else 1 for each in range(3)])
    first, second = np.take(images, before, axis), np.take(images, before + 1, axis)
    return np.asarray(first + (second - first) * way)


NO_VIEWS = TestTimeAugmentation()
