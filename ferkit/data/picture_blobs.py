"""Pictures that lie behind each other in files of a cache, which nothing but these files is needed to find again."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkit.data.stored_pictures import Colour, PictureFiles, StoredPictures

__all__ = ["stored_in_blobs"]


def stored_in_blobs(
    root: Path, names: Sequence[str], lengths: Sequence[NDArray[np.int64]], side: int, colour: Colour
) -> StoredPictures:
    """Encoded pictures in some files, each behind the one before; nothing of them was decoded yet.

    Parameters
    ----------
    root, names
        The folder, and the names of the files in it.
    lengths
        Bytes of each picture, of each file; 0 stands for a picture that is not there.
    side, colour
        What the pictures are made when they are read.
    """
    files = PictureFiles(root, tuple(names), tuple((root / name).stat().st_size for name in names))
    number = np.repeat(np.arange(len(lengths)), [len(each) for each in lengths])
    offset = np.concatenate([np.cumsum(each) - each for each in lengths])
    return StoredPictures.unread(files, side, colour, number, offset, np.concatenate(lengths))
