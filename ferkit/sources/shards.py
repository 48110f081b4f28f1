"""Tar shards of pictures in WebDataset's layout: their pixels stay in the files and are read when they are needed."""

import hashlib
import json
from array import array
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from ferkit.data.class_names import class_key, class_table
from ferkit.data.dataset import SIZE, FaceDataset
from ferkit.data.labels import FER_EMOTIONS
from ferkit.data.picture_blocks import examined
from ferkit.data.stored_pictures import Colour, PictureFiles, StoredPictures, stored_name
from ferkit.errors import DamagedPictureError, DataError
from ferkit.file_hashes import Sha256, file_sha256
from ferkit.sources.damage import Damage
from ferkit.sources.split_settings import SplitSource
from ferkit.sources.tar_samples import TarSample, member_names, tar_samples

__all__ = ["PLAN", "ShardSettings", "read_shards", "shard_fingerprint"]

# What `ferkit data shard` writes beside its shards: which there are when it is done.
PLAN = "shards.json"


class ShardSettings(SplitSource):
    """Tar files with pictures, each with a class and a split; `ferkit.sources.tar_samples` describes their layout.

    Attributes
    ----------
    path
        The folder that holds the ``.tar`` files.
    maximum_damaged
        Largest share of pictures that may be damaged; they are put aside with their reasons. One may always be, unless
        this is 0.
    side, colour
        What each picture becomes when it is read: its side in pixels, ``grey`` or ``rgb``.
    """

    source: Literal["shards"] = "shards"
    path: Path
    maximum_damaged: float = Field(0.01, ge=0, le=1)
    side: int = Field(SIZE, ge=16, le=1024)
    colour: Colour = "grey"


def read_shards(settings: ShardSettings) -> tuple[FaceDataset, pd.DataFrame]:
    """Find the pictures, and read each once.

    Returns
    -------
    FaceDataset
        Whose pixels stay in the shards. ``row`` is that of the annotations if all have one, as those of `ferkit data
        shard` do; else the place of the picture in the sorted shards.
    DataFrame
        The damaged pictures, which are left out: row, file (of a member behind its shard) and reason.

    Raises
    ------
    DataError
        If a shard is missing, cut short or no tar file, a picture has no class or split, or too many are damaged.
    """
    shards = _shards(settings.path)
    found = _Columns()
    for number, shard in enumerate(shards):
        for sample in tar_samples(shard):
            found.append(number, sample)
    if not found.name:
        raise DataError(f"{settings.path}: no picture in its {len(shards)} shards.")
    sizes = tuple(shard.stat().st_size for shard in shards)
    files = PictureFiles(settings.path, tuple(shard.name for shard in shards), sizes)
    pictures = StoredPictures.unread(
        files, settings.side, settings.colour, np.array(found.file), np.array(found.offset), np.array(found.length)
    )
    row = np.array(found.row, dtype=np.int64)
    if row.min() < 0 or len(np.unique(row)) < len(row):
        row = np.arange(len(row))
    votes = np.frombuffer(found.votes, dtype=np.uint8).reshape(len(row), -1) if found.all_have_votes else None
    # In the order of the shards, which a disk reads fastest.
    damage = Damage()
    classes, label = found.labels()
    faces = FaceDataset(examined(pictures, damage.add), label, np.array(found.split), row, votes, classes)
    table = damage.table(_named(damage, pictures), row)
    whole = damage.whole(len(row), settings.maximum_damaged, settings.path)
    return faces.take(whole[np.argsort(row[whole])]), table


def _named(damage: Damage, pictures: StoredPictures) -> dict[int, str]:
    """Shard and member of each damaged picture, by its index; its reason names them, too, instead of a byte."""
    places: dict[int, str] = {}
    members: dict[Path, dict[int, str]] = {}
    for index, reason in damage.reasons.items():
        shard, offset = pictures.files.root / pictures.files.names[pictures.file[index]], int(pictures.offset[index])
        if shard not in members:
            members[shard] = member_names(shard)
        places[index] = f"{shard}, {members[shard][offset]}"
        named = str(reason).replace(stored_name(shard, offset), places[index], 1)
        damage.reasons[index] = DamagedPictureError(named)
    return places


class _Columns:
    """What the samples say, in arrays: there may be hundreds of thousands, and an object of each takes far more."""

    def __init__(self) -> None:
        self.file, self.offset, self.length, self.row = array("i"), array("q"), array("q"), array("q")
        self.name, self.split = array("h"), array("b")
        self.names: dict[str, int] = {}
        self.votes = bytearray()
        self.all_have_votes = True

    def labels(self) -> tuple[tuple[str, ...], NDArray[np.int8]]:
        """The classes, and which of them each picture has."""
        meant = [_emotion_of_number(name) for name in self.names]
        if not {class_key(name) for name in meant} <= set(FER_EMOTIONS):
            # Numbers among other names, or beyond the emotions, are not theirs.
            meant = list(self.names)
        classes, index = class_table(meant)
        return classes, np.array([index[name] for name in meant], dtype=np.int8).take(np.array(self.name))

    def append(self, file: int, sample: TarSample) -> None:
        self.file.append(file)
        self.offset.append(sample.offset)
        self.length.append(sample.length)
        self.row.append(-1 if sample.row is None else sample.row)
        self.name.append(self.names.setdefault(sample.name, len(self.names)))
        self.split.append(sample.split)
        if sample.votes is None:
            self.all_have_votes = False
        else:
            self.votes += bytes(sample.votes)


def _emotion_of_number(name: str) -> str:
    """The emotion of FER-2013 that has this number, else the name as it is."""
    return FER_EMOTIONS[int(name)] if name.isdecimal() and int(name) < len(FER_EMOTIONS) else name


def shard_fingerprint(settings: ShardSettings, sha256: Sha256 = file_sha256) -> str:
    """sha256 of the settings, and of the name and content of every shard, in hexadecimal."""
    digest = hashlib.sha256(f"{settings.side} {settings.colour}".encode())
    for shard in _shards(settings.path):
        digest.update(f"{shard.name} {sha256(shard)} ".encode())
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
