"""What ferkit understood of a source: classes, splits, sizes, people, and what stands in the way of a training."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ferkit.data.dataset import FaceDataset
from ferkit.data.duplicates import cross_split_duplicates
from ferkit.data.folder_search import reasons
from ferkit.data.labels import SPLITS, class_names
from ferkit.data.picture_files import decode_picture
from ferkit.data.targets import TargetSettings, pictures_left_out
from ferkit.errors import DataError
from ferkit.sources import FolderSettings, PictureSettings, PublishedSettings, SourceSettings, TableSettings, read
from ferkit.sources.cropping import NO_FACE
from ferkit.sources.folder_tree import file_content
from ferkit.sources.folders import list_folder
from ferkit.sources.folds import fold_sizes
from ferkit.sources.picture_list import PictureList
from ferkit.sources.published import list_published
from ferkit.sources.tables.table import list_table

__all__ = ["OWN_TARGET", "Description", "describe"]

# As configs/own_faces.yaml calls the target of data with classes of its own.
OWN_TARGET = "expression"

# Files whose size and colour are looked at, spread over all.
_LOOKED_AT = 200


@dataclass(frozen=True)
class Description:
    """What is known of a source.

    Attributes
    ----------
    source
        The ``data`` section that reads it.
    pictures
        How many there are.
    splits
        Pictures of each class in each split.
    sizes
        Width and height in pixels of the smallest and the largest of the files that were looked at; empty of a source
        without picture files.
    colour
        Share of these files that are in colour.
    subjects
        People who are known; None if nothing says who is in a picture.
    votes, weights, boxes
        Whether there are FER+ votes, weights, and boxes of faces.
    cropped
        Whether the faces were found and cut out of the pictures.
    targets
        Names of what would be trained.
    problems
        What was put aside or passed over, and what a training would stop at, a line each.
    """

    source: dict[str, Any]
    pictures: int
    splits: dict[str, dict[str, int]]
    sizes: tuple[tuple[int, int], ...]
    colour: float
    subjects: int | None
    votes: bool
    weights: bool
    boxes: bool
    cropped: bool
    targets: tuple[str, ...]
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The description as JSON can hold it: names of its fields with their values."""
        return asdict(self)


def describe(
    settings: SourceSettings, targets: Sequence[TargetSettings] | None = None
) -> tuple[Description, FaceDataset]:
    """Read a source and say what it is.

    Parameters
    ----------
    targets
        What would be trained: whether the classes fit them is among the problems. If nobody said, that is ``fer``,
        unless none of the classes is one of its own: then the data has a target of its own, `OWN_TARGET`.

    Raises
    ------
    DataError
        If it cannot be read at all.
    """
    folds = settings.folds
    if folds and folds.fold is None:
        # Which one makes no difference to what is told.
        settings = settings.model_copy(update={"split": folds.model_copy(update={"fold": 0})})
    listed = _listed(settings)
    faces, damaged = read(settings)
    files = [] if listed is None else listed.files
    looked_at = [files[at] for at in np.linspace(0, len(files) - 1, min(_LOOKED_AT, len(files)), dtype=int).tolist()]
    sizes, colours = _sizes_and_colours([path for path in looked_at if path.is_file()])
    splits: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        counts = np.bincount(faces.label[faces.in_split(split)], minlength=len(faces.classes))
        splits[split] = dict(zip(faces.classes, counts.tolist(), strict=True))
    without = damaged["reason"] == NO_FACE
    broken = damaged[~without]
    problems = [str(reason) for reason in broken["reason"].head(5)]
    if len(broken) > len(problems):
        problems.append(f"{len(broken) - len(problems):,} more are damaged or missing.")
    if without.any():
        first = ", ".join(damaged.loc[without, "file"].head(3))
        problems.append(f"{int(without.sum()):,} pictures without a face are left out, such as {first}.")
    if listed is not None and listed.passed_over:
        problems.append(f"passed over {reasons(listed.passed_over)}")
    if targets is None:
        own = not {*class_names("fer"), *class_names("ferplus")} & set(faces.classes)
        targets = [TargetSettings(name=OWN_TARGET) if own else TargetSettings()]
    problems += _problems(faces, targets)
    if folds:
        sizes_of_folds = fold_sizes(faces, folds)
        problems.append(
            f"{folds.folds} folds by {folds.by}, of {min(sizes_of_folds):,} to {max(sizes_of_folds):,} pictures; the "
            f"splits are those of fold {settings.folds.fold if settings.folds else 0}."
        )
        settings = settings.model_copy(update={"split": folds})
    written = settings.model_dump(mode="json", exclude_defaults=True)
    return Description(
        source={"source": settings.source, **written},
        pictures=len(faces),
        splits=splits,
        sizes=(min(sizes), max(sizes)) if sizes else (),
        colour=sum(colours) / len(colours) if colours else 0.0,
        subjects=None if faces.subject is None else len(set(faces.subject.tolist()) - {-1}),
        votes=faces.votes is not None,
        weights=faces.weight is not None,
        boxes=listed is not None and listed.box is not None,
        cropped=isinstance(settings, PictureSettings) and settings.crop,
        targets=tuple(target.name for target in targets),
        problems=tuple(problems),
    ), faces


def _listed(settings: SourceSettings) -> PictureList | None:
    if isinstance(settings, FolderSettings):
        return list_folder(settings)
    if isinstance(settings, TableSettings):
        return list_table(settings)
    return list_published(settings) if isinstance(settings, PublishedSettings) else None


def _sizes_and_colours(files: Sequence[Any]) -> tuple[list[tuple[int, int]], list[bool]]:
    """Width and height of each file that is a picture, and whether it has colours."""
    sizes, colours = [], []
    for path in files:
        try:
            pixels = decode_picture(file_content(path), str(path))
        except DataError:
            continue
        sizes.append((pixels.shape[1], pixels.shape[0]))
        colours.append(bool((pixels != pixels[..., :1]).any()))
    return sizes, colours


def _problems(faces: FaceDataset, targets: Sequence[TargetSettings]) -> list[str]:
    found = []
    for split in ("PublicTest", "PrivateTest"):
        if not faces.in_split(split).any():
            found.append(f"no picture for {split}.")
        elif copies := int(cross_split_duplicates(faces, split).sum()):
            found.append(f"{copies:,} pictures of {split} also occur in another split.")
    counts = np.bincount(faces.label[faces.in_split("Training")], minlength=len(faces.classes))
    found += [
        f"class {name}: {count} Training pictures, expected at least 2 (validation.minimum_class)."
        for name, count in zip(faces.classes, counts.tolist(), strict=True)
        if count < 2
    ]
    for target in targets:
        try:
            left_out = pictures_left_out(faces, target)
            target.index_of(faces.classes)
        except DataError as error:
            found.append(str(error))
            continue
        found += [f"target {target.name} leaves out {count:,} pictures of {name}." for name, count in left_out.items()]
    return found
