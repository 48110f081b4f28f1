"""`InputCard`: the pictures that a network takes, how large they are and whether in colour."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ferkit.data.dataset import SIZE
from ferkit.data.stored_pictures import Images, StoredPictures, picture_shape
from ferkit.errors import DataError
from ferkit.settings import Settings

__all__ = ["InputCard"]

_CHANNELS = {1: False, 3: True}


class InputCard(Settings):
    """The pictures that networks were trained on, and therefore take.

    Attributes
    ----------
    size
        Width and height in pixels.
    colour
        Whether they are RGB, and not grey.

    Examples
    --------
    >>> InputCard().shape, InputCard(size=96, colour=True).shape
    ((48, 48), (96, 96, 3))
    """

    size: int = Field(SIZE, ge=16, le=1024)
    colour: bool = False

    @classmethod
    def of(cls, images: Images) -> Self:
        """Of pictures (N, side, side) or (N, side, side, 3) uint8."""
        return cls.of_shape(picture_shape(images))

    @classmethod
    def of_shape(cls, shape: Sequence[int | None]) -> Self:
        """Of a network whose input is (side, side, 1) or (side, side, 3).

        Raises
        ------
        DataError
            If it is another.
        """
        if len(shape) != 3 or shape[0] is None or shape[0] != shape[1] or shape[2] not in _CHANNELS:
            raise DataError(f"an input of {tuple(shape)}, expected pictures (side, side, 1) or (side, side, 3).")
        return cls(size=shape[0], colour=_CHANNELS[shape[2]])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the pixels of one picture: (size, size), or (size, size, 3) in colour."""
        return (self.size, self.size, 3) if self.colour else (self.size, self.size)

    @property
    def tensor(self) -> tuple[int, int, int]:
        """What a network takes: (size, size, 1), or (size, size, 3) in colour."""
        return self.size, self.size, 3 if self.colour else 1

    def blank(self, count: int = 0) -> NDArray[np.uint8]:
        """So many black pictures."""
        return np.zeros((count, *self.shape), dtype=np.uint8)

    def require(self, images: Images) -> None:
        """Raise a `DataError` unless `images` are such pictures, uint8."""
        if tuple(images.shape[1:]) != self.shape or images.dtype != np.uint8:
            expected = ", ".join(map(str, ("N", *self.shape)))
            raise DataError(
                f"pictures are {images.dtype} {images.shape}, expected uint8 ({expected}), "
                f"{'RGB' if self.colour else 'grey'}."
            )

    def read(self, images: Images) -> Images:
        """Pictures of a data set as a network takes them; those in files are made so when they are read."""
        if isinstance(images, StoredPictures):
            return replace(images, side=self.size, colour="rgb" if self.colour else "grey")
        return self.fit(images)

    def fit(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Pictures (N, H, W) or (N, H, W, 3) uint8 of faces, enlarged or reduced, made grey or given three channels."""
        if pictures.shape[1:] == self.shape:
            return pictures
        import cv2

        fitted = self.blank(len(pictures))
        way = cv2.INTER_AREA if min(pictures.shape[1:3]) >= self.size else cv2.INTER_CUBIC
        for index, picture in enumerate(pictures):
            turns_grey = picture.ndim == 3 and not self.colour
            pixels = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if turns_grey else picture
            resized = cv2.resize(pixels, (self.size, self.size), interpolation=way)
            fitted[index] = resized if resized.ndim == len(self.shape) else resized[..., None]
        return fitted

    def __str__(self) -> str:
        return f"{self.size}x{self.size} {'RGB' if self.colour else 'grey'}"
