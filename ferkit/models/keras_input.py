"""Arrays and batches as Keras' `fit` and `predict` take them, without TensorFlow's tuning of pipelines."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Batches", "array_input", "batch_input"]


class Batches(Protocol):
    """A sequence of batches, each found by its number, such as a `keras.utils.PyDataset`."""

    def __len__(self) -> int: ...

    def __getitem__(self, batch: int) -> tuple[Any, ...]: ...


def array_input(array: NDArray[Any], batch_size: int) -> dict[str, Any]:
    """Arguments of `fit` and `predict` for `array` (N, ...), in its order."""
    if not _is_tensorflow():
        return {"x": array, "batch_size": batch_size}
    import tensorflow as tf

    def batch(start: Any) -> Any:
        return tensor[start : start + batch_size]

    with tf.device("CPU"):
        tensor = tf.constant(array)
        starts = tf.data.Dataset.range(0, len(array), batch_size)
        return {"x": _untuned(starts.map(batch, num_parallel_calls=1).prefetch(2))}


def batch_input(batches: Batches, shapes: Iterable[tuple[tuple[int, ...], Any]]) -> dict[str, Any]:
    """Arguments of `fit` for `batches`, each a tuple of a tuple of arrays.

    Parameters
    ----------
    batches
        Each is read once, in order.
    shapes
        Shape of one example and dtype of each of the arrays.
    """
    if not _is_tensorflow():
        return {"x": batches}
    import tensorflow as tf

    def every() -> Iterator[tuple[Any, ...]]:
        for batch in range(len(batches)):
            yield batches[batch]

    signature = tuple(tf.TensorSpec((None, *shape), np.dtype(kind)) for shape, kind in shapes)
    made = tf.data.Dataset.from_generator(every, output_signature=(signature,))
    return {"x": _untuned(made.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(1))}


def _is_tensorflow() -> bool:
    import keras

    return bool(keras.backend.backend() == "tensorflow")


def _untuned(dataset: Any) -> Any:
    """`dataset` without the thread that tunes it.

    TensorFlow 2.21 wakes that thread before it says that the iterator is gone: whoever ends `fit` or `predict` often
    waits until the thread looks again, which it does after as long as the iterator lived, or a minute.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
