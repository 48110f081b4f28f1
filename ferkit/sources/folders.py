"""Folders of pictures, one an emotion, as FER-2013 is often passed on."""

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ferkit.dataset import SIZE, FaceDataset
from ferkit.errors import DataError
from ferkit.labels import FER_EMOTIONS, SPLITS
from ferkit.settings import Settings

__all__ = ["FolderSettings", "folder_fingerprint", "load_folder"]

_SYNONYMS = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}
_TRAINING, _EVALUATION = ("train", "training"), ("test", "validation", "val", "publictest", "privatetest")
_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm")


class FolderSettings(Settings):
    """Where the pictures are.

    ``train/<emotion>/*`` is Training. A file whose name starts with PublicTest or PrivateTest belongs to that split,
    ``validation/`` is PublicTest, and ``test/`` is PrivateTest. Without any picture for PublicTest a part of Training
    takes its place, because nothing may be chosen on PrivateTest.

    Attributes
    ----------
    path
        The folder that holds ``train`` and ``test``.
    validation_fraction
        The part of each emotion's Training pictures that becomes PublicTest where there is none.
    seed
        Of that choice.
    """

    source: Literal["folder"] = "folder"
    path: Path
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    seed: int = Field(0, ge=0)


def load_folder(settings: FolderSettings) -> FaceDataset:
    """Read the pictures, grey and 48x48 whatever they were; `FaceDataset.row` counts the sorted paths.

    Raises
    ------
    DataError
        If a folder is missing or names no emotion, or a file is no picture.
    """
    files = _files(settings)
    label = np.array([_emotion(path) for path in files], dtype=np.int8)
    split = np.array([_split(path, settings.path) for path in files], dtype=np.int8)
    if not (split == SPLITS.index("PublicTest")).any():
        split = _hold_out(label, split, settings)
    images = np.stack([_read(path) for path in files])
    return FaceDataset(images, label, split, np.arange(len(files), dtype=np.int64))


def folder_fingerprint(settings: FolderSettings) -> str:
    """sha256 of the settings, and of the name and content of every picture, in hexadecimal."""
    digest = hashlib.sha256(f"{settings.validation_fraction} {settings.seed}".encode())
    for path in _files(settings):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(settings.path).as_posix()} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()


def _files(settings: FolderSettings) -> list[Path]:
    root = settings.path
    if not root.is_dir():
        raise DataError(f"{root}: no such folder, expected train/<emotion>/* and test/<emotion>/* in it.")
    parts = [part for part in root.iterdir() if part.is_dir() and part.name.lower() in _TRAINING + _EVALUATION]
    if not any(part.name.lower() in _TRAINING for part in parts):
        found = ", ".join(sorted(part.name for part in root.iterdir())[:8]) or "nothing"
        raise DataError(f"{root}: no folder train with one folder an emotion in it; found {found}.")
    files = [
        path
        for part in parts
        for path in part.glob("*/*")
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
    ]
    if not files:
        raise DataError(f"{root}: no picture in train/<emotion>/; known suffixes are {', '.join(_SUFFIXES)}.")
    return sorted(files, key=lambda path: path.relative_to(root).as_posix())


def _emotion(path: Path) -> int:
    name = path.parent.name.lower()
    name = _SYNONYMS.get(name, name)
    if name not in FER_EMOTIONS:
        raise DataError(
            f"{path.parent}: unknown emotion {path.parent.name!r}, expected one of {', '.join(FER_EMOTIONS)}."
        )
    return FER_EMOTIONS.index(name)


def _split(path: Path, root: Path) -> int:
    part = path.relative_to(root).parts[0].lower()
    for split in ("PublicTest", "PrivateTest"):
        if path.name.lower().startswith(split.lower()):
            return SPLITS.index(split)
    if part in _TRAINING:
        return SPLITS.index("Training")
    return SPLITS.index("PrivateTest" if part in ("test", "privatetest") else "PublicTest")


def _hold_out(label: NDArray[np.int8], split: NDArray[np.int8], settings: FolderSettings) -> NDArray[np.int8]:
    """`split` with a part of each emotion's Training pictures moved to PublicTest."""
    changed = split.copy()
    generator = np.random.default_rng(settings.seed)
    for emotion in np.unique(label):
        training = np.flatnonzero((label == emotion) & (split == SPLITS.index("Training")))
        count = round(len(training) * settings.validation_fraction)
        changed[generator.permutation(training)[:count]] = SPLITS.index("PublicTest")
    return changed


def _read(path: Path) -> NDArray[np.uint8]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            grey = picture.convert("L")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a whole picture ({error}); fetch it again or delete it.") from error
    if grey.size != (SIZE, SIZE):
        grey = grey.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    return np.asarray(grey, dtype=np.uint8)
