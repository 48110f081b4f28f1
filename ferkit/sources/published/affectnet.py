"""AffectNet: annotations beside pictures, the lists of its first release, or folders 0 to 7.

Mollahosseini, Hasani and Mahoor, "AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in the
Wild", IEEE Transactions on Affective Computing 10(1), 2019. Its test set is not published: papers report the
validation set, which is PrivateTest here.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from ferkit.data.folder_search import find_files
from ferkit.data.picture_files import SUFFIXES
from ferkit.errors import DataError
from ferkit.sources.published.found import PRIVATE, TRAINING, Found, in_class_folders
from ferkit.sources.split_names import split_index

__all__ = ["affectnet"]

_NAMES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
# What else the lists have: of no class, uncertain, no face.
_OTHERS = ("None", "Uncertain", "Non-Face")
_LISTS = {"training.csv": TRAINING, "validation.csv": PRIVATE}
_BOX = ["face_x", "face_y", "face_width", "face_height"]


def affectnet(root: Path) -> Found:
    """Its pictures.

    ``train_set/images/7.jpg`` with ``train_set/annotations/7_exp.npy``; or ``training.csv`` and ``validation.csv`` with
    ``Manually_Annotated_Images/``, whose faces are cut out by their boxes; or ``train/0/*`` to ``train/7/*``.

    Raises
    ------
    DataError
        If it is none of these, or an annotation is missing or of no expression.
    """
    annotated = sorted(path for path in root.rglob("annotations") if (path.parent / "images").is_dir())
    if annotated:
        return _beside(annotated).with_published_test()
    lists = sorted(path for name in _LISTS for path in root.rglob(name))
    if lists:
        return _listed(root, lists)
    return in_class_folders(root, {str(index): name for index, name in enumerate(_NAMES)}).with_published_test()


def _beside(folders: list[Path]) -> Found:
    found = Found()
    for folder in folders:
        split = split_index(folder.parent.name)
        if split is None:
            raise DataError(f"{folder.parent}: neither train_set nor val_set, expected these around annotations.")
        for picture in find_files(folder.parent / "images", SUFFIXES).files:
            index = _expression(folder / f"{picture.stem}_exp.npy")
            if index < len(_NAMES):
                found.append(picture, _NAMES[index], split)
            else:
                found.passed_over[_OTHERS[index - len(_NAMES)]] += 1
    return found


def _expression(file: Path) -> int:
    try:
        index = int(str(np.load(file, allow_pickle=False).item()))
    except FileNotFoundError:
        raise DataError(f"{file}: no such annotation, expected one for each picture in images.") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: no annotation of an expression ({' '.join(str(error).split())}).") from error
    return _checked(index, str(file))


def _checked(index: int, where: str) -> int:
    if not 0 <= index < len(_NAMES) + len(_OTHERS):
        raise DataError(f"{where}: expression {index}, expected 0 to {len(_NAMES) + len(_OTHERS) - 1}.")
    return index


def _listed(root: Path, lists: list[Path]) -> Found:
    pictures = next(iter(sorted(root.rglob("Manually_Annotated_Images"))), root)
    found, boxes = Found(), []
    for path in lists:
        for row, name, index, box in _lines(path):
            if _checked(index, f"{path} row {row}") < len(_NAMES):
                found.append(pictures / name, _NAMES[index], _LISTS[path.name])
                boxes.append(box)
            else:
                found.passed_over[_OTHERS[index - len(_NAMES)]] += 1
    found.box = np.array(boxes, dtype=np.int32).reshape(-1, 4)
    return found


def _lines(path: Path) -> Iterator[tuple[int, str, int, list[int]]]:
    """Row, name, expression and box of each picture."""
    wanted = ["subDirectory_filePath", "expression", *_BOX]
    try:
        table = pd.read_csv(path, usecols=wanted)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: expected the columns {', '.join(wanted)} ({' '.join(str(error).split())})."
        ) from error
    boxes = table[_BOX].apply(pd.to_numeric, errors="coerce").fillna(-1).astype(int).to_numpy().tolist()
    names, labels = table["subDirectory_filePath"].tolist(), table["expression"].tolist()
    yield from zip(range(len(table)), names, labels, boxes, strict=True)
