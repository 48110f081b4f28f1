"""Test-time augmentation: a network sees several views of a picture, and its predictions are averaged."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import SIZE
from ferkit.settings import Settings

__all__ = ["NO_TTA", "TTAChoice", "TestTimeAugmentation", "five_crops"]

# How a person names it where a bundle is made; `ferkit.release.choice.Choice` says what each is.
TTAChoice = Literal["run", "once", "flip", "ten_crop"]

# Share of the side that a crop keeps: 42 of 48 pixels, between the 44 and 40 that published networks for FER-2013 use.
_CROP = 42


class TestTimeAugmentation(Settings):
    """Test-time augmentation: which versions (views) of each picture a network sees; flip and five crops give ten.

    Attributes
    ----------
    flip
        Each view also mirrored.
    crops
        ``five``: the four corners and the centre, 42 of 48 pixels wide, enlarged to the whole side (bilinear), in place
        of the picture itself (Krizhevsky et al., NeurIPS 2012, section 4.1).

    Examples
    --------
    >>> import numpy as np
    >>> tta = TestTimeAugmentation(flip=True, crops="five")
    >>> len(list(tta.augment(np.zeros((1, 48, 48), np.uint8))))
    10
    """

    # Its name begins with Test, as pytest's classes do.
    __test__ = False

    flip: bool = False
    crops: Literal["none", "five"] = "none"

    def augment(self, images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
        """Yield each view of pictures (N, side, side[, 3]) uint8, one array of the same shape after the other."""
        for view in self._cropped(images):
            yield view
            if self.flip:
                yield view[:, :, ::-1]

    def _cropped(self, images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
        if self.crops == "none":
            yield images
            return
        # Of RGB pictures the channels come before height and width meanwhile.
        planes = (images if images.ndim == 3 else np.moveaxis(images, 3, 1)).astype(np.float32)
        for rows, columns in five_crops(images.shape[1]):
            view = np.rint(rows @ planes @ columns.T).astype(np.uint8)
            yield view if images.ndim == 3 else np.moveaxis(view, 1, 3)


def five_crops(side: int = SIZE) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """For the corners and the centre, matrices (side, side): ``rows @ picture @ columns.T`` is the crop, enlarged."""
    last = side - _crop(side)
    for top, left in ((0, 0), (0, last), (last, 0), (last, last), (last // 2, last // 2)):
        yield _enlarging(top, side), _enlarging(left, side)


def _crop(side: int) -> int:
    """Side of a crop."""
    return round(side * _CROP / SIZE)


def _enlarging(start: int, side: int) -> NDArray[np.float32]:
    """Makes `side` values of those of a crop from `start` on, bilinearly with aligned pixel centres."""
    crop = _crop(side)
    position = np.clip((np.arange(side) + 0.5) * crop / side - 0.5, 0, crop - 1)
    matrix = np.zeros((side, side), dtype=np.float32)
    for pixel, unit in enumerate(np.eye(crop)):
        matrix[:, start + pixel] = np.interp(position, np.arange(crop), unit)
    return matrix


NO_TTA = TestTimeAugmentation()
