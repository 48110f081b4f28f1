"""Copies of disgusted faces, the rarest of FER-2013: flipped, turned, shifted and zoomed."""

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import SIZE
from ferkit.errors import DataError

__all__ = ["augment_disgust"]

# The recipe with which keras-vggface networks reach 73 % on FER: rotation 10 degrees, shift and zoom a tenth, flip.
_ROTATION_DEGREES, _SHIFT, _ZOOM = 10.0, 0.1, 0.1


def augment_disgust(
    images: NDArray[np.uint8], targets: NDArray[np.float32], disgust: int, factor: float, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Changed copies of the disgusted faces, each original used equally often; a copy keeps its original's target.

    Parameters
    ----------
    images : (N, 48, 48)
        Training pictures.
    targets : (N, classes)
        Their labels; the class of a soft one is its most probable emotion.
    disgust
        Which class is disgust.
    factor
        Disgusted faces together with their copies, as a multiple of those that there are.
    seed
        The same seed gives the same copies.

    Returns
    -------
    (copies, 48, 48) uint8 and (copies, classes) float32

    Raises
    ------
    DataError
        If there is no disgusted face.
    """
    originals = np.flatnonzero(targets.argmax(axis=1) == disgust)
    if not len(originals):
        raise DataError("augment_disgust: no training picture is labelled disgust: use another balancing.method.")
    generator = np.random.default_rng(seed)
    count = round((factor - 1) * len(originals))
    rounds = -(-count // len(originals))
    chosen = (
        np.concatenate([generator.permutation(originals) for _ in range(rounds)])[:count] if count else originals[:0]
    )
    made = np.empty((count, SIZE, SIZE), dtype=np.uint8)
    for at, original in enumerate(chosen):
        made[at] = _vary(images[original], generator)
    return made, targets[chosen]


def _vary(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """One random flip, rotation, zoom and shift about the picture's centre."""
    from scipy.ndimage import affine_transform

    angle = np.deg2rad(generator.uniform(-_ROTATION_DEGREES, _ROTATION_DEGREES))
    zoom = generator.uniform(1 - _ZOOM, 1 + _ZOOM)
    shift = generator.uniform(-_SHIFT, _SHIFT, size=2) * SIZE
    flip = generator.choice([-1.0, 1.0])
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([1.0, flip]) / zoom
    centre = np.full(2, (SIZE - 1) / 2)
    varied = affine_transform(
        image.astype(np.float32), matrix, centre - matrix @ (centre + shift), order=3, mode="nearest"
    )
    return np.asarray(np.clip(np.rint(varied), 0, 255), dtype=np.uint8)
