"""Arrays of an immutable dataclass: checked once, read-only from then on."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ferkit.errors import DataError

__all__ = ["freeze_arrays"]


def freeze_arrays(
    owner: Any, expected: Mapping[str, tuple[tuple[int, ...], type]], *, optional: tuple[str, ...] = ()
) -> None:
    """Replace the arrays of `owner` by read-only views; the caller's own arrays can still be written.

    Parameters
    ----------
    owner
        A frozen dataclass, from its ``__post_init__``.
    expected
        Shape and type of each array, by its field.
    optional
        Fields that may be None.

    Raises
    ------
    DataError
        If an array has another shape or type.
    """
    for name, (shape, dtype) in expected.items():
        array = getattr(owner, name)
        if array is None and name in optional:
            continue
        if array.shape != shape or array.dtype != dtype:
            raise DataError(
                f"{type(owner).__name__}.{name} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}."
            )
        if not isinstance(array, np.ndarray):
            # Pictures in files: they are immutable themselves.
            continue
        view = array.view()
        view.flags.writeable = False
        object.__setattr__(owner, name, view)
