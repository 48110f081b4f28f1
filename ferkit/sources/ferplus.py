"""The votes of FER+, joined to FER-2013 by row."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.data.labels import FERPLUS_VOTES, SPLITS
from ferkit.errors import DataError
from ferkit.sources.pixels import excerpt

__all__ = ["read_votes"]

_TAGGERS = 10


def read_votes(path: Path, split: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Read ``fer2013new.csv``.

    Parameters
    ----------
    split : (N,) int8
        Split of each row of FER-2013: FER+'s Usage column has to say the same.

    Returns
    -------
    (N, 10) uint8
        Votes in the order of `ferkit.data.labels.FERPLUS_VOTES`, also those of rows without an image name.

    Raises
    ------
    DataError
        If a column is missing, there are more or fewer rows, a Usage differs, or votes are no numbers 0..10.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: no CSV with FER+ votes ({' '.join(str(error).split())}).") from error
    columns = {name.strip().lower(): name for name in table.columns}
    missing = [name for name in ("Usage", *FERPLUS_VOTES) if name.lower() not in columns]
    if missing:
        found = excerpt(",".join(table.columns))
        raise DataError(f"{path}: columns {', '.join(missing)} are missing; the header is {found}.")
    # pandas takes what every row has in front of the header's columns for an index, and shifts the rest.
    if not isinstance(table.index, pd.RangeIndex):
        raise DataError(f"{path}: the rows have more fields than the header; fetch the file again.")
    if len(table) != len(split):
        raise DataError(
            f"{path}: {len(table):,} rows, expected {len(split):,}, one for each row of FER-2013; one of the files was "
            "cut short or filtered: fetch both again."
        )
    usage = table[columns["usage"]].str.strip().to_numpy()
    expected = np.array(SPLITS)[split]
    if (usage != expected).any():
        row = int(np.flatnonzero(usage != expected)[0])
        raise DataError(
            f"{path} row {row} (line {row + 2}): Usage {excerpt(usage[row])}, but FER-2013 has {expected[row]} there: "
            "the files are not in the same order."
        )
    text = table[[columns[name.lower()] for name in FERPLUS_VOTES]]
    votes = text.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~((votes >= 0) & (votes <= _TAGGERS) & (votes == np.floor(votes)))
    if wrong.any():
        row, column = (int(each) for each in np.argwhere(wrong)[0])
        found = excerpt(str(text.iloc[row, column]))
        raise DataError(
            f"{path} row {row} (line {row + 2}): {FERPLUS_VOTES[column]} has {found} votes, "
            f"expected a number 0..{_TAGGERS}."
        )
    return np.asarray(votes, dtype=np.uint8)
