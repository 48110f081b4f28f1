"""Tar shards of pictures in WebDataset's layout: their pixels stay in the files and are read when they are needed."""

import hashlib
import json
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from ferkit.dataset import SIZE, FaceDataset
from ferkit.errors import DataError
from ferkit.picture_blocks import examined
from ferkit.settings import Settings
from ferkit.sources.tar_samples import tar_samples
from ferkit.stored_pictures import Colour, PictureFiles, StoredPictures

__all__ = ["PLAN", "ShardSettings", "load_shards", "shard_fingerprint"]

# What `ferkit data shard` writes beside its shards: which there are when it is done.
PLAN = "shards.json"


class ShardSettings(Settings):
    """Tar files with pictures, each with an emotion and a split; `ferkit.sources.tar_samples` describes their layout.

    Attributes
    ----------
    path
        The folder that holds the ``.tar`` files.
    side, colour
        What each picture becomes when it is read: its side in pixels, ``grey`` or ``rgb``.
    """

    source: Literal["shards"] = "shards"
    path: Path
    side: int = Field(SIZE, ge=16, le=1024)
    colour: Colour = "grey"


def load_shards(settings: ShardSettings) -> FaceDataset:
    """Find the pictures, and read each once.

    Returns
    -------
    FaceDataset
        Whose pixels stay in the shards. ``row`` is that of the annotations if all have one, as those of `ferkit data
        shard` do; else the place of the picture in the sorted shards.

    Raises
    ------
    DataError
        If a shard is missing, cut short or no tar file, a picture has no emotion or split, or is broken.
    """
    shards = _shards(settings.path)
    found = [(number, sample) for number, shard in enumerate(shards) for sample in tar_samples(shard)]
    if not found:
        raise DataError(f"{settings.path}: no picture in its {len(shards)} shards.")
    samples = [sample for _, sample in found]
    files = PictureFiles(
        settings.path, tuple(shard.name for shard in shards), tuple(shard.stat().st_size for shard in shards)
    )
    pictures = StoredPictures.unread(
        files, settings.side, settings.colour, [number for number, _ in found],
        [sample.offset for sample in samples], [sample.length for sample in samples],
    )  # fmt: skip
    rows = [sample.row for sample in samples]
    if len({row for row in rows if row is not None}) < len(samples):
        rows = list(range(len(samples)))
    votes = [sample.votes for sample in samples]
    row = np.array(rows, dtype=np.int64)
    faces = FaceDataset(
        # In the order of the shards, which a disk reads fastest.
        examined(pictures),
        np.array([sample.label for sample in samples], dtype=np.int8),
        np.array([sample.split for sample in samples], dtype=np.int8),
        row,
        None if None in votes else np.array(votes, dtype=np.uint8),
    )
    return faces.take(np.argsort(row))


def shard_fingerprint(settings: ShardSettings) -> str:
    """sha256 of the settings, and of the name and content of every shard, in hexadecimal."""
    digest = hashlib.sha256(f"{settings.side} {settings.colour}".encode())
    for shard in _shards(settings.path):
        with shard.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{shard.name} {content} ".encode())
    return digest.hexdigest()


def _shards(root: Path) -> list[Path]:
    """The tar files of a folder, sorted."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder, expected tar shards in it; `ferkit data shard` makes them.")
    found = sorted(path for path in root.iterdir() if path.suffix == ".tar" and not path.name.startswith("."))
    if (root / PLAN).is_file():
        planned = json.loads((root / PLAN).read_text())["shards"]
        if missing := sorted(set(planned) - {path.name for path in found}):
            raise DataError(
                f"{root}: {len(missing)} of {len(planned)} shards are missing, such as {missing[0]}: run `ferkit data "
                "shard` again, which goes on where it was stopped."
            )
    if not found:
        raise DataError(f"{root}: no .tar file in this folder; `ferkit data shard` makes them.")
    return found
