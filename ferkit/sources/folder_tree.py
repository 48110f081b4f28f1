"""The pictures of a folder with ``train`` and ``test`` in it, before any is decoded."""

import os
from collections import Counter
from pathlib import Path

from ferkit.data.folder_search import FolderFiles, find_files
from ferkit.data.labels import SPLITS
from ferkit.data.picture_files import SUFFIXES
from ferkit.errors import DataError
from ferkit.sources.emotion_names import PARTS

__all__ = ["file_content", "file_status", "labelled_files", "split_of", "unreadable"]

# train, the emotion, the picture.
_DEPTH = 3


def labelled_files(root: Path) -> FolderFiles:
    """The pictures of all parts, each in the folder of an emotion, sorted by their relative paths.

    Raises
    ------
    DataError
        If there is no ``train``, no picture, a picture that is in no emotion's folder, or what cannot be read.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder, expected train/<emotion>/* and test/<emotion>/* in it.")
    folders = [entry for entry in root.iterdir() if entry.is_dir()]
    parts = [folder for folder in folders if folder.name.lower() in PARTS]
    if not any(PARTS[part.name.lower()] == "Training" for part in parts):
        there = ", ".join(sorted(entry.name for entry in root.iterdir())[:8]) or "nothing"
        raise DataError(f"{root}: no folder train with one folder an emotion in it; found {there}.")
    beside = sum(not folder.name.startswith(".") for folder in folders) - len(parts)
    all_found = FolderFiles(passed_over=Counter({"folder beside train and test": beside} if beside else {}))
    for part in parts:
        found = _of_part(part)
        all_found.files += found.files
        all_found.passed_over += found.passed_over
    if not all_found.files:
        raise DataError(f"{root}: no picture in train/<emotion>/; known suffixes are {', '.join(SUFFIXES)}.")
    all_found.files.sort(key=lambda path: path.relative_to(root).as_posix())
    return all_found


def _of_part(part: Path) -> FolderFiles:
    """The pictures in ``train`` or the like, each in the folder of an emotion."""
    found = find_files(part, SUFFIXES)
    for folder, reason in found.unreadable.items():
        raise DataError(f"{folder}: cannot be read ({reason}); mend its permissions or delete it.")
    for path in found.files:
        if len(path.relative_to(part.parent).parts) != _DEPTH:
            raise DataError(f"{path}: a picture out of place, expected {part.name}/<emotion>/*.")
    for entry in part.iterdir():
        # It may have been all pictures of an emotion.
        if entry.is_symlink() and not entry.exists():
            raise DataError(f"{entry}: a link to nothing, expected a folder of pictures; mend the link or delete it.")
    return found


def split_of(path: Path, root: Path) -> int:
    """Index in `ferkit.data.labels.SPLITS` of a picture's split, as its name says or else its folder."""
    for split in ("PublicTest", "PrivateTest"):
        if path.name.lower().startswith(split.lower()):
            return SPLITS.index(split)
    return SPLITS.index(PARTS[path.relative_to(root).parts[0].lower()])


def file_status(path: Path) -> os.stat_result:
    """Size and time of a picture's file.

    Raises
    ------
    DataError
        If it cannot be looked at.
    """
    try:
        return path.stat()
    except OSError as error:
        raise unreadable(path, error) from error


def file_content(path: Path) -> bytes:
    """What a picture's file holds.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> DataError:
    """What to tell of a picture's file that the system does not let be read."""
    return DataError(f"{path}: cannot be read ({error.strerror}); mend its permissions or delete it.")
