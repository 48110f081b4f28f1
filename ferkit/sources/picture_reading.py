"""From a `PictureList` to faces: pictures are decoded, damaged ones put aside, splits that are not there chosen."""

import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.data.dataset import SIZE, FaceDataset
from ferkit.data.duplicates import duplicate_groups
from ferkit.data.file_names import readable
from ferkit.data.folder_search import reasons
from ferkit.data.labels import SPLITS
from ferkit.data.near_copies import near_copy_groups
from ferkit.data.picture_blocks import blocks, examined
from ferkit.data.stored_pictures import Images, PictureFiles, StoredPictures, face_pixels
from ferkit.errors import DamagedPictureError, DataError
from ferkit.file_hashes import Sha256
from ferkit.sources.cropping import NO_FACE, cut_faces
from ferkit.sources.damage import Damage
from ferkit.sources.folder_tree import file_content, file_status, unreadable
from ferkit.sources.hold_out import hold_out, kept_together
from ferkit.sources.picture_list import PictureList
from ferkit.sources.picture_settings import CHOICE_SETTINGS, PictureSettings

__all__ = ["complete_splits", "copies_of", "equal_files", "files_fingerprint", "left_out", "read_faces", "read_listed"]

_LOG = logging.getLogger(__name__)

# In this order, so that what is chosen for PrivateTest chooses nothing.
_CHOSEN = (("PrivateTest", "test_fraction"), ("PublicTest", "validation_fraction"))


def read_listed(listed: PictureList, settings: PictureSettings, root: Path) -> tuple[FaceDataset, pd.DataFrame]:
    """Read the pictures of a list.

    Parameters
    ----------
    root
        The folder that all of its files lie in; for messages the place of the data.

    Returns
    -------
    FaceDataset
        Grey (ITU-R 601-2 luma) and 48x48 (Lanczos; what is not square is squashed) whatever they were, or what
        `settings` say of streamed ones; read as `ferkit.data.picture_files.decode_picture` does.
    DataFrame
        The pictures that are left out, damaged ones and those without a face: row, file and reason.

    Raises
    ------
    DataError
        If too many files are no pictures, no face is found where faces are to be cut out, or settings say how to choose
        a split that is there.
    """
    if listed.passed_over:
        _LOG.warning("%s: passed over %s", root, reasons(listed.passed_over))
    damage = Damage()
    if settings.crop:
        cut = cut_faces(_unread(listed, settings, root), damage)
        images, kept, none = read_faces(cut.pictures, settings), cut.index, cut.none
    else:
        images = examined(_unread(listed, settings, root), damage.add) if settings.stream else _decoded(listed, damage)
        kept, none = np.arange(len(listed)), np.zeros(0, dtype=np.int64)
    places = {index: str(listed.files[index]) for index in (*damage.reasons, *none.tolist())}
    table = left_out(damage, none, places, listed.row)
    if damage.reasons:
        whole = np.intersect1d(kept, damage.whole(len(listed), settings.maximum_damaged, root))
        images, kept = images[np.searchsorted(kept, whole)], whole
    listed = listed if len(kept) == len(listed) else listed.take(kept)
    faces = FaceDataset(
        images, listed.label, listed.split, listed.row, listed.votes, listed.classes, listed.subject_numbers,
        listed.weight,
    )  # fmt: skip
    split = complete_splits(listed, lambda: copies_of(faces), settings, root)
    return (faces if split is listed.split else replace(faces, split=split)), table


def left_out(
    damage: Damage, none: NDArray[np.int64], places: Mapping[int, str], row: NDArray[np.int64]
) -> pd.DataFrame:
    """One line a picture that is left out: row, file and reason.

    Parameters
    ----------
    damage
        Pictures that cannot be decoded.
    none
        Indices of those in which no face was found.
    places
        Where each of them lies, by its index.
    row
        Of all pictures.
    """
    table = damage.table(places, row)
    if not len(none):
        return table
    _LOG.warning("no face was found in %s of %s pictures: left out", f"{len(none):,}", f"{len(row):,}")
    files = [readable(places[index]) for index in none.tolist()]
    without = pd.DataFrame({"row": row[none], "file": files, "reason": NO_FACE})
    return pd.concat([table, without], ignore_index=True) if len(table) else without


def _unread(listed: PictureList, settings: PictureSettings, root: Path) -> StoredPictures:
    """The pictures in their files."""
    count = len(listed)
    names = tuple(path.relative_to(root).as_posix() for path in listed.files)
    sizes = tuple(file_status(path).st_size for path in listed.files)
    return StoredPictures.unread(
        PictureFiles(root, names, sizes), settings.side, settings.colour,
        np.arange(count), np.zeros(count), np.array(sizes), listed.box,
    )  # fmt: skip


def read_faces(cut: StoredPictures, settings: PictureSettings) -> Images:
    """Faces that were cut, in memory unless they are to be streamed."""
    return examined(cut) if settings.stream else np.concatenate([block for _, block in blocks(cut)])


def _decoded(listed: PictureList, damage: Damage) -> NDArray[np.uint8]:
    """All pictures in memory, damaged ones as zeros."""
    images = np.zeros((len(listed), SIZE, SIZE), dtype=np.uint8)
    for index, path in enumerate(listed.files):
        box = None if listed.box is None else listed.box[index]
        try:
            images[index] = face_pixels(file_content(path), str(path), SIZE, "grey", box=box)
        except DamagedPictureError as error:
            damage.add(index, error)
    return images


def _missing(listed: PictureList) -> list[tuple[str, str]]:
    """Splits for which there is no picture, each with the setting that says how many are chosen."""
    return [(name, setting) for name, setting in _CHOSEN if not (listed.split == SPLITS.index(name)).any()]


def complete_splits(
    listed: PictureList,
    copies: Callable[[], NDArray[np.int64]],
    settings: PictureSettings,
    root: Path,
    *,
    seed_is_read: bool = False,
) -> NDArray[np.int8]:
    """The splits, with pictures of Training in place of those that are not there.

    Parameters
    ----------
    copies
        Called where something is chosen: (N,) int64, the same number for pictures that are copies of each other.
    seed_is_read
        Also where nothing is chosen.

    Raises
    ------
    DataError
        If settings say how to choose where there is nothing to choose.
    """
    missing = [] if settings.split else _missing(listed)
    read = {setting for _, setting in missing}
    if missing or seed_is_read:
        read.add("seed")
    if missing or (settings.folds and settings.folds.by == "subject"):
        read.add("subject")
    fields = type(settings).model_fields
    useless = [
        name for name in CHOICE_SETTINGS
        if name in fields and name not in read and getattr(settings, name) != fields[name].default
    ]  # fmt: skip
    if useless and settings.split:
        raise DataError(f"{' and '.join(useless)}: with data.split nothing is held out; leave it out.")
    if useless:
        there = "PrivateTest" if useless == ["test_fraction"] else "PublicTest"
        raise DataError(
            f"{' and '.join(useless)}: {root} has pictures for {there}, so that none of Training is chosen; leave the "
            "setting out, or move those pictures to train."
        )
    split = listed.split
    if not missing:
        return split
    subjects = [None] * len(listed) if listed.subject is None else listed.subject.tolist()
    together = kept_together(copies(), subjects)
    for name, setting in missing:
        fraction = getattr(settings, setting)
        split = hold_out(listed.label, split, together, fraction, settings.seed, SPLITS.index(name))
        _LOG.info(
            "%s: no picture for %s; %s of Training take its place (%g of each class, seed %d), copies and near "
            "copies%s on one side",
            root, name, f"{int((split == SPLITS.index(name)).sum()):,}", fraction, settings.seed,
            "" if listed.subject is None else ", and all pictures of a person,",
        )  # fmt: skip
    return split


def copies_of(faces: FaceDataset) -> NDArray[np.int64]:
    """(N,) int64: the same number for pictures that are equal or nearly so."""
    # Flat pictures are near copies of none, but may be equal.
    return kept_together(duplicate_groups(faces), near_copy_groups(faces.images).tolist())


def equal_files(files: Sequence[Path]) -> NDArray[np.int64]:
    """The same number for files with the same bytes; only files that share their size with others are read."""
    _, inverse, count = np.unique(
        [file_status(path).st_size for path in files], return_inverse=True, return_counts=True
    )
    contents = [
        hashlib.sha256(file_content(path)).hexdigest() if shared else str(path)
        for path, shared in zip(files, count[inverse] > 1, strict=True)
    ]
    return np.asarray(np.unique(contents, return_inverse=True)[1], dtype=np.int64)


def files_fingerprint(digest: Any, files: Sequence[Path], root: Path, sha256: Sha256) -> None:
    """Update `digest`, one of `hashlib`, with the name below `root` and the content of each file."""
    for path in files:
        try:
            content = sha256(path)
        except OSError as error:
            raise unreadable(path, error) from error
        digest.update(os.fsencode(path.relative_to(root).as_posix()) + f" {content} ".encode())
