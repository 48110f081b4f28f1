"""What a person names to be read, as one list of pictures and videos: files, folders, and lists of them."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ferkit.data.folder_search import find_files
from ferkit.data.picture_files import SUFFIXES
from ferkit.errors import DataError
from ferkit.inference.video import VIDEO_SUFFIXES

__all__ = ["Source", "SourceList", "list_sources", "read_list"]

# The column of a table that holds the paths; `ferkit predict` writes one of that name.
_COLUMN = "file"


@dataclass(frozen=True)
class Source:
    """A picture file or a video file that is to be read.

    Attributes
    ----------
    name
        As the user named it, or as it lies in the folder that the user named.
    problem
        Why there is nothing to read, as of a folder without pictures; None for a file.
    """

    name: str
    problem: str | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.name)

    @property
    def is_video(self) -> bool:
        """Whether the file's suffix is that of a video."""
        return self.path.suffix.lower() in VIDEO_SUFFIXES


@dataclass
class SourceList:
    """The files to read, and how many of their folders' files are left out.

    Attributes
    ----------
    sources
        In the order in which they were named; those of a folder sorted.
    passed_over
        How many files and folders of the folders that were named are left out, by reason.
    """

    sources: list[Source] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)


def list_sources(names: Iterable[str]) -> SourceList:
    """Pictures and videos, and those of folders, in the order in which they are named; no file is opened."""
    listed = SourceList()
    for name in names:
        if Path(name).is_dir():
            _add_folder(listed, name)
        else:
            listed.sources.append(Source(name))
    return listed


def read_list(path: Path) -> list[str]:
    """The paths in a text file, one a line, or in the column ``file`` of a table (.csv); each once.

    They are relative to the current folder, as if they had been typed.

    Raises
    ------
    DataError
        If the file cannot be read, names nothing, or is a table without that column.
    """
    try:
        # With or without the mark that Excel puts first.
        with path.open(encoding="utf-8-sig", newline="") as file:
            found = list(dict.fromkeys(_of_table(path, file) if path.suffix.lower() == ".csv" else _of_lines(file)))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file, expected a list of pictures.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}), expected a list of pictures.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a list of pictures, expected text in UTF-8 with one path a line.") from error
    if not found:
        raise DataError(f"{path}: names no picture, expected one path a line, or a column {_COLUMN}.")
    return found


def _add_folder(listed: SourceList, name: str) -> None:
    found = find_files(Path(name), (*SUFFIXES, *VIDEO_SUFFIXES))
    listed.passed_over += found.passed_over
    listed.sources += [Source(str(file)) for file in found.files]
    listed.sources += [
        Source(str(folder), f"{folder}: cannot be read ({reason}).") for folder, reason in found.unreadable.items()
    ]
    if not found.files and not found.unreadable:
        known = ", ".join(sorted((*SUFFIXES, *VIDEO_SUFFIXES)))
        listed.sources.append(Source(name, f"{name}: no picture in this folder; known suffixes are {known}."))


def _of_lines(file: Iterable[str]) -> Iterator[str]:
    return (name for line in file if (name := line.strip("\r\n").strip()))


def _of_table(path: Path, file: Iterable[str]) -> Iterator[str]:
    rows = csv.DictReader(file)
    if _COLUMN not in (rows.fieldnames or ()):
        columns = ", ".join(rows.fieldnames or ()) or "none"
        raise DataError(f"{path}: no column {_COLUMN!r}, found {columns[:200]}; a list as plain text ends with .txt.")
    return (name for row in rows if (name := (row[_COLUMN] or "").strip()))
