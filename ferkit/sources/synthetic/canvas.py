"""The plane on which a face is drawn: pixel grids in head and face coordinates, and soft-edged shapes."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import SIZE

__all__ = ["DRAWN", "Plane", "band", "bump", "frame_grid", "shrink", "smooth_noise"]

# float32 when drawn; numpy's stubs cannot follow that through arithmetic with Python numbers.
Plane = NDArray[np.floating]

# Pictures are drawn at twice their size, then shrunk; edges are soft already, so twice is enough.
DRAWN: Final = 2 * SIZE


def frame_grid() -> tuple[Plane, Plane]:
    """Two (96, 96) float32: x and y of each drawn pixel's middle, -1..1 from edge to edge, y down."""
    line = ((np.arange(DRAWN, dtype=np.float32) + np.float32(0.5)) / np.float32(SIZE) - np.float32(1)).astype(
        np.float32
    )
    return np.broadcast_to(line, (DRAWN, DRAWN)), np.broadcast_to(line[:, None], (DRAWN, DRAWN))


def bump(x: Plane, y: Plane, at: tuple[float, float], size: tuple[float, float]) -> Plane:
    """A Gaussian hill of height 1 and standard deviations `size` at a point."""
    return np.exp(-0.5 * (((x - at[0]) / size[0]) ** 2 + ((y - at[1]) / size[1]) ** 2))


def band(distance: Plane, width: float) -> Plane:
    """1 where the signed `distance` from a shape is negative, 0 outside, with a soft edge of `width`."""
    inside: Plane = np.clip(0.5 - distance / width, 0.0, 1.0)
    return inside


def smooth_noise(rng: np.random.Generator, cells: tuple[int, int]) -> Plane:
    """(96, 96) float32 noise of standard deviation about 1: a coarse grid of normal values, bilinearly enlarged."""
    down, across = cells
    grid = rng.standard_normal((down + 1, across + 1)).astype(np.float32)
    rows, columns = (_interpolation(count) for count in cells)
    return np.asarray(rows @ grid @ columns.T)


@cache
def _interpolation(cells: int) -> Plane:
    """(96, cells + 1): weights of a coarse line's values in each drawn pixel."""
    place = (np.arange(DRAWN, dtype=np.float32) + np.float32(0.5)) * np.float32(cells / DRAWN)
    weights: Plane = np.clip(1 - np.abs(place[:, None] - np.arange(cells + 1, dtype=np.float32)), 0, 1)
    return weights


def shrink(plane: Plane) -> Plane:
    """(48, 48): the mean of each 2x2 drawn pixels."""
    return np.asarray(plane.reshape(SIZE, 2, SIZE, 2).mean(axis=(1, 3)))
