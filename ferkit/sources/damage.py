"""Damaged pictures of a source: a few are put aside with their reasons, many stop the run."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.data.file_names import readable
from ferkit.errors import DamagedPictureError, DataError

__all__ = ["Damage"]

_LOG = logging.getLogger(__name__)

# Reasons that the log tells one by one.
_TOLD = 5


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
        first, damaged = self.reasons[min(self.reasons)], len(self.reasons)
        limit = max(1, int(most * count)) if most else 0
        if damaged > limit or damaged == count:
            if damaged == 1:
                raise DataError(str(first))
            raise DataError(
                f"{source}: {damaged:,} of {count:,} pictures are damaged, expected at most {limit:,}: raise "
                f"data.maximum_damaged, or mend the data. The first: {first}"
            )
        for index in sorted(self.reasons)[:_TOLD]:
            _LOG.warning("quarantined: %s", readable(str(self.reasons[index])))
        if damaged > _TOLD:
            _LOG.warning("quarantined: %d more damaged pictures of %s", damaged - _TOLD, source)
        return np.setdiff1d(np.arange(count), list(self.reasons))

    def table(self, files: Sequence[Path]) -> pd.DataFrame:
        """One line a damaged picture: row, file and reason."""
        rows = sorted(self.reasons)
        return pd.DataFrame(
            {
                "row": np.array(rows, dtype=np.int64),
                "file": np.array([readable(str(files[row])) for row in rows], dtype=object),
                "reason": np.array([readable(str(self.reasons[row])) for row in rows], dtype=object),
            }
        )
