"""FER-2013 as Kaggle ships it, with the votes of FER+ beside it.

``fer2013.csv`` has the columns emotion, pixels, Usage; ``icml_face_data.csv`` the same with spaces in its header and
another order. ``fer2013new.csv`` is FER+ and has one line for each line of the other, in the same order.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ferkit.dataset import SIZE, FaceDataset
from ferkit.errors import DataError
from ferkit.labels import FER_EMOTIONS, SPLITS
from ferkit.settings import Settings
from ferkit.sources.ferplus import read_votes
from ferkit.sources.pixels import PixelError, excerpt, parse_pixels

__all__ = ["FERPLUS_FILE", "Fer2013Settings", "load_fer2013", "source_files"]

FILES = ("fer2013.csv", "icml_face_data.csv")
FERPLUS_FILE = "fer2013new.csv"

_COLUMNS = ("emotion", "pixels", "usage")
_EMOTIONS = {str(index).encode(): index for index in range(len(FER_EMOTIONS))}
_USAGES = {name.encode(): index for index, name in enumerate(SPLITS)}
# Lines are read this many bytes at a time: enough for numpy to be quick, and little beside the pictures themselves.
_CHUNK = 2 << 20
_CUT_SHORT = "if it is the last line, the file was cut short: fetch it again"


class Fer2013Settings(Settings):
    """Where FER-2013 and FER+ are.

    Attributes
    ----------
    path
        The folder of ``fer2013.csv`` (or ``icml_face_data.csv``), or that file.
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
    candidates = [path] if path.is_file() else [folder / name for folder in (path, path / "fer2013") for name in FILES]
    pictures = next((each for each in candidates if each.is_file()), None)
    if pictures is None:
        is_file = path.suffix.lower() == ".csv"
        problem = "no such file" if is_file else f"no {' or '.join(FILES)} there"
        raise DataError(
            f"{path}: {problem}. Run `ferkit data download {path.parent if is_file else path}`, or name their folder: "
            "--set data.path=FOLDER."
        )
    votes = next((each for each in (pictures.parent / FERPLUS_FILE, path / FERPLUS_FILE) if each.is_file()), None)
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
        order = _column_order(file.readline(), files[0])
        for first, lines in _chunks(file):
            rows = [_fields(line, order, files[0], first + index) for index, line in enumerate(lines)]
            labels += [_emotion(row[0], files[0], first + index) for index, row in enumerate(rows)]
            splits += [_split(row[2], files[0], first + index) for index, row in enumerate(rows)]
            try:
                images.append(parse_pixels([row[1] for row in rows], SIZE * SIZE))
            except PixelError as error:
                is_last = error.index == len(lines) - 1 and not file.read(1)
                hint = "; it is the last line: if the file was cut short, fetch it again" if is_last else ""
                raise DataError(f"{_place(files[0], first + error.index)}: {error}{hint}.") from error
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


def _chunks(file: "Iterator[bytes]") -> Iterator[tuple[int, list[bytes]]]:
    """Number of the first row, and some lines without their ends; blank lines at the end of the file are left out."""
    first, blank = 0, 0
    while lines := [line.rstrip(b"\r\n") for line in file.readlines(_CHUNK)]:  # type: ignore[attr-defined]
        kept = len(lines)
        while kept and not lines[kept - 1].strip():
            kept -= 1
        if kept and blank:
            lines, kept, blank = [b""] * blank + lines, kept + blank, 0
        blank += len(lines) - kept
        yield first, lines[:kept]
        first += kept


def _column_order(header: bytes, path: Path) -> list[int]:
    names = [
        name.strip().strip('"').strip().lower() for name in header.decode("utf-8-sig", errors="replace").split(",")
    ]
    if sorted(names) != sorted(_COLUMNS):
        found = header.decode("utf-8", errors="replace").strip()[:80]
        raise DataError(f"{path}: the header is {found!r}, expected the columns emotion, pixels, Usage.")
    return [names.index(name) for name in _COLUMNS]


def _fields(line: bytes, order: list[int], path: Path, row: int) -> list[bytes]:
    """Emotion, pixels and Usage of a line."""
    parts = line.split(b",")
    if len(parts) != len(order):
        raise DataError(f"{_place(path, row)}: {len(parts)} fields, expected emotion, pixels, Usage; {_CUT_SHORT}.")
    return [parts[at].strip().strip(b'"') for at in order]


def _emotion(field: bytes, path: Path, row: int) -> int:
    if field in _EMOTIONS:
        return _EMOTIONS[field]
    known = ", ".join(f"{index} {name}" for index, name in enumerate(FER_EMOTIONS))
    raise DataError(f"{_place(path, row)}: unknown emotion {excerpt(field)}, expected one of {known}.")


def _split(field: bytes, path: Path, row: int) -> int:
    if field in _USAGES:
        return _USAGES[field]
    begins_one = field and any(name.startswith(field) for name in _USAGES)
    hint = f"; {_CUT_SHORT}" if begins_one else ""
    raise DataError(f"{_place(path, row)}: unknown Usage {excerpt(field)}, expected one of {', '.join(SPLITS)}{hint}.")


def _place(path: Path, row: int) -> str:
    return f"{path} row {row} (line {row + 2})"
