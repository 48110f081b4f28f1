"""FER-2013 as Kaggle ships it, with the votes of FER+ beside it.

``fer2013.csv`` has the columns emotion, pixels, Usage; ``icml_face_data.csv`` the same with spaces in its header and
another order. Programs that wrote them anew added columns and blank lines, which are passed over. ``fer2013new.csv`` is
FER+ and has one row for each row of the other, in the same order.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import SIZE, FaceDataset
from ferkit.data.labels import FER_EMOTIONS, SPLITS
from ferkit.errors import DataError
from ferkit.sources.fer2013_location import CHALLENGE, find_table
from ferkit.sources.ferplus import read_votes
from ferkit.sources.pixels import PixelError, excerpt, parse_pixels
from ferkit.sources.split_settings import SplitSource

__all__ = ["FERPLUS_FILE", "Fer2013Settings", "load_fer2013", "source_files"]

FERPLUS_FILE = "fer2013new.csv"

_COLUMNS = ("emotion", "pixels", "usage")
_EMOTIONS = {str(index).encode(): index for index in range(len(FER_EMOTIONS))}
_USAGES = {name.lower().encode(): index for index, name in enumerate(SPLITS)}
# Lines are read this many bytes at a time: enough for numpy to be quick, and little beside the pictures themselves.
_CHUNK = 2 << 20
_CUT_SHORT = "if it is the last line, the file was cut short: fetch it again"


class Fer2013Settings(SplitSource):
    """Where FER-2013 and FER+ are.

    Attributes
    ----------
    path
        The folder of ``fer2013.csv`` (or ``icml_face_data.csv``), as `find_table` looks for it, or that file.
    ferplus
        ``auto``: with the votes of ``fer2013new.csv`` if it lies beside it; ``required``: an error if it does not;
        ``off``: without.
    """

    source: Literal["fer2013"] = "fer2013"
    path: Path = Path("data")
    ferplus: Literal["auto", "required", "off"] = "auto"


def source_files(settings: Fer2013Settings) -> list[Path]:
    """The files that `load_fer2013` reads: the pictures, and the votes if they are read.

    Raises
    ------
    DataError
        If one is missing.
    """
    path = settings.path
    pictures = find_table(path)
    beside = [pictures.parent, path]
    if pictures.parent.name == pictures.name:
        beside.append(pictures.parent.parent)
    votes = next((folder / FERPLUS_FILE for folder in beside if (folder / FERPLUS_FILE).is_file()), None)
    if settings.ferplus == "required" and votes is None:
        raise DataError(
            f"{pictures.parent / FERPLUS_FILE}: missing, and data.ferplus is required. Run `ferkit data download "
            f"{pictures.parent}`, or set data.ferplus to off."
        )
    return [pictures] if votes is None or settings.ferplus == "off" else [pictures, votes]


def load_fer2013(settings: Fer2013Settings) -> FaceDataset:
    """Read FER-2013 and, where it is, FER+.

    Raises
    ------
    DataError
        For the first thing that is wrong: file, row, what was expected, what came.
    """
    files = source_files(settings)
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    splits: list[int] = []
    with files[0].open("rb") as file:
        columns, header = _columns(file, files[0])
        for first, numbers, lines in _chunks(file, header):
            places = [f"{files[0]} row {first + index} (line {number})" for index, number in enumerate(numbers)]
            rows = [_fields(line, columns, place) for line, place in zip(lines, places, strict=True)]
            labels += [_emotion(row[0], place) for row, place in zip(rows, places, strict=True)]
            splits += [_split(row[2], place) for row, place in zip(rows, places, strict=True)]
            try:
                images.append(parse_pixels([row[1] for row in rows], SIZE * SIZE))
            except PixelError as error:
                is_last = error.index == len(lines) - 1 and not file.read(1)
                hint = "; it is the last line: if the file was cut short, fetch it again" if is_last else ""
                raise DataError(f"{places[error.index]}: {error}{hint}.") from error
    if not labels:
        raise DataError(f"{files[0]}: no rows after the header, expected 35,887 in the whole of FER-2013.")
    split = np.array(splits, dtype=np.int8)
    return FaceDataset(
        images=np.concatenate(images).reshape(-1, SIZE, SIZE),
        label=np.array(labels, dtype=np.int8),
        split=split,
        row=np.arange(len(labels), dtype=np.int64),
        votes=read_votes(files[1], split) if len(files) > 1 else None,
    )


def _chunks(file: IO[bytes], line: int) -> Iterator[tuple[int, list[int], list[bytes]]]:
    """Some rows at a time: number of the first, number of each one's line, the lines without blank ones.

    `line` is the number of the last one that was read.
    """
    first = 0
    while chunk := file.readlines(_CHUNK):
        numbered = [(number, text) for number, text in enumerate(chunk, line + 1) if text.strip()]
        line += len(chunk)
        if numbered:
            yield first, [number for number, _ in numbered], [text for _, text in numbered]
            first += len(numbered)


def _columns(file: IO[bytes], path: Path) -> tuple[Sequence[str], int]:
    """Names of the columns in lower case, and the number of their line, the first that is not blank."""
    number, header = next(((at, line) for at, line in enumerate(file, 1) if line.strip()), (1, b""))
    names = [
        name.strip().strip('"').strip().lower() for name in header.decode("utf-8-sig", errors="replace").split(",")
    ]
    if any(names.count(name) != 1 for name in _COLUMNS):
        found = header.decode("utf-8", errors="replace").strip()[:80]
        hint = f" ({CHALLENGE})" if {"pixels"} <= set(names) <= {"emotion", "pixels"} else ""
        raise DataError(f"{path}: the header is {found!r}{hint}, expected the columns emotion, pixels, Usage.")
    return names, number


def _fields(line: bytes, columns: Sequence[str], place: str) -> list[bytes]:
    """Emotion, pixels and Usage of a line."""
    parts = line.split(b",")
    if len(parts) != len(columns) and b'"' in line:
        # A comma may stand within quotes, in a column that is not ours.
        with suppress(csv.Error):
            parts = [field.encode() for field in next(csv.reader([line.decode(errors="replace")]))]
    if len(parts) != len(columns):
        expected = f"{len(columns)} as in the header" if len(columns) != len(_COLUMNS) else "emotion, pixels, Usage"
        raise DataError(f"{place}: {len(parts)} fields, expected {expected}; {_CUT_SHORT}.")
    return [parts[columns.index(name)].strip().strip(b'"').strip() for name in _COLUMNS]


def _emotion(field: bytes, place: str) -> int:
    if field in _EMOTIONS:
        return _EMOTIONS[field]
    known = ", ".join(f"{index} {name}" for index, name in enumerate(FER_EMOTIONS))
    raise DataError(f"{place}: unknown emotion {excerpt(field)}, expected one of {known}.")


def _split(field: bytes, place: str) -> int:
    # Also "public_test" and "Private Test".
    name = field.lower().translate(None, b" _-")
    if name in _USAGES:
        return _USAGES[name]
    begins_one = name and any(known.startswith(name) for known in _USAGES)
    hint = f"; {_CUT_SHORT}" if begins_one else ""
    raise DataError(f"{place}: unknown Usage {excerpt(field)}, expected one of {', '.join(SPLITS)}{hint}.")
