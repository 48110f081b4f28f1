"""Where faces come from: FER-2013 with FER+, folders, tables, published data sets, tar shards, or synthetic faces."""

import hashlib
from typing import Annotated

import pandas as pd
from pydantic import Field

from ferkit.data.dataset import FaceDataset
from ferkit.file_hashes import Sha256, file_sha256
from ferkit.sources.damage import Damage
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013, source_files
from ferkit.sources.folders import FolderSettings, folder_fingerprint, read_folder
from ferkit.sources.picture_settings import PictureSettings
from ferkit.sources.published import PublishedSettings, published_fingerprint, read_published
from ferkit.sources.shards import ShardSettings, read_shards, shard_fingerprint
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from ferkit.sources.table import ColumnSettings, TableSettings, read_table, table_fingerprint

__all__ = [
    "ColumnSettings",
    "Fer2013Settings",
    "FolderSettings",
    "PublishedSettings",
    "ShardSettings",
    "SourceSettings",
    "SyntheticSettings",
    "TableSettings",
    "fingerprint",
    "load",
    "read",
    "streamed",
]

SourceSettings = Annotated[
    Fer2013Settings | FolderSettings | TableSettings | PublishedSettings | ShardSettings | SyntheticSettings,
    Field(discriminator="source"),
]


def load(settings: SourceSettings) -> FaceDataset:
    """The faces of `read`."""
    return read(settings)[0]


def read(settings: SourceSettings) -> tuple[FaceDataset, pd.DataFrame]:
    """Read the faces that `settings` name.

    Returns
    -------
    FaceDataset
        The faces.
    DataFrame
        Pictures in files that are damaged and left out: row, file and reason. Of other sources none.

    Raises
    ------
    DataError
        If they cannot be read.
    """
    if isinstance(settings, FolderSettings):
        return read_folder(settings)
    if isinstance(settings, TableSettings):
        return read_table(settings)
    if isinstance(settings, PublishedSettings):
        return read_published(settings)
    if isinstance(settings, ShardSettings):
        return read_shards(settings)
    faces = load_fer2013(settings) if isinstance(settings, Fer2013Settings) else generate(settings).faces
    return faces, Damage().table({})


def streamed(settings: SourceSettings) -> PictureSettings | ShardSettings | None:
    """`settings` if the pixels stay in files until they are needed, None if they are in memory."""
    if isinstance(settings, ShardSettings) or (isinstance(settings, PictureSettings) and settings.stream):
        return settings
    return None


def fingerprint(settings: SourceSettings, sha256: Sha256 = file_sha256) -> str:
    """Hash in hexadecimal of everything that `load` would read: a key for cached results.

    Parameters
    ----------
    sha256
        Hashes a file; a `ferkit.file_hashes.FileHashes` reads none twice.

    Raises
    ------
    DataError
        If a file is missing.
    """
    if isinstance(settings, FolderSettings):
        return folder_fingerprint(settings, sha256)
    if isinstance(settings, TableSettings):
        return table_fingerprint(settings, sha256)
    if isinstance(settings, PublishedSettings):
        return published_fingerprint(settings, sha256)
    if isinstance(settings, ShardSettings):
        return shard_fingerprint(settings, sha256)
    digest = hashlib.sha256()
    if isinstance(settings, SyntheticSettings):
        digest.update(settings.model_dump_json().encode())
    else:
        for path in source_files(settings):
            digest.update(bytes.fromhex(sha256(path)))
    return digest.hexdigest()
