"""Folders of pictures, one an emotion, as FER-2013 is often passed on."""

import hashlib
import logging
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ferkit.dataset import SIZE, FaceDataset
from ferkit.errors import DataError
from ferkit.folder_search import FolderFiles, find_files, reasons
from ferkit.labels import SPLITS
from ferkit.picture_blocks import examined
from ferkit.pictures import SUFFIXES
from ferkit.settings import Settings
from ferkit.sources.naming import PARTS, emotion_index
from ferkit.stored_pictures import Colour, Images, PictureFiles, StoredPictures, face_pixels

__all__ = ["FolderList", "FolderSettings", "file_status", "folder_fingerprint", "list_folder", "load_folder"]

_LOG = logging.getLogger(__name__)

# train, the emotion, the picture.
_DEPTH = 3


class FolderSettings(Settings):
    """Where the pictures are, and which split they belong to.

    ``train/<emotion>/*`` is Training, ``validation/<emotion>/*`` PublicTest, ``test/<emotion>/*`` PrivateTest; but a
    file whose name starts with PublicTest or PrivateTest says its split itself, as in the copies of FER-2013 that have
    both in ``test``. Without any picture for PublicTest a part of Training takes its place, because selection (early
    stopping, the ensemble's weights) must not read PrivateTest. Case does not matter in the names of folders; emotions
    may be called anger, happiness, sadness and the like, too. Links are followed. Hidden files and other suffixes are
    passed over, and counted in the log.

    Attributes
    ----------
    path
        The folder that holds ``train`` and ``test``.
    validation_fraction
        The part of each emotion's Training pictures, at least one of two or more, that becomes PublicTest where there
        is none.
    seed
        Of that choice.
    stream
        Leave the pixels in the files and read them when they are needed, however many there are.
    side, colour
        What each picture becomes when it is streamed: its side in pixels, ``grey`` or ``rgb``.
    """

    source: Literal["folder"] = "folder"
    path: Path
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    seed: int = Field(0, ge=0)
    stream: bool = False
    side: int = Field(SIZE, ge=16, le=1024)
    colour: Colour = "grey"

    @model_validator(mode="after")
    def _only_streamed_otherwise(self) -> Self:
        if not self.stream and (self.side, self.colour) != (SIZE, "grey"):
            raise ValueError(
                f"pictures in memory are {SIZE}x{SIZE} and grey, not {self.side}x{self.side} {self.colour}: set "
                "stream to true."
            )
        return self


def load_folder(settings: FolderSettings) -> FaceDataset:
    """Read the pictures.

    Returns
    -------
    FaceDataset
        Grey (ITU-R 601-2 luma) and 48x48 (Lanczos; what is not square is squashed) whatever they were, or what
        `settings` say of streamed ones; read as `ferkit.pictures.decode_picture` does. ``row`` is the index in the
        sorted list of relative paths.

    Raises
    ------
    DataError
        If a folder is missing or names no emotion, a picture is in no emotion's folder, or a file is no picture.
    """
    listed = list_folder(settings)
    if listed.passed_over:
        _LOG.warning("%s: passed over %s", settings.path, reasons(listed.passed_over))
    images: Images
    if settings.stream:
        names = tuple(path.relative_to(settings.path).as_posix() for path in listed.files)
        sizes = tuple(file_status(path).st_size for path in listed.files)
        count = len(names)
        images = StoredPictures.unread(
            PictureFiles(settings.path, names, sizes), settings.side, settings.colour,
            np.arange(count), np.zeros(count), np.array(sizes),
        )  # fmt: skip
        images = examined(images)
    else:
        images = np.stack([face_pixels(_content(path), str(path), SIZE, "grey") for path in listed.files])
    return FaceDataset(images, listed.label, listed.split, np.arange(len(listed.files), dtype=np.int64))


@dataclass(frozen=True, eq=False)
class FolderList:
    """The pictures of a folder before any is read.

    Attributes
    ----------
    files
        Sorted by their relative paths.
    label, split : (N,) int8
        As in `FaceDataset`.
    passed_over
        How many files and folders were left out, by reason.
    """

    files: list[Path]
    label: NDArray[np.int8]
    split: NDArray[np.int8]
    passed_over: Counter[str] = field(default_factory=Counter)


def list_folder(settings: FolderSettings) -> FolderList:
    """What `load_folder` reads, with the same errors but those of broken pictures."""
    found = _files(settings)
    files = found.files
    label = np.array([emotion_index(path.parent.name, str(path.parent)) for path in files], dtype=np.int8)
    split = np.array([_split(path, settings.path) for path in files], dtype=np.int8)
    if not (split == SPLITS.index("PublicTest")).any():
        split = _hold_out(label, split, settings)
    return FolderList(files, label, split, found.passed_over)


def folder_fingerprint(settings: FolderSettings) -> str:
    """sha256 of the settings, and of the name and content of every picture, in hexadecimal."""
    form = f" {settings.side} {settings.colour}" if settings.stream else ""
    digest = hashlib.sha256(f"{settings.validation_fraction} {settings.seed}{form}".encode())
    for path in _files(settings).files:
        content = _content(path)
        digest.update(f"{path.relative_to(settings.path).as_posix()} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()


def _files(settings: FolderSettings) -> FolderFiles:
    """The pictures of all parts, sorted by their relative paths."""
    root = settings.path
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


def _split(path: Path, root: Path) -> int:
    for split in ("PublicTest", "PrivateTest"):
        if path.name.lower().startswith(split.lower()):
            return SPLITS.index(split)
    return SPLITS.index(PARTS[path.relative_to(root).parts[0].lower()])


def _hold_out(label: NDArray[np.int8], split: NDArray[np.int8], settings: FolderSettings) -> NDArray[np.int8]:
    """`split` with a part of each emotion's Training pictures moved to PublicTest."""
    changed = split.copy()
    generator = np.random.default_rng(settings.seed)
    for emotion in np.unique(label):
        training = np.flatnonzero((label == emotion) & (split == SPLITS.index("Training")))
        count = max(round(len(training) * settings.validation_fraction), int(len(training) > 1))
        changed[generator.permutation(training)[:count]] = SPLITS.index("PublicTest")
    return changed


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
        raise _unreadable(path, error) from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be read ({error.strerror}); mend its permissions or delete it.")
