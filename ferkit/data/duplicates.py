"""Pictures that occur more than once, byte for byte."""

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import SPLITS, Split
from ferkit.data.stored_pictures import StoredPictures

__all__ = ["cross_split_duplicates", "duplicate_groups"]


def duplicate_groups(faces: FaceDataset) -> NDArray[np.int64]:
    """(N,) int64: the index of the first picture with the same pixels; its own for a picture that occurs once."""
    images = faces.images
    # The same hashes, an eighth as large as text: there may be hundreds of thousands.
    known = images.digest.view("V32")[:, 0] if isinstance(images, StoredPictures) else faces.picture_hashes()
    _, first, inverse = np.unique(known, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], dtype=np.int64)


def cross_split_duplicates(faces: FaceDataset, split: Split) -> NDArray[np.bool_]:
    """Which pictures of `split` also occur in another split.

    Returns
    -------
    (pictures of `split`,) bool
        In the order of ``faces.of_split(split)``.
    """
    group = duplicate_groups(faces)
    inside = faces.split == SPLITS.index(split)
    return np.isin(group[inside], group[~inside])
