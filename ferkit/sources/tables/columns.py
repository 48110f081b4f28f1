"""Which column of a table is what, by the names that people usually give it."""

import re
from collections.abc import Sequence
from pathlib import Path

from ferkit.errors import DataError

__all__ = ["find_box", "find_column"]

_USUAL = {
    "file": (
        *("file", "filename", "filepath", "path", "image", "imagename", "imagepath", "imagefile", "img", "picture"),
        *("pth", "subdirectoryfilepath"),
    ),
    "label": ("label", "labels", "class", "classname", "emotion", "expression", "target", "category", "labelname"),
    "split": ("split", "usage", "subset", "partition", "set", "phase"),
    "subject": ("subject", "subjectid", "person", "personid", "identity", "actor", "participant", "user", "userid"),
    "weight": ("weight", "sampleweight"),
}
# Left, top, width, height.
_SIZES = (
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("left", "top", "width", "height"),
    ("facex", "facey", "facewidth", "faceheight"),
    ("bboxx", "bboxy", "bboxw", "bboxh"),
)
# Left, top, right, bottom.
_CORNERS = (
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("left", "top", "right", "bottom"),
)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find_column(names: Sequence[str], kind: str, wanted: str | None, path: Path, *, needed: bool = False) -> str | None:
    """The column of a table that is its ``file``, ``label``, ``split``, ``subject`` or ``weight``; None without one.

    Parameters
    ----------
    names
        Of all columns.
    wanted
        What the settings call it, if they do.
    needed
        Whether there has to be one.

    Raises
    ------
    DataError
        If the column that is wanted or needed is not there, or several may be it.
    """
    if wanted is not None:
        if wanted not in names:
            raise DataError(f"{path}: data.columns.{kind} {wanted!r}: no such column; there are {', '.join(names)}.")
        return wanted
    found = [name for name in names if _plain(name) in _USUAL[kind]]
    if len(found) > 1:
        raise DataError(f"{path}: columns {' and '.join(found)} may each be its {kind}: name it, data.columns.{kind}.")
    if needed and not found:
        raise DataError(
            f"{path}: no column is known as its {kind}; there are {', '.join(names)}: name it, data.columns.{kind}."
        )
    return found[0] if found else None


def find_box(names: Sequence[str], wanted: tuple[str, ...] | None, path: Path) -> tuple[tuple[str, ...], bool] | None:
    """The four columns of a face's box, and whether the last two are its right and bottom; None without a box.

    Raises
    ------
    DataError
        If a column that is wanted is not there.
    """
    if wanted is not None:
        for name in wanted:
            find_column(names, "box", name, path)
        return wanted, False
    of_name = {_plain(name): name for name in names}
    for usual, has_corners in ((_SIZES, False), (_CORNERS, True)):
        for four in usual:
            if all(each in of_name for each in four):
                return tuple(of_name[each] for each in four), has_corners
    return None
