"""Going over pictures in files a block at a time, decoded in threads while the block before is worked on."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ferkit.data.prefetch import read_ahead
from ferkit.data.stored_pictures import Images, StoredPictures, hashes_and_ranges
from ferkit.errors import DamagedPictureError

__all__ = ["BLOCK_BYTES", "blocks", "decoding_threads", "examined"]

_LOG = logging.getLogger(__name__)

# Pixels of one block; two more may be decoded ahead. Of 224x224 RGB pictures these are 111, of 48x48 grey ones 7,281.
BLOCK_BYTES = 16 * 2**20

# Pictures that one thread decodes at a time.
_PIECE = 32

_PROGRESS_SECONDS = 20.0

OnDamaged = Callable[[int, DamagedPictureError], None]


def blocks(images: Images, on_damaged: OnDamaged | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The pixels of all pictures in order: the index of a block's first picture, and the block.

    Pictures in memory are one block.

    Parameters
    ----------
    on_damaged
        Called in some thread with the index of a picture that cannot be decoded, and why; its pixels are then zeros.
        Without, the first such picture raises that error.

    Raises
    ------
    DataError
        If a file is gone or was changed.
    DamagedPictureError
        If it holds no picture, and `on_damaged` is None.
    """
    if not isinstance(images, StoredPictures):
        yield 0, images
        return
    count = max(1, BLOCK_BYTES // int(np.prod(images.shape[1:])))
    with ThreadPoolExecutor(decoding_threads(), thread_name_prefix="decode") as pool:

        def decode(start: int) -> tuple[int, NDArray[np.uint8]]:
            places = range(start, min(start + count, len(images)), _PIECE)
            ends = [min(place + _PIECE, start + count) for place in places]
            pieces = pool.map(lambda place, end: _pixels(images[place:end], place, on_damaged), places, ends)
            return start, np.concatenate(list(pieces))

        yield from read_ahead(range(0, len(images), count), decode, lambda _block: 1, 1)


def _pixels(pictures: StoredPictures, first: int, on_damaged: OnDamaged | None) -> NDArray[np.uint8]:
    """The pixels of a few pictures; `first` is the index of the first one among all."""
    if on_damaged is None:
        return np.asarray(pictures)
    pixels = np.zeros(pictures.shape, dtype=np.uint8)
    for at in range(len(pictures)):
        try:
            pixels[at] = np.asarray(pictures[at : at + 1])[0]
        except DamagedPictureError as error:
            on_damaged(first + at, error)
    return pixels


def examined(pictures: StoredPictures, on_damaged: OnDamaged | None = None) -> StoredPictures:
    """The same pictures with digest, darkest and brightest value: each is read once, so that a broken one is found.

    `on_damaged` is as that of `blocks`, and so are the errors.
    """
    digest, darkest, brightest = (array.copy() for array in (pictures.digest, pictures.darkest, pictures.brightest))
    spoke = time.monotonic()
    for start, block in blocks(pictures, on_damaged):
        at = slice(start, start + len(block))
        digest[at], darkest[at], brightest[at] = hashes_and_ranges(block)
        if time.monotonic() - spoke >= _PROGRESS_SECONDS:
            spoke = time.monotonic()
            _LOG.info("read %s of %s pictures", f"{at.stop:,}", f"{len(pictures):,}")
    return replace(pictures, digest=digest, darkest=darkest, brightest=brightest)


def decoding_threads() -> int:
    """Threads that decode pictures: the cores that this process may use, at most 16."""
    return min(16, len(os.sched_getaffinity(0)))
