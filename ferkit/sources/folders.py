"""Folders of pictures, one an emotion, as FER-2013 is often passed on."""

import hashlib
import logging
import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from ferkit.data.dataset import SIZE, FaceDataset
from ferkit.data.duplicates import duplicate_groups
from ferkit.data.folder_search import reasons
from ferkit.data.labels import SPLITS
from ferkit.data.picture_blocks import examined
from ferkit.data.stored_pictures import Colour, Images, PictureFiles, StoredPictures, face_pixels
from ferkit.errors import DamagedPictureError, DataError
from ferkit.file_hashes import Sha256, file_sha256
from ferkit.settings import Settings
from ferkit.sources.damage import Damage
from ferkit.sources.emotion_names import emotion_index
from ferkit.sources.folder_tree import file_content, file_status, labelled_files, split_of, unreadable
from ferkit.sources.hold_out import hold_out, kept_together

__all__ = ["FolderList", "FolderSettings", "folder_fingerprint", "list_folder", "load_folder", "read_folder"]

_LOG = logging.getLogger(__name__)


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
        Of that choice. Copies of a picture lie on one side of it.
    subject
        A regular expression that finds who is in a picture in its path below `path`, as its one group: ``/(S[0-9]+)_``
        in ``train/happy/S042_007.png``. All pictures of a person then lie on one side of that choice, too.
    stream
        Leave the pixels in the files and read them when they are needed, however many there are.
    maximum_damaged
        Largest share of pictures that may be damaged; they are put aside with their reasons. One may always be, unless
        this is 0.
    side, colour
        What each picture becomes when it is streamed: its side in pixels, ``grey`` or ``rgb``.
    """

    source: Literal["folder"] = "folder"
    path: Path
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    seed: int = Field(0, ge=0)
    subject: str | None = None
    maximum_damaged: float = Field(0.01, ge=0, le=1)
    stream: bool = False
    side: int = Field(SIZE, ge=16, le=1024)
    colour: Colour = "grey"

    @field_validator("subject")
    @classmethod
    def _finds_one(cls, subject: str | None) -> str | None:
        try:
            groups = 1 if subject is None else re.compile(subject).groups
        except re.error as error:
            raise ValueError(f"{subject!r} is no regular expression: {error}.") from error
        if groups != 1:
            raise ValueError(f"{subject!r} has {groups} groups, expected one, which holds the person: /(S[0-9]+)_")
        return subject

    @model_validator(mode="after")
    def _only_streamed_otherwise(self) -> Self:
        if not self.stream and (self.side, self.colour) != (SIZE, "grey"):
            raise ValueError(
                f"pictures in memory are {SIZE}x{SIZE} and grey, not {self.side}x{self.side} {self.colour}: set "
                "stream to true."
            )
        return self


def load_folder(settings: FolderSettings) -> FaceDataset:
    """The faces of `read_folder`."""
    return read_folder(settings)[0]


def read_folder(settings: FolderSettings) -> tuple[FaceDataset, pd.DataFrame]:
    """Read the pictures.

    Returns
    -------
    FaceDataset
        Grey (ITU-R 601-2 luma) and 48x48 (Lanczos; what is not square is squashed) whatever they were, or what
        `settings` say of streamed ones; read as `ferkit.data.picture_files.decode_picture` does. ``row`` is the index
        in the sorted list of relative paths.
    DataFrame
        The damaged pictures, which are left out: row, file and reason.

    Raises
    ------
    DataError
        If a folder is missing or names no emotion, a picture is in no emotion's folder, or too many files are no
        pictures.
    """
    listed = _listed(settings)
    if listed.passed_over:
        _LOG.warning("%s: passed over %s", settings.path, reasons(listed.passed_over))
    images, damage = _images(listed, settings)
    count = len(listed.files)
    faces = FaceDataset(images, listed.label, listed.split, np.arange(count, dtype=np.int64))
    table = damage.table({index: str(listed.files[index]) for index in damage.reasons})
    if len(table):
        whole = damage.whole(count, settings.maximum_damaged, settings.path)
        faces, listed = faces.take(whole), listed.take(whole)
    if faces.in_split("PublicTest").any():
        _refuse_useless(settings, ("validation_fraction", "seed", "subject"))
        return faces, table
    return replace(faces, split=_held_out(listed, duplicate_groups(faces), settings)), table


def _images(listed: "FolderList", settings: FolderSettings) -> tuple[Images, Damage]:
    """All pictures, damaged ones as zeros."""
    damage, count = Damage(), len(listed.files)
    if settings.stream:
        names = tuple(path.relative_to(settings.path).as_posix() for path in listed.files)
        sizes = tuple(file_status(path).st_size for path in listed.files)
        unread = StoredPictures.unread(
            PictureFiles(settings.path, names, sizes), settings.side, settings.colour,
            np.arange(count), np.zeros(count), np.array(sizes),
        )  # fmt: skip
        return examined(unread, damage.add), damage
    images = np.zeros((count, SIZE, SIZE), dtype=np.uint8)
    for index, path in enumerate(listed.files):
        try:
            images[index] = face_pixels(file_content(path), str(path), SIZE, "grey")
        except DamagedPictureError as error:
            damage.add(index, error)
    return images, damage


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

    def take(self, indices: NDArray[np.int64]) -> Self:
        """The pictures at `indices`."""
        files = [self.files[index] for index in indices.tolist()]
        return replace(self, files=files, label=self.label[indices], split=self.split[indices])


def list_folder(settings: FolderSettings) -> FolderList:
    """What `load_folder` reads, with the same errors but those of broken pictures.

    The pixels are not read: copies are files with the same bytes.
    """
    listed = _listed(settings)
    if (listed.split == SPLITS.index("PublicTest")).any():
        # The seed draws the order of shards, too.
        _refuse_useless(settings, ("validation_fraction", "subject"))
        return listed
    return replace(listed, split=_held_out(listed, _equal_files(listed.files), settings))


def _listed(settings: FolderSettings) -> FolderList:
    """The pictures, with the splits that the folder gives them."""
    found = labelled_files(settings.path)
    files = found.files
    label = np.array([emotion_index(path.parent.name, str(path.parent)) for path in files], dtype=np.int8)
    split = np.array([split_of(path, settings.path) for path in files], dtype=np.int8)
    return FolderList(files, label, split, found.passed_over)


def _refuse_useless(settings: FolderSettings, names: tuple[str, ...]) -> None:
    """Raise a `DataError` if those of `names` are set that choose PublicTest, where the folder has pictures for it."""
    useless = [name for name in names if getattr(settings, name) != FolderSettings.model_fields[name].default]
    if useless:
        raise DataError(
            f"{' and '.join(useless)}: {settings.path} has pictures for PublicTest, so that none of Training "
            "is chosen; leave the setting out, or move those pictures to train."
        )


def _held_out(listed: FolderList, copies: NDArray[np.int64], settings: FolderSettings) -> NDArray[np.int8]:
    """The splits with PublicTest chosen from Training."""
    together = kept_together(copies, _subjects(listed, settings))
    return hold_out(listed.label, listed.split, together, settings.validation_fraction, settings.seed)


def _subjects(listed: FolderList, settings: FolderSettings) -> list[str | None]:
    """Who is in each picture."""
    if settings.subject is None:
        return [None] * len(listed.files)
    names = [path.relative_to(settings.path).as_posix() for path in listed.files]
    found = [re.search(settings.subject, name) for name in names]
    if not any(found):
        raise DataError(
            f"data.subject: {settings.subject!r} finds nobody in the names of {len(names)} pictures, such as "
            f"{names[0]}; correct it, or leave it out."
        )
    return [each and each[1] for each in found]


def _equal_files(files: list[Path]) -> NDArray[np.int64]:
    """The same number for files with the same bytes; only files that share their size with others are read."""
    _, inverse, count = np.unique(
        [file_status(path).st_size for path in files], return_inverse=True, return_counts=True
    )
    contents = [
        hashlib.sha256(file_content(path)).hexdigest() if shared else str(path)
        for path, shared in zip(files, count[inverse] > 1, strict=True)
    ]
    return np.asarray(np.unique(contents, return_inverse=True)[1], dtype=np.int64)


def folder_fingerprint(settings: FolderSettings, sha256: Sha256 = file_sha256) -> str:
    """sha256 of the settings, and of the name and content of every picture, in hexadecimal."""
    form = f" {settings.side} {settings.colour}" if settings.stream else ""
    # What is younger than runs that are kept enters only where it is used.
    subject = "" if settings.subject is None else f" {settings.subject}"
    digest = hashlib.sha256(f"{settings.validation_fraction} {settings.seed}{form}{subject}".encode())
    for path in labelled_files(settings.path).files:
        try:
            content = sha256(path)
        except OSError as error:
            raise unreadable(path, error) from error
        digest.update(os.fsencode(path.relative_to(settings.path).as_posix()) + f" {content} ".encode())
    return digest.hexdigest()
