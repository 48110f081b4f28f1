"""`StreamedBatches`: the batches of one epoch over pictures in files, decoded in threads ahead of the training.

Importing this module imports Keras.
"""

import math
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ferkit.picture_blocks import decoding_threads
from ferkit.stored_pictures import StoredPictures, picture_shape, with_channels

__all__ = ["StreamedBatches"]

# Pixels of all batches that wait for the training together, unless two batches are more.
_AHEAD_BYTES = 64 * 2**20


class StreamedBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Indices and pixels of each batch, in the given order.

    Parameters
    ----------
    images
        All training pictures.
    order : (M,) int32
        Index of each example of the epoch.
    batch_size
        Examples in a batch.
    """

    def __init__(self, images: StoredPictures, order: NDArray[np.int32], batch_size: int) -> None:
        batch_bytes = batch_size * int(np.prod(picture_shape(images)))
        threads = decoding_threads()
        ahead = int(np.clip(_AHEAD_BYTES // batch_bytes, 2, 4 * threads))
        super().__init__(workers=threads, use_multiprocessing=False, max_queue_size=ahead)
        self._images, self._order, self._batch_size = images, order, batch_size
        self.failure: Exception | None = None

    def __len__(self) -> int:
        return math.ceil(len(self._order) / self._batch_size)

    def __getitem__(self, batch: int) -> tuple[Any, ...]:
        at = self._order[batch * self._batch_size : (batch + 1) * self._batch_size]
        try:
            pixels = np.asarray(self._images[at])
        except Exception as error:
            self.failure = self.failure or error
            raise
        return ((at, with_channels(pixels)),)
