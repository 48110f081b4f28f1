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
        """The same pictures as a network takes them; those in files are made so when they are read.

        Raises
        ------
        DataError
            If they are in memory already, and are others.
        """
        if isinstance(images, StoredPictures):
            return replace(images, side=self.size, colour="rgb" if self.colour else "grey")
        if tuple(images.shape[1:]) != self.shape:
            raise DataError(
                f"the networks take pictures of {self}, the data has them in memory at {InputCard.of(images)}: stream "
                "them, data.stream: true."
            )
        return images

    def __str__(self) -> str:
        return f"{self.size}x{self.size} {'RGB' if self.colour else 'grey'}"
