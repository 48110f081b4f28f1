"""Data sets in the layouts that they are published in; docs/guides/datasets.md says where to get them."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pandas as pd

from ferkit.data.dataset import FaceDataset
from ferkit.errors import DataError
from ferkit.file_hashes import Sha256, file_sha256
from ferkit.sources.picture_list import PictureList
from ferkit.sources.picture_reading import files_fingerprint, read_listed
from ferkit.sources.picture_settings import PictureSettings
from ferkit.sources.published.affectnet import affectnet
from ferkit.sources.published.ckplus import ckplus
from ferkit.sources.published.ferplus_folders import ferplus_folders
from ferkit.sources.published.file_names import jaffe, kdef
from ferkit.sources.published.found import Found
from ferkit.sources.published.rafdb import rafdb

__all__ = ["PublishedSettings", "list_published", "published_fingerprint", "read_published"]

_LAYOUTS: dict[str, Callable[[Path], Found]] = {
    "affectnet": affectnet,
    "ckplus": ckplus,
    "ferplus": ferplus_folders,
    "jaffe": jaffe,
    "kdef": kdef,
    "rafdb": rafdb,
}


class PublishedSettings(PictureSettings):
    """A data set as its authors, or those who pass it on, have it.

    Attributes
    ----------
    layout
        Which: ``affectnet``, ``ckplus`` (CK+), ``ferplus`` (FER+ as folders of pictures), ``jaffe``, ``kdef`` or
        ``rafdb``. The module of each in ``ferkit.sources.published`` describes it.
    path
        The folder that it was unpacked in.
    """

    source: Literal["published"] = "published"
    layout: Literal["affectnet", "ckplus", "ferplus", "jaffe", "kdef", "rafdb"]
    path: Path


def read_published(settings: PublishedSettings) -> tuple[FaceDataset, pd.DataFrame]:
    """Read the pictures.

    Returns
    -------
    FaceDataset
        As `ferkit.sources.picture_reading.read_listed`. ``row`` is the index in the list of its pictures.
    DataFrame
        The damaged pictures, which are left out: row, file and reason.

    Raises
    ------
    DataError
        If the folder does not have that layout, or too many files are no pictures.
    """
    return read_listed(list_published(settings), settings, settings.path)


def list_published(settings: PublishedSettings) -> PictureList:
    """What the data set says, before any picture is read."""
    if not settings.path.is_dir():
        raise DataError(f"{settings.path}: no such folder, expected {settings.layout} unpacked there.")
    found = _LAYOUTS[settings.layout](settings.path)
    return PictureList.of(
        found.files, found.names, found.splits, settings.labels,
        subject=found.subject, box=found.box, votes=found.votes, passed_over=found.passed_over,
    )  # fmt: skip


def published_fingerprint(settings: PublishedSettings, sha256: Sha256 = file_sha256) -> str:
    """sha256 of the settings, of what the data set says, and of every picture, in hexadecimal."""
    listed = list_published(settings)
    plain = settings.model_copy(update={"path": Path(settings.layout), "labels": {}})
    digest = hashlib.sha256(plain.model_dump_json().encode() + settings.younger_settings())
    digest.update(repr((listed.classes, listed.label.tolist(), listed.split.tolist())).encode())
    for array in (listed.box, listed.votes):
        digest.update(b"" if array is None else array.tobytes())
    files_fingerprint(digest, listed.files, settings.path, sha256)
    return digest.hexdigest()
