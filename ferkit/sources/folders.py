"""Folders of pictures, one a class, as FER-2013 and most other data sets are passed on."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import field_validator

from ferkit.data.dataset import FaceDataset
from ferkit.errors import DataError
from ferkit.file_hashes import Sha256, file_sha256
from ferkit.sources.folder_tree import class_folders, labelled_files, split_of
from ferkit.sources.picture_list import PictureList
from ferkit.sources.picture_reading import complete_splits, equal_files, files_fingerprint, read_listed
from ferkit.sources.picture_settings import PictureSettings

__all__ = ["FolderSettings", "folder_fingerprint", "list_folder", "load_folder", "read_folder"]


class FolderSettings(PictureSettings):
    """Where the pictures are, and which split they belong to.

    ``train/<class>/*`` is Training, ``validation/<class>/*`` PublicTest, ``test/<class>/*`` PrivateTest; but a file
    whose name starts with PublicTest or PrivateTest says its split itself, as in the copies of FER-2013 that have both
    in ``test``. Without any picture for PublicTest or for PrivateTest a part of Training takes its place: selection
    (early stopping, the ensemble's weights) must not read PrivateTest, and evaluation no picture that was learned.
    ``<class>/*`` alone is Training. Case does not matter in the names of folders, and splits may be called valid,
    Public_Test, FER2013Train and the like, too. Links are followed. Hidden files and other suffixes are passed over,
    and counted in the log.

    Where all classes are emotions of FER-2013, in whatever words (anger, 1_Surprise), the labels are FER-2013's;
    otherwise the folders' names are the classes.

    Attributes
    ----------
    path
        The folder that holds ``train`` and ``test``, or the folders of classes.
    subject
        A regular expression that finds who is in a picture in its path below `path`, as its one group: ``/(S[0-9]+)_``
        in ``train/happy/S042_007.png``. All pictures of a person then lie on one side of a choice, too.
    """

    source: Literal["folder"] = "folder"
    path: Path
    subject: str | None = None

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


def load_folder(settings: FolderSettings) -> FaceDataset:
    """The faces of `read_folder`."""
    return read_folder(settings)[0]


def read_folder(settings: FolderSettings) -> tuple[FaceDataset, pd.DataFrame]:
    """Read the pictures.

    Returns
    -------
    FaceDataset
        As `ferkit.sources.picture_reading.read_listed`. ``row`` is the index in the sorted list of relative paths.
    DataFrame
        The damaged pictures, which are left out: row, file and reason.

    Raises
    ------
    DataError
        If a folder is missing, a picture is in no class's folder, or too many files are no pictures.
    """
    return read_listed(_listed(settings), settings, settings.path)


def list_folder(settings: FolderSettings) -> PictureList:
    """What `load_folder` reads, with the same errors but those of broken pictures.

    The pixels are not read: copies are files with the same bytes.
    """
    listed = _listed(settings)
    # The seed draws the order of shards, too.
    split = complete_splits(listed, lambda: equal_files(listed.files), settings, settings.path, seed_is_read=True)
    return replace(listed, split=split)


def _listed(settings: FolderSettings) -> PictureList:
    """The pictures, with the splits that the folder gives them."""
    found, folders = labelled_files(settings.path), class_folders(settings.path)
    files = found.files
    split = [split_of(path, folders) for path in files]
    listed = PictureList.of(
        files, [path.parent.name for path in files], split, settings.labels, passed_over=found.passed_over
    )
    if settings.subject is None:
        return listed
    names = [path.relative_to(settings.path).as_posix() for path in listed.files]
    subjects = [re.search(settings.subject, name) for name in names]
    if not any(subjects):
        raise DataError(
            f"data.subject: {settings.subject!r} finds nobody in the names of {len(names)} pictures, such as "
            f"{names[0]}; correct it, or leave it out."
        )
    return replace(listed, subject=np.array([each and each[1] for each in subjects], dtype=object))


def folder_fingerprint(settings: FolderSettings, sha256: Sha256 = file_sha256) -> str:
    """sha256 of the settings, and of the name and content of every picture, in hexadecimal."""
    form = f" {settings.side} {settings.colour}" if settings.stream else ""
    # What is younger than runs that are kept enters only where it is used.
    subject = "" if settings.subject is None else f" {settings.subject}"
    digest = hashlib.sha256(f"{settings.validation_fraction} {settings.seed}{form}{subject}".encode())
    digest.update(settings.younger_settings())
    files_fingerprint(digest, labelled_files(settings.path).files, settings.path, sha256)
    return digest.hexdigest()
