"""Folders of pictures, one an emotion, as FER-2013 is often passed on."""

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ferkit.dataset import SIZE, FaceDataset
from ferkit.errors import DataError
from ferkit.labels import FER_EMOTIONS, SPLITS, Split
from ferkit.pictures import SUFFIXES, decode_picture
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
_PARTS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "Training"),
    **dict.fromkeys(("validation", "valid", "val", "publictest"), "PublicTest"),
    **dict.fromkeys(("test", "privatetest"), "PrivateTest"),
}

# train, the emotion, the picture.
_DEPTH = 3


class FolderSettings(Settings):
    """Where the pictures are, and which split they belong to.

    ``train/<emotion>/*`` is Training, ``validation/<emotion>/*`` PublicTest, ``test/<emotion>/*`` PrivateTest; but a
    file whose name starts with PublicTest or PrivateTest says its split itself, as in the copies of FER-2013 that have
    both in ``test``. Without any picture for PublicTest a part of Training takes its place, because selection (early
    stopping, the ensemble's weights) must not read PrivateTest. Case does not matter in the names of folders; emotions
    may be called anger, happiness, sadness and the like, too. Hidden files and other suffixes are passed over.

    Attributes
    ----------
    path
        The folder that holds ``train`` and ``test``.
    validation_fraction
        The part of each emotion's Training pictures, at least one of two or more, that becomes PublicTest where there
        is none.
    seed
        Of that choice.
    """

    source: Literal["folder"] = "folder"
    path: Path
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    seed: int = Field(0, ge=0)


def load_folder(settings: FolderSettings) -> FaceDataset:
    """Read the pictures.

    Returns
    -------
    FaceDataset
        Grey (ITU-R 601-2 luma) and 48x48 (Lanczos; what is not square is squashed) whatever they were, read as
        `ferkit.pictures.decode_picture` does. ``row`` is the index in the sorted list of relative paths.

    Raises
    ------
    DataError
        If a folder is missing or names no emotion, a picture is in no emotion's folder, or a file is no picture.
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
        content = _content(path)
        digest.update(f"{path.relative_to(settings.path).as_posix()} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()


def _files(settings: FolderSettings) -> list[Path]:
    root = settings.path
    if not root.is_dir():
        raise DataError(f"{root}: no such folder, expected train/<emotion>/* and test/<emotion>/* in it.")
    parts = [part for part in root.iterdir() if part.is_dir() and part.name.lower() in _PARTS]
    if not any(_PARTS[part.name.lower()] == "Training" for part in parts):
        found = ", ".join(sorted(part.name for part in root.iterdir())[:8]) or "nothing"
        raise DataError(f"{root}: no folder train with one folder an emotion in it; found {found}.")
    files = [
        path
        for part in parts
        for path in part.rglob("*")
        if path.suffix.lower() in SUFFIXES and not any(name.startswith(".") for name in path.relative_to(root).parts)
    ]
    for path in files:
        if len(path.relative_to(root).parts) != _DEPTH:
            raise DataError(f"{path}: a picture out of place, expected {path.relative_to(root).parts[0]}/<emotion>/*.")
    if not files:
        raise DataError(f"{root}: no picture in train/<emotion>/; known suffixes are {', '.join(SUFFIXES)}.")
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
    for split in ("PublicTest", "PrivateTest"):
        if path.name.lower().startswith(split.lower()):
            return SPLITS.index(split)
    return SPLITS.index(_PARTS[path.relative_to(root).parts[0].lower()])


def _hold_out(label: NDArray[np.int8], split: NDArray[np.int8], settings: FolderSettings) -> NDArray[np.int8]:
    """`split` with a part of each emotion's Training pictures moved to PublicTest."""
    changed = split.copy()
    generator = np.random.default_rng(settings.seed)
    for emotion in np.unique(label):
        training = np.flatnonzero((label == emotion) & (split == SPLITS.index("Training")))
        count = max(round(len(training) * settings.validation_fraction), int(len(training) > 1))
        changed[generator.permutation(training)[:count]] = SPLITS.index("PublicTest")
    return changed


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); mend its permissions or delete it.") from error


def _read(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        picture = Image.fromarray(decode_picture(_content(path), str(path))).convert("L")
    except DataError as error:
        raise DataError(f"{error} Mend the file or delete it.") from error
    if picture.size != (SIZE, SIZE):
        picture = picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    return np.asarray(picture, dtype=np.uint8)
