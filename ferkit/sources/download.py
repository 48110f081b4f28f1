"""Bringing FER-2013 and FER+ from where they are published."""

import os
import shutil
import urllib.error
import urllib.request
from io import BytesIO
from pathlib import Path
from typing import IO

from ferkit.errors import DataError
from ferkit.sources.fer2013 import FERPLUS_FILE

__all__ = ["FERPLUS_URL", "download"]

FERPLUS_URL = "https://raw.githubusercontent.com/microsoft/FERPlus/master/fer2013new.csv"

# The competition's own data set needs its rules accepted; this copy of fer2013.csv only an account.
_KAGGLE = "deadskull7/fer2013"
_PICTURES = "fer2013.csv"
_ROWS = 35_887
_SECONDS = 20


def download(to: Path, ferplus_url: str = FERPLUS_URL) -> list[Path]:
    """Bring ``fer2013.csv`` and ``fer2013new.csv`` into the folder `to`; files that are there stay as they are.

    Returns
    -------
    list of Path
        Both files.

    Raises
    ------
    DataError
        If one cannot be had: which, and where to put it by hand.
    """
    to.mkdir(parents=True, exist_ok=True)
    votes, pictures = to / FERPLUS_FILE, to / _PICTURES
    missing = []
    for path, bring, origin in (
        (pictures, _from_kaggle, f"https://www.kaggle.com/datasets/{_KAGGLE}"),
        (votes, lambda path: _from_url(ferplus_url, path), ferplus_url),
    ):
        if not path.exists():
            try:
                bring(path)
            except _UnavailableError as error:
                missing.append(f"{path.name} from {origin} ({error})")
    if missing:
        raise DataError(f"no way to bring {' and '.join(missing)}: fetch by hand and put into {to.resolve()}.")
    return [pictures, votes]


class _UnavailableError(Exception):
    """The network, the account or the file is not there."""


def _from_kaggle(path: Path) -> None:
    # Without a limit of its own kagglehub tries for minutes.
    os.environ.setdefault("KAGGLEHUB_VERBOSITY", "error")
    _reach("https://www.kaggle.com")
    try:
        import kagglehub

        folder = Path(kagglehub.dataset_download(_KAGGLE))
    # It raises whatever its own libraries raise.
    except Exception as error:
        raise _UnavailableError(f"Kaggle: {_first_line(error)}") from error
    found = sorted(folder.rglob(_PICTURES))
    if not found:
        raise _UnavailableError(f"Kaggle's data set has no {_PICTURES}")
    _place(found[0].open("rb"), path)


def _from_url(url: str, path: Path) -> None:
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310  the address is our own
            content = answer.read()
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise _UnavailableError(_first_line(error)) from error
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    if not content.startswith(b"Usage,") or lines != _ROWS + 1:
        raise _UnavailableError(f"{lines:,} lines came, expected {_ROWS + 1:,} that start with Usage")
    _place(BytesIO(content), path)


def _reach(url: str) -> None:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError:
        return
    except (urllib.error.URLError, OSError) as error:
        raise _UnavailableError(_first_line(error)) from error


def _place(content: IO[bytes], path: Path) -> None:
    """Write beside `path` and rename, so that a file that is there is whole."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        shutil.copyfileobj(content, file)
    part.replace(path)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
