"""`Found`: the pictures of a published data set, with what its layout says of each."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ferkit.data.labels import SPLITS
from ferkit.errors import DataError
from ferkit.sources.folder_tree import class_folders, labelled_files, split_of

__all__ = ["PRIVATE", "TRAINING", "Found", "in_class_folders"]

TRAINING, PRIVATE = SPLITS.index("Training"), SPLITS.index("PrivateTest")
_PUBLIC = SPLITS.index("PublicTest")


@dataclass
class Found:
    """Pictures in order, one entry each.

    Attributes
    ----------
    files, names, splits
        Where each lies, what its class is called, index of its split in `ferkit.data.labels.SPLITS`.
    subject, box, votes
        As in `ferkit.sources.picture_list.PictureList`.
    passed_over
        How many pictures were left out, by reason.
    """

    files: list[Path] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    splits: list[int] = field(default_factory=list)
    subject: NDArray[np.object_] | None = None
    box: NDArray[np.int32] | None = None
    votes: NDArray[np.uint8] | None = None
    passed_over: Counter[str] = field(default_factory=Counter)

    def append(self, file: Path, name: str, split: int = TRAINING) -> None:
        """Add a picture."""
        self.files.append(file)
        self.names.append(name)
        self.splits.append(split)

    def with_published_test(self) -> Self:
        """The same, with a validation set as PrivateTest where nothing else is published to test on.

        Papers report what they reach on it; what chooses epochs and votes has to be other pictures.
        """
        if PRIVATE not in self.splits:
            self.splits = [PRIVATE if split == _PUBLIC else split for split in self.splits]
        return self


def in_class_folders(root: Path, names: Mapping[str, str] | None = None) -> Found:
    """Pictures in folders of classes, in train and test or without splits.

    Parameters
    ----------
    names
        What the folders' names stand for; as they are if not given.

    Raises
    ------
    DataError
        If there are none, or a folder has another name.
    """
    listed, folders = labelled_files(root), class_folders(root)
    found = Found(passed_over=listed.passed_over)
    for path in listed.files:
        name = path.parent.name
        if names is not None and name not in names:
            raise DataError(f"{path.parent}: not a class of this data set, expected {', '.join(names)}.")
        found.append(path, name if names is None else names[name], split_of(path, folders))
    return found
