"""Damaged pictures of a source: a few are put aside with their reasons, many stop the run."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.data.file_names import readable
from ferkit.errors import DamagedPictureError, DataError

__all__ = ["Damage"]

_LOG = logging.getLogger(__name__)

# Reasons that the log has one by one.
_LOGGED = 5


@dataclass
class Damage:
    """Which pictures of a source could not be decoded.

    Attributes
    ----------
    reasons
        By the index of the picture. Threads may add to it.
    """

    reasons: dict[int, DamagedPictureError] = field(default_factory=dict)

    def add(self, index: int, error: DamagedPictureError) -> None:
        """Put a picture aside."""
        self.reasons[index] = error

    def whole(self, count: int, most: float, source: Path) -> NDArray[np.int64]:
        """Indices of the pictures that are not damaged, in order.

        Parameters
        ----------
        count
            Of all pictures.
        most
            Largest share that may be damaged; one always may, unless this is 0.
        source
            For messages.

        Raises
        ------
        DataError
            If more are damaged, or all.
        """
        if not self.reasons:
            return np.arange(count)
        self.require_few(count, most, source)
        for index in sorted(self.reasons)[:_LOGGED]:
            _LOG.warning("quarantined: %s", readable(str(self.reasons[index])))
        if (more := len(self.reasons) - _LOGGED) > 0:
            _LOG.warning("quarantined: %d more damaged pictures of %s", more, source)
        return np.setdiff1d(np.arange(count), list(self.reasons))

    def require_few(self, count: int, most: float, source: Path) -> None:
        """Raise a `DataError` if more are damaged than `whole` allows, or all."""
        damaged = len(self.reasons)
        limit = max(1, int(most * count)) if most else 0
        if damaged <= limit and damaged < count:
            return
        first = self.reasons[min(self.reasons)]
        if damaged == 1:
            raise DataError(str(first))
        raise DataError(
            f"{source}: {damaged:,} of {count:,} pictures are damaged, expected at most {limit:,}: raise "
            f"maximum_damaged, or mend the data. The first: {first}"
        )

    def table(self, files: Mapping[int, str], row: NDArray[np.int64] | None = None) -> pd.DataFrame:
        """One line a damaged picture: row, file and reason.

        Parameters
        ----------
        files
            Which file each damaged picture lies in, by its index.
        row
            Of all pictures; None if that is their index.
        """
        indices = sorted(self.reasons)
        return pd.DataFrame(
            {
                "row": np.array(indices if row is None else row[indices], dtype=np.int64),
                "file": np.array([readable(files[index]) for index in indices], dtype=object),
                "reason": np.array([readable(str(self.reasons[index])) for index in indices], dtype=object),
            }
        )
