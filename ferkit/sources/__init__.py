"""Where faces come from: FER-2013 with FER+, folders, tables, published data sets, tar shards, or synthetic faces."""

import hashlib
from collections.abc import Callable
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from ferkit.data.dataset import FaceDataset
from ferkit.file_hashes import Sha256, file_sha256
from ferkit.sources.damage import Damage
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013, source_files
from ferkit.sources.folders import FolderSettings, folder_fingerprint, read_folder
from ferkit.sources.folds import with_fold
from ferkit.sources.picture_settings import PictureSettings
from ferkit.sources.published import PublishedSettings, published_fingerprint, read_published
from ferkit.sources.shards import ShardSettings, read_shards, shard_fingerprint
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from ferkit.sources.tables.huggingface import HuggingFaceSettings, huggingface_fingerprint, read_huggingface
from ferkit.sources.tables.table import ColumnSettings, TableSettings, read_table, table_fingerprint

__all__ = [
    "ColumnSettings",
    "Fer2013Settings",
    "FolderSettings",
    "HuggingFaceSettings",
    "PictureSettings",
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
    Fer2013Settings
    | FolderSettings
    | TableSettings
    | HuggingFaceSettings
    | PublishedSettings
    | ShardSettings
    | SyntheticSettings,
    Field(discriminator="source"),
]

# Of the sources whose pictures are files.
_READERS: dict[type[Any], Callable[[Any], tuple[FaceDataset, pd.DataFrame]]] = {
    FolderSettings: read_folder,
    TableSettings: read_table,
    HuggingFaceSettings: read_huggingface,
    PublishedSettings: read_published,
    ShardSettings: read_shards,
}
_FINGERPRINTS: dict[type[Any], Callable[[Any, Sha256], str]] = {
    FolderSettings: folder_fingerprint,
    TableSettings: table_fingerprint,
    HuggingFaceSettings: huggingface_fingerprint,
    PublishedSettings: published_fingerprint,
    ShardSettings: shard_fingerprint,
}


def load(settings: SourceSettings) -> FaceDataset:
    """The faces of `read`."""
    return read(settings)[0]


def read(settings: SourceSettings) -> tuple[FaceDataset, pd.DataFrame]:
    """Read the faces that `settings` name.

    Returns
    -------
    FaceDataset
        The faces, in the splits of a fold where they are dealt into folds.
    DataFrame
        Pictures in files that are damaged and left out: row, file and reason. Of other sources none.

    Raises
    ------
    DataError
        If they cannot be read.
    """
    if isinstance(settings, Fer2013Settings | SyntheticSettings):
        faces = load_fer2013(settings) if isinstance(settings, Fer2013Settings) else generate(settings).faces
        left_out = Damage().table({})
    else:
        faces, left_out = _READERS[type(settings)](settings)
    return (with_fold(faces, settings.folds) if settings.folds else faces), left_out


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
        If a file is missing, or no fold was chosen of those that the data is dealt into.
    """
    if settings.folds:
        settings.folds.chosen()
        whole = fingerprint(settings.model_copy(update={"split": None}), sha256)
        return hashlib.sha256(f"{whole} {settings.folds.model_dump_json()}".encode()).hexdigest()
    if not isinstance(settings, Fer2013Settings | SyntheticSettings):
        return _FINGERPRINTS[type(settings)](settings, sha256)
    digest = hashlib.sha256()
    if isinstance(settings, SyntheticSettings):
        digest.update(settings.model_dump_json().encode())
    else:
        for path in source_files(settings):
            digest.update(bytes.fromhex(sha256(path)))
    return digest.hexdigest()
