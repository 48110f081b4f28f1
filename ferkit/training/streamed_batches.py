"""`StreamedBatches`: the batches of one epoch that are sent one by one, read in threads ahead of the training.

Importing this module imports Keras.
"""

import math
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray

from ferkit.data.picture_blocks import decoding_threads
from ferkit.data.stored_pictures import StoredPictures, picture_shape, with_channels

__all__ = ["StreamedBatches"]

# Pixels of all batches that wait for the training together, unless two batches are more.
_AHEAD_BYTES = 64 * 2**20


class StreamedBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Indices and pixels, or features, of each batch, in the given order; a context, at whose end the threads end.

    It reads ahead by itself: the threads of Keras (3.15, ``workers``) hand out batches twice where the first is looked
    at before the training starts, as under ``tf.distribute``.

    Parameters
    ----------
    images
        All training pictures, in files; or the features (N, F) of each.
    order : (M,) int32
        Index of each example of the epoch.
    batch_size
        Examples in a batch.

    Attributes
    ----------
    failure
        The first error of a thread, which Keras' backends wrap into errors of their own.
    """

    def __init__(self, images: StoredPictures | NDArray[np.float32], order: NDArray[np.int32], batch_size: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._images, self._order, self._batch_size = images, order, batch_size
        threads = decoding_threads()
        batch_bytes = batch_size * math.prod(images.shape[1:]) * images.dtype.itemsize
        self._ahead = int(np.clip(_AHEAD_BYTES // batch_bytes, 2, 4 * threads))
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._waiting: dict[int, Future[tuple[Any, ...]]] = {}
        self._lock = threading.Lock()
        self.failure: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    @property
    def shapes(self) -> tuple[tuple[tuple[int, ...], str], ...]:
        """Shape and type of an example in the two arrays of a batch."""
        images = self._images
        shape = picture_shape(images) if isinstance(images, StoredPictures) else images.shape[1:]
        return ((), "int32"), (shape, str(images.dtype))

    def __len__(self) -> int:
        return math.ceil(len(self._order) / self._batch_size)

    def __getitem__(self, batch: int) -> tuple[Any, ...]:
        with self._lock:
            for each in range(batch, min(batch + 1 + self._ahead, len(self))):
                if each not in self._waiting:
                    self._waiting[each] = self._pool.submit(self._decode, each)
            decoded = self._waiting.pop(batch)
        try:
            return decoded.result()
        except Exception as error:
            self.failure = self.failure or error
            raise

    def _decode(self, batch: int) -> tuple[Any, ...]:
        at = self._order[batch * self._batch_size : (batch + 1) * self._batch_size]
        return ((at, with_channels(np.asarray(self._images[at]))),)
