"""FER+ as folders of pictures: ``FER2013Train``, ``FER2013Valid``, ``FER2013Test``, as its authors' script writes them.

Each has a ``label.csv`` without a header: name of the picture, box, and the votes in the order of
`ferkit.data.labels.FERPLUS_VOTES` (microsoft/FERPlus, src/generate_training_data.py). The labels are those votes: the
target ``ferplus`` makes its own of them, and the class of a picture here is the emotion with the most.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ferkit.data.labels import FERPLUS_EMOTIONS, FERPLUS_VOTES
from ferkit.errors import DataError
from ferkit.sources.published.found import Found
from ferkit.sources.split_names import split_index

__all__ = ["ferplus_folders"]

_TAGGERS = 10
_COLUMNS = ("name", "box", *FERPLUS_VOTES)


def ferplus_folders(root: Path) -> Found:
    """Its pictures with their votes.

    Raises
    ------
    DataError
        If there is no ``label.csv`` in a folder of a split, it has other columns, or a picture is missing.
    """
    tables = sorted(path for path in root.rglob("label.csv") if split_index(path.parent.name) is not None)
    if not tables:
        raise DataError(
            f"{root}: no FER2013Train/label.csv, as microsoft/FERPlus's generate_training_data.py writes it."
        )
    found, votes = Found(), []
    for path in tables:
        table = _content(path)
        counts = table[list(FERPLUS_VOTES)].to_numpy(dtype=np.uint8)
        votes.append(counts)
        split = split_index(path.parent.name) or 0
        for name, emotion in zip(table["name"], counts[:, : len(FERPLUS_EMOTIONS)].argmax(axis=1), strict=True):
            found.append(path.parent / name, FERPLUS_EMOTIONS[emotion], split)
    found.votes = np.concatenate(votes)
    return found


def _content(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, header=None, names=_COLUMNS, index_col=False)
        votes = table[list(FERPLUS_VOTES)].apply(pd.to_numeric, errors="coerce")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: no table of votes ({' '.join(str(error).split())}).") from error
    wrong = ~((votes >= 0) & (votes <= _TAGGERS)).all(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"{path} line {row + 1}: expected a name, a box and {len(FERPLUS_VOTES)} votes 0..{_TAGGERS}.")
    for name in table["name"]:
        if not (path.parent / str(name)).is_file():
            raise DataError(f"{path}: names {name}, which is not there; run the script again.")
    return table.assign(**{column: votes[column] for column in votes})
