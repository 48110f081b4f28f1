"""The pictures of a folder in which folders are classes, before any is decoded."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ferkit.data.folder_search import FolderFiles, find_files
from ferkit.data.labels import SPLITS
from ferkit.data.picture_files import SUFFIXES
from ferkit.errors import DataError
from ferkit.sources.split_names import split_index

__all__ = ["ClassFolders", "class_folders", "file_content", "file_status", "labelled_files", "split_of", "unreadable"]

# Folders around train and test that hold nothing else, as archives are unpacked.
_MOST_AROUND = 3


@dataclass(frozen=True)
class ClassFolders:
    """Where the folders of classes are.

    Attributes
    ----------
    base
        The folder that holds train and test, or the folders of classes themselves.
    parts
        Index in `ferkit.data.labels.SPLITS` by the name of each folder that is a split; none if no folder is one.
    """

    base: Path
    parts: dict[str, int]


def class_folders(root: Path) -> ClassFolders:
    """Find ``train`` and the like in `root`, or in the one folder that it holds, or folders of pictures without splits.

    Raises
    ------
    DataError
        If there is neither.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder, expected train/<class>/* and test/<class>/* in it.")
    base, classes = root, list[str]()
    for _ in range(_MOST_AROUND):
        folders = sorted(entry for entry in base.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        parts = {folder.name: at for folder in folders if (at := split_index(folder.name)) is not None}
        if SPLITS.index("Training") in parts.values():
            return ClassFolders(base, parts)
        holding = [folder.name for folder in folders if _holds_pictures(folder)]
        classes = holding or classes
        if not parts and len(holding) > 1:
            return ClassFolders(base, {})
        if len(folders) != 1:
            break
        base = folders[0]
    if len(classes) == 1:
        raise DataError(
            f"{root}: one folder with pictures, {classes[0]}, and no folder train; expected a folder for each class, "
            "two or more: there is nothing to tell apart."
        )
    there = ", ".join(sorted(entry.name for entry in root.iterdir())[:8]) or "nothing"
    raise DataError(f"{root}: no folder train with one folder a class in it; found {there}.")


def _holds_pictures(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(not each.name.startswith(".") and each.name.lower().endswith(SUFFIXES) for each in entries)


def labelled_files(root: Path) -> FolderFiles:
    """The pictures of all parts, each in the folder of its class, sorted by their relative paths.

    Raises
    ------
    DataError
        If there is no ``train``, no picture, a picture that is in no class's folder, or what cannot be read.
    """
    found = class_folders(root)
    folders = [entry for entry in found.base.iterdir() if entry.is_dir()]
    parts = [folder for folder in folders if folder.name in found.parts] if found.parts else [found.base]
    beside = sum(not folder.name.startswith(".") for folder in folders) - len(parts) if found.parts else 0
    all_found = FolderFiles(passed_over=Counter({"folder beside train and test": beside} if beside else {}))
    for part in parts:
        in_part = _of_part(part, part.name if found.parts else part)
        all_found.files += in_part.files
        all_found.passed_over += in_part.passed_over
    if not all_found.files:
        raise DataError(f"{root}: no picture in train/<class>/; known suffixes are {', '.join(SUFFIXES)}.")
    all_found.files.sort(key=lambda path: path.relative_to(root).as_posix())
    return all_found


def _of_part(part: Path, name: object) -> FolderFiles:
    """The pictures in ``train`` or the like, each in the folder of a class."""
    found = find_files(part, SUFFIXES)
    for folder, reason in found.unreadable.items():
        raise DataError(f"{folder}: cannot be read ({reason}); mend its permissions or delete it.")
    for path in found.files:
        if path.parent.parent != part:
            raise DataError(f"{path}: a picture out of place, expected {name}/<class>/*.")
    for entry in part.iterdir():
        # It may have been all pictures of a class.
        if entry.is_symlink() and not entry.exists():
            raise DataError(f"{entry}: a link to nothing, expected a folder of pictures; mend the link or delete it.")
    return found


def split_of(path: Path, folders: ClassFolders) -> int:
    """Index in `ferkit.data.labels.SPLITS` of a picture's split, as its name says or else its folder; else Training."""
    for split in ("PublicTest", "PrivateTest"):
        if path.name.lower().startswith(split.lower()):
            return SPLITS.index(split)
    return folders.parts.get(path.parent.parent.name, SPLITS.index("Training"))


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
