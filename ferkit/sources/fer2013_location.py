"""Where the table of FER-2013 lies below a folder, and what to do about FER-2013 in a form that is not read."""

import shlex
from pathlib import Path

from ferkit.errors import DataError

__all__ = ["CHALLENGE", "find_table"]

_NAMES = ("fer2013.csv", "icml_face_data.csv")
_ARCHIVES = {".tar.gz": "tar -xzf {} -C {}", ".tgz": "tar -xzf {} -C {}", ".tar": "tar -xf {} -C {}",
             ".zip": "unzip {} -d {}"}  # fmt: skip
CHALLENGE = (
    "train.csv and test.csv of the Kaggle challenge lack Usage and the labels of both test splits: take "
    "icml_face_data.csv of the same archive, which has all"
)


def find_table(path: Path) -> Path:
    """The file of FER-2013's pictures.

    Parameters
    ----------
    path
        That file, or a folder that holds ``fer2013.csv`` or ``icml_face_data.csv``: directly, in ``fer2013/``, or in a
        folder of the file's own name, as Kaggle's archives are unpacked.

    Raises
    ------
    DataError
        If there is none: what is there instead, and what to do.
    """
    if path.is_file():
        if command := _unpacking(path):
            raise DataError(f"{path}: an archive, expected {' or '.join(_NAMES)}. Unpack it: `{command}`.")
        return path
    folders = (path, path / "fer2013")
    candidates = [folder / name for folder in folders for name in _NAMES]
    for candidate in (*candidates, *(each / each.name for each in candidates)):
        if candidate.is_file():
            return candidate
    if path.suffix.lower() == ".csv" and not path.is_dir():
        raise DataError(f"{path}: no such file. {_download(path.parent)}")
    raise DataError(_instead(path, folders))


def _instead(path: Path, folders: tuple[Path, ...]) -> str:
    """What lies in `path` in place of the table, and what to do about it."""
    missing = f"{path}: no {' or '.join(_NAMES)} there"
    for folder in folders:
        for archive in sorted(folder.glob("*")):
            if command := _unpacking(archive):
                return f"{missing}, but the archive {archive.name}. Unpack it: `{command}`."
        if (folder / "train.csv").is_file():
            return f"{missing}. {CHALLENGE}, or run `ferkit data download {path}`."
        if (folder / "train").is_dir():
            source = shlex.quote(f"data={{source: folder, path: {folder}}}")
            return f"{missing}, but train/. If it holds a folder for each emotion: --set {source}."
    return f"{missing}. {_download(path)}"


def _download(folder: Path) -> str:
    return f"Run `ferkit data download {folder}`, or name their folder: --set data.path=FOLDER."


def _unpacking(file: Path) -> str | None:
    """The command that unpacks `file` where it lies; None if it is no archive."""
    name = file.name.lower()
    command = next((command for suffix, command in _ARCHIVES.items() if name.endswith(suffix)), None)
    if command is None or not file.is_file():
        return None
    return command.format(shlex.quote(str(file)), shlex.quote(str(file.parent)))
