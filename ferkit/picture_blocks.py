"""Going over pictures in files a block at a time, decoded in threads while the block before is worked on."""

import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ferkit.read_ahead import read_ahead
from ferkit.stored_pictures import Images, StoredPictures, picture_facts

__all__ = ["BLOCK_BYTES", "blocks", "decoding_threads", "examined"]

_LOG = logging.getLogger(__name__)

# Pixels of one block; two more may be decoded ahead. Of 224x224 RGB pictures these are 111, of 48x48 grey ones 7,281.
BLOCK_BYTES = 16 * 2**20

# Pictures that one thread decodes at a time.
_PIECE = 32

_PROGRESS_SECONDS = 20.0


def blocks(images: Images) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The pixels of all pictures in order: the index of a block's first picture, and the block.

    Pictures in memory are one block.

    Raises
    ------
    DataError
        If a file is gone, was changed, or holds no picture.
    """
    if not isinstance(images, StoredPictures):
        yield 0, images
        return
    count = max(1, BLOCK_BYTES // int(np.prod(images.shape[1:])))
    with ThreadPoolExecutor(decoding_threads(), thread_name_prefix="decode") as pool:

        def decode(start: int) -> tuple[int, NDArray[np.uint8]]:
            block = images[start : start + count]
            pieces = [block[at : at + _PIECE] for at in range(0, len(block), _PIECE)]
            return start, np.concatenate(list(pool.map(np.asarray, pieces)))

        yield from read_ahead(range(0, len(images), count), decode, lambda _block: 1, 1)


def examined(pictures: StoredPictures) -> StoredPictures:
    """The same pictures with digest, darkest and brightest value: each is read once, so that a broken one is found.

    Raises
    ------
    DataError
        As `blocks` does.
    """
    digest, darkest, brightest = (array.copy() for array in (pictures.digest, pictures.darkest, pictures.brightest))
    spoke = time.monotonic()
    for start, block in blocks(pictures):
        at = slice(start, start + len(block))
        digest[at], darkest[at], brightest[at] = picture_facts(block)
        if time.monotonic() - spoke >= _PROGRESS_SECONDS:
            spoke = time.monotonic()
            _LOG.info("read %s of %s pictures", f"{at.stop:,}", f"{len(pictures):,}")
    return replace(pictures, digest=digest, darkest=darkest, brightest=brightest)


def decoding_threads() -> int:
    """Threads that decode pictures: the cores that this process may use, at most 16."""
    return min(16, len(os.sched_getaffinity(0)))
