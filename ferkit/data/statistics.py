"""Numbers that say how a face looks to a network, whatever it shows: how bright, how rich in contrast, how sharp.

They are those of the 48x48 grey crop, which is what FER-2013 consists of: pictures of any kind and size can be compared
with it.
"""

import numpy as np
from numpy.typing import NDArray

from ferkit.data.input_card import InputCard

__all__ = ["FACE_STATISTICS", "face_statistics"]

FACE_STATISTICS = ("brightness", "contrast", "sharpness")

# At which all pictures are measured.
_MEASURED = InputCard()
# Pictures at a time: their Laplacians as 32-bit numbers take 2 MB, which a processor's cache holds.
_CHUNK = 256
# Grey values of a deviation below this are one value, with the rounding of a mean.
_FLAT = 1e-3


def face_statistics(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Statistics of faces.

    Parameters
    ----------
    images : (N, side, side) or (N, side, side, 3) uint8
        Grey or RGB; what is larger or smaller than 48x48 pixels is measured at that size.

    Returns
    -------
    dict of (N,) float32
        ``brightness``: the mean of the grey values, 0..255. ``contrast``: their standard deviation. ``sharpness``: the
        standard deviation of the Laplacian (the measure of focus LAPV of Pech-Pacheco et al., "Diatom autofocusing in
        brightfield microscopy", ICPR 2000, as its root) in units of the contrast, so that it tells blur and noise from
        a dim light; 0 where all pixels are the same.
    """
    chunks = [_statistics(images[start : start + _CHUNK]) for start in range(0, len(images), _CHUNK)]
    columns = np.concatenate([*chunks, np.zeros((0, len(FACE_STATISTICS)), dtype=np.float32)])
    return dict(zip(FACE_STATISTICS, columns.T, strict=True))


def _statistics(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    pixels = _MEASURED.fit(images).astype(np.float32)
    inner = pixels[:, 1:-1, 1:-1]
    laplacian = pixels[:, :-2, 1:-1] + pixels[:, 2:, 1:-1] + pixels[:, 1:-1, :-2] + pixels[:, 1:-1, 2:] - 4 * inner
    contrast = pixels.std(axis=(1, 2))
    edges = laplacian.std(axis=(1, 2))
    sharpness = np.divide(edges, contrast, out=np.zeros_like(edges), where=contrast > _FLAT)
    return np.stack([pixels.mean(axis=(1, 2)), contrast, sharpness], axis=1)
