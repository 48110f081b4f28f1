"""Pictures that are nearly the same: saved again, resized, a little brighter, the next frame of a film."""

import numpy as np
from numpy.typing import NDArray

from ferkit.data.picture_blocks import blocks
from ferkit.data.stored_pictures import Images

__all__ = ["near_copy_groups"]

# Side of the thumbnails that are compared; their correlation from which two pictures count as copies.
_SIDE = 16
_CORRELATION = 0.995
# Locality-sensitive hashing by random hyperplanes (Charikar, STOC 2002). Faces without their mean are then some 0.17
# radians apart: all of 16 signs agree with a probability of 0.4, so that 12 hashes miss one pair of 700.
_HASHES, _BITS = 12, 16
# Pictures of one hash that are compared with each other at a time.
_CHUNK = 1024


def near_copy_groups(images: Images) -> NDArray[np.int64]:
    """(N,) int64: the same number for pictures that are copies or nearly so, also through others between them.

    Two pictures are nearly the same if grey thumbnails of 16x16 pixels, without their brightness and contrast,
    correlate by 0.995 or more. Flat pictures, which have no contrast, are copies of nothing here.

    Parameters
    ----------
    images : (N, side, side[, 3]) uint8
        In memory or in files; each is read once.

    Examples
    --------
    >>> picture = np.random.default_rng(0).integers(0, 200, (3, 48, 48), dtype=np.uint8)
    >>> near_copy_groups(np.stack([picture[0], picture[1], picture[0] + 30, picture[2]])).tolist()
    [0, 1, 0, 2]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    none = np.zeros((0, _SIDE * _SIDE), np.float32)
    thumbnails = np.concatenate([none, *(_thumbnails(each) for _, each in blocks(images))])
    usable = np.flatnonzero(thumbnails.any(axis=1))
    pairs = [usable[each] for each in _pairs(thumbnails[usable])]
    first, second = np.concatenate([np.zeros((0, 2), np.int64), *pairs]).T
    ties = coo_array((np.ones(len(first)), (first, second)), shape=(len(thumbnails), len(thumbnails)))
    return np.asarray(connected_components(ties, directed=False)[1], dtype=np.int64)


def _thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 256): grey means of parts of each picture, of mean 0 and length 1; zeros of a flat one."""
    grey = pixels if pixels.ndim == 3 else pixels.mean(axis=3)
    edges = np.linspace(0, grey.shape[1], _SIDE + 1).astype(np.int64)[:-1]
    parts = np.add.reduceat(np.add.reduceat(grey.astype(np.float32), edges, axis=1), edges, axis=2)
    area = np.diff([*edges, grey.shape[1]])
    flat = (parts / np.multiply.outer(area, area)).reshape(len(grey), _SIDE * _SIDE)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    # A deviation of less than a grey level is none.
    return np.asarray(np.divide(flat, length, out=np.zeros_like(flat), where=length > _SIDE), dtype=np.float32)


def _pairs(thumbnails: NDArray[np.float32]) -> list[NDArray[np.int64]]:
    """(pairs, 2) of places of thumbnails that correlate as copies do."""
    if len(thumbnails) < 2:
        return []
    # What all faces have in common tells none apart.
    centred = thumbnails - thumbnails.mean(axis=0)
    generator = np.random.default_rng(0)
    found = []
    for _ in range(_HASHES):
        planes = generator.standard_normal((thumbnails.shape[1], _BITS)).astype(np.float32)
        hashes = ((centred @ planes > 0) << np.arange(_BITS)).sum(axis=1)
        order = np.argsort(hashes, kind="stable")
        ends = np.flatnonzero(np.diff(hashes[order])) + 1
        for members in np.split(order, ends):
            for start in range(0, len(members) if len(members) > 1 else 0, _CHUNK):
                some = members[start : start + _CHUNK]
                close = np.argwhere(thumbnails[some] @ thumbnails[members].T >= _CORRELATION)
                found.append(np.stack([some[close[:, 0]], members[close[:, 1]]], axis=1))
    return found
