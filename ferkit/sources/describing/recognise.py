"""Which source a file or folder is, by what lies in it."""

from pathlib import Path

import pandas as pd

from ferkit.errors import DataError
from ferkit.sources import (
    Fer2013Settings,
    FolderSettings,
    HuggingFaceSettings,
    PictureSettings,
    PublishedSettings,
    ShardSettings,
    SourceSettings,
    TableSettings,
)
from ferkit.sources.folder_tree import class_folders
from ferkit.sources.published.file_names import jaffe, kdef
from ferkit.sources.split_names import split_index
from ferkit.sources.tables.huggingface import holds_pictures

__all__ = ["recognise", "with_crop"]

_TABLES = (".csv", ".tsv", ".parquet")
# A file or folder by which a published data set is known.
_MARKS = {"list_patition_label.txt": "rafdb", "cohn-kanade-images": "ckplus", "Manually_Annotated_Images": "affectnet"}


def recognise(path: Path) -> SourceSettings:
    """The settings that read `path`, with every default.

    Raises
    ------
    DataError
        If it is nothing that ferkit reads.
    """
    if path.is_file() and path.suffix.lower() in _TABLES:
        return _of_table(path)
    if not path.is_dir():
        what = "no table" if path.exists() else "no such file or folder"
        raise DataError(
            f"{path}: {what}, expected a configuration (.yaml), a table ({', '.join(_TABLES)}) or a folder."
        )
    if any((path / name).exists() for name in ("fer2013.csv", "icml_face_data.csv")):
        return Fer2013Settings(path=path)
    if any(path.glob("*.tar")):
        return ShardSettings(path=path)
    if (file := next(path.rglob("*.parquet"), None)) and holds_pictures(file):
        return HuggingFaceSettings(path=path)
    layout = _layout(path)
    return _of_folders(path) if layout is None else PublishedSettings.model_validate({"layout": layout, "path": path})


def with_crop(settings: SourceSettings) -> SourceSettings:
    """`settings` that find and cut out the faces, which ``--crop`` asks for.

    Raises
    ------
    DataError
        If the source has no pictures of its own to look for faces in.
    """
    if not isinstance(settings, PictureSettings):
        raise DataError(f"--crop: source {settings.source} holds faces that are cut out already; leave it out.")
    return settings.model_copy(update={"crop": True})


def _of_table(path: Path) -> SourceSettings:
    if path.suffix.lower() == ".parquet" and holds_pictures(path):
        return HuggingFaceSettings(path=path)
    return Fer2013Settings(path=path) if _has_pixels(path) else TableSettings(path=path)


def _of_folders(path: Path) -> SourceSettings:
    """Pictures whose names say what they are, folders of classes, or the one table that lies there."""
    if called := _layout_by_names(path):
        return PublishedSettings.model_validate({"layout": called, "path": path})
    try:
        class_folders(path)
    except DataError as error:
        tables = sorted(each for each in path.iterdir() if each.suffix.lower() in _TABLES)
        if len(tables) == 1:
            return _of_table(tables[0])
        raise DataError(f"{error} Nor is there a table, shards or a data set of a known layout.") from error
    return FolderSettings(path=path)


def _has_pixels(path: Path) -> bool:
    """Whether a table holds the pictures themselves, as FER-2013's does."""
    if path.suffix.lower() == ".parquet":
        return False
    try:
        names = pd.read_csv(path, sep=None, engine="python", nrows=0).columns
    except (OSError, ValueError):
        return False
    return "pixels" in {str(name).strip().lower() for name in names}


def _layout(root: Path) -> str | None:
    for mark, layout in _MARKS.items():
        if next(root.rglob(mark), None):
            return layout
    if any(split_index(each.parent.name) is not None for each in root.rglob("label.csv")):
        return "ferplus"
    if any((each.parent / "images").is_dir() for each in root.rglob("annotations")):
        return "affectnet"
    return None


def _layout_by_names(root: Path) -> str | None:
    """The data set after whose fashion at least half of the files are called."""
    for layout, read in (("jaffe", jaffe), ("kdef", kdef)):
        try:
            found = read(root)
        except DataError:
            continue
        others = sum(count for reason, count in found.passed_over.items() if reason.startswith("not called as"))
        if others <= len(found.files):
            return layout
    return None
