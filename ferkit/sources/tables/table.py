"""Tables of pictures, as people with data of their own write them: a column of files, one of labels, and what else."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FERPLUS_VOTES, SPLITS
from ferkit.errors import DataError
from ferkit.file_hashes import Sha256, file_sha256
from ferkit.settings import Settings
from ferkit.sources.picture_list import PictureList
from ferkit.sources.picture_reading import files_fingerprint, read_listed
from ferkit.sources.picture_settings import PictureSettings
from ferkit.sources.split_names import KNOWN_SPLITS, split_index
from ferkit.sources.tables.columns import find_box, find_column

__all__ = ["ColumnSettings", "TableSettings", "list_table", "read_table", "table_fingerprint"]

_LOG = logging.getLogger(__name__)

_TABS = (".tsv", ".tab")
_MOST_VOTES = 255


class ColumnSettings(Settings):
    """Names of a table's columns; one that is not named is found by the names that people usually give it.

    Attributes
    ----------
    file, label
        The picture's file, and its class or the number of it.
    split, subject, weight
        Where there are any: train, validation or test; who is in the picture; how much it counts in the loss.
    box
        Four columns with the place of the face in pixels: left, top, width, height.
    """

    file: str | None = None
    label: str | None = None
    split: str | None = None
    subject: str | None = None
    weight: str | None = None
    box: tuple[str, str, str, str] | None = None


class TableSettings(PictureSettings):
    """A CSV or parquet file with a line a picture.

    Attributes
    ----------
    path
        The table: ``.csv``, ``.tsv`` or ``.parquet``.
    root
        The folder that the names of files are relative to; that of the table if not given.
    columns
        What its columns are called.
    """

    source: Literal["table"] = "table"
    path: Path
    root: Path | None = None
    columns: ColumnSettings = ColumnSettings()

    @property
    def folder(self) -> Path:
        """The folder that the names of files are relative to."""
        return self.path.parent if self.root is None else self.root


def read_table(settings: TableSettings) -> tuple[FaceDataset, pd.DataFrame]:
    """Read the pictures.

    Returns
    -------
    FaceDataset
        As `ferkit.sources.picture_reading.read_listed`. ``row`` is that of the table, header not counted.
    DataFrame
        Pictures that are damaged or not there, which are left out: row, file and reason.

    Raises
    ------
    DataError
        If the table cannot be read, lacks a column or holds what cannot be understood, or too many pictures are no
        pictures.
    """
    listed = list_table(settings)
    there = np.array([path.is_file() for path in listed.files], dtype=np.bool_)
    missing = _table_of_missing(listed, ~there, settings)
    faces, damaged = read_listed(listed.take(np.flatnonzero(there)), settings, settings.folder)
    return faces, pd.concat([missing, damaged], ignore_index=True) if len(missing) else damaged


def _table_of_missing(listed: PictureList, missing: NDArray[np.bool_], settings: TableSettings) -> pd.DataFrame:
    at = np.flatnonzero(missing)
    files = [str(listed.files[index]) for index in at.tolist()]
    limit = max(1, int(settings.maximum_damaged * len(listed))) if settings.maximum_damaged else 0
    if len(at) > limit or len(at) == len(listed):
        raise DataError(
            f"{settings.path}: {len(at):,} of {len(listed):,} files are not there, expected at most {limit:,}; the "
            f"first is {files[0]}: is data.root the folder that the names are relative to?"
        )
    for file in files[:5]:
        _LOG.warning("left out: %s: no such file", file)
    return pd.DataFrame({"row": listed.row[at], "file": files, "reason": [f"{file}: no such file" for file in files]})


def list_table(settings: TableSettings) -> PictureList:
    """What the table says, before any picture is looked at.

    Raises
    ------
    DataError
        As `read_table` does of the table.
    """
    table, named = _content(settings.path), settings.columns
    if not len(table):
        raise DataError(f"{settings.path}: no line under its header, expected one a picture.")
    names = [str(name) for name in table.columns]

    def column(kind: str, wanted: str | None, *, needed: bool = False) -> str | None:
        return find_column(names, kind, wanted, settings.path, needed=needed)

    file, label = (column(kind, getattr(named, kind), needed=True) for kind in ("file", "label"))
    split, subject, weight = (column(kind, getattr(named, kind)) for kind in ("split", "subject", "weight"))
    files = [settings.folder / name for name in _texts(table, file, settings.path)]
    splits = np.zeros(len(table), np.int8) if split is None else _splits(_texts(table, split, settings.path), settings)
    return PictureList.of(
        files,
        _labels(table, label, settings.path),
        splits.tolist(),
        settings.labels,
        subject=None if subject is None else _subjects(table[subject]),
        weight=None if weight is None else _weights(table[weight], settings.path),
        box=_boxes(table, find_box(names, named.box, settings.path), settings.path),
        votes=_votes(table, names, settings.path),
    )


def _content(path: Path) -> pd.DataFrame:
    """The table, of CSV as text."""
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        separator = "\t" if path.suffix.lower() in _TABS else ","
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, skipinitialspace=True)
    except FileNotFoundError:
        raise DataError(f"{path}: no such table.") from None
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: no table that can be read ({' '.join(str(error).split())}).") from error
    # pandas takes what every line has in front of the header's columns for an index, and shifts the rest.
    if not isinstance(table.index, pd.RangeIndex):
        raise DataError(f"{path}: the lines have more fields than the header.")
    return table


def _texts(table: pd.DataFrame, column: str | None, path: Path) -> list[str]:
    """The values of a column that must not be empty."""
    values = table[column]
    texts = ["" if pd.isna(value) else str(value).strip() for value in values.tolist()]
    if "" in texts:
        row = texts.index("")
        raise DataError(f"{path} row {row} (line {row + 2}): nothing in column {column!r}.")
    return texts


def _labels(table: pd.DataFrame, column: str | None, path: Path) -> list[str]:
    """Names of classes; whole numbers that were written as 3.0 are 3."""
    return [name.removesuffix(".0") if name[:-2].isdecimal() else name for name in _texts(table, column, path)]


def _splits(names: Sequence[str], settings: TableSettings) -> NDArray[np.int8]:
    index = {name: split_index(name) for name in dict.fromkeys(names)}
    for row, name in enumerate(names):
        if index[name] is None:
            raise DataError(f"{settings.path} row {row} (line {row + 2}): split {name!r}, expected {KNOWN_SPLITS}.")
    found = np.array([index[name] for name in names], dtype=np.int8)
    if not (found == SPLITS.index("Training")).any():
        raise DataError(f"{settings.path}: no picture for training; its splits are {', '.join(index)}.")
    return found


def _subjects(values: "pd.Series[Any]") -> NDArray[np.object_]:
    return np.array([None if pd.isna(value) or value == "" else str(value) for value in values], dtype=object)


def _numbers(values: "pd.Series[Any]", path: Path, what: str, low: float, high: float) -> NDArray[np.float64]:
    """A column of numbers from `low` to `high`."""
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~((numbers >= low) & (numbers <= high))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        found = values.iloc[row]
        raise DataError(f"{path} row {row} (line {row + 2}): {what} {found!r}, expected {low:g} to {high:g}.")
    return np.asarray(numbers)


def _weights(values: "pd.Series[Any]", path: Path) -> NDArray[np.float32]:
    return _numbers(values, path, "weight", 0, 1e6).astype(np.float32)


def _boxes(table: pd.DataFrame, box: tuple[tuple[str, ...], bool] | None, path: Path) -> NDArray[np.int32] | None:
    if box is None:
        return None
    names, has_corners = box
    numbers = np.stack([_numbers(table[name], path, f"{name} of a box", -1e6, 1e6) for name in names], axis=1)
    if has_corners:
        numbers[:, 2:] -= numbers[:, :2]
    return np.rint(numbers).astype(np.int32)


def _votes(table: pd.DataFrame, names: Sequence[str], path: Path) -> NDArray[np.uint8] | None:
    """FER+ votes, if there is a column for each of them."""
    of_name = {name.strip().lower(): name for name in names}
    if any(each.lower() not in of_name for each in FERPLUS_VOTES):
        return None
    columns = [_numbers(table[of_name[each.lower()]], path, f"{each} votes", 0, _MOST_VOTES) for each in FERPLUS_VOTES]
    return np.stack(columns, axis=1).astype(np.uint8)


def table_fingerprint(settings: TableSettings, sha256: Sha256 = file_sha256) -> str:
    """sha256 of the settings, the table, and the name and content of every picture that is there, in hexadecimal."""
    listed = list_table(settings)
    # Where the data lies decides nothing.
    plain = settings.model_copy(update={"path": Path(settings.path.name), "root": None, "labels": {}})
    digest = hashlib.sha256(plain.model_dump_json().encode() + settings.younger_settings())
    digest.update(bytes.fromhex(sha256(settings.path)))
    present = replace(listed, files=[path for path in listed.files if path.is_file()]).files
    files_fingerprint(digest, present, settings.folder, sha256)
    return digest.hexdigest()
