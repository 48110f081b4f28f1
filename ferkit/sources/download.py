"""Bringing FER-2013 and FER+ from where they are published."""

import os
import shutil
import tempfile
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError

from ferkit.data.labels import FERPLUS_VOTES
from ferkit.errors import DataError
from ferkit.sources.fer2013 import FERPLUS_FILE

__all__ = ["FERPLUS_URL", "download"]

FERPLUS_URL = "https://raw.githubusercontent.com/microsoft/FERPlus/master/fer2013new.csv"

# The competition's own data set needs its rules accepted; this copy of fer2013.csv does not.
_KAGGLE = "deadskull7/fer2013"
_KAGGLE_API = "https://api.kaggle.com"
_PICTURES = "fer2013.csv"
_COLUMNS = {
    _PICTURES: ("emotion", "pixels", "usage"),
    FERPLUS_FILE: ("usage", "image name", *(name.lower() for name in FERPLUS_VOTES)),
}
_ROWS = 35_887
# To connect, and between two parts of an answer.
_SECONDS = 10
_BLOCK = 1 << 20


class _UnavailableError(Exception):
    """The network, the account or the file is not there."""


def download(to: Path, ferplus_url: str = FERPLUS_URL) -> list[Path]:
    """Bring ``fer2013.csv`` and ``fer2013new.csv`` into the folder `to`; a file that is there stays as it is.

    FER-2013 comes through kagglehub, with the account that it finds in ``~/.kaggle`` or ``KAGGLE_API_TOKEN``; it asks
    nothing. What one of the two brought is kept when the other cannot be had.

    Parameters
    ----------
    to
        Made if there is no such folder.
    ferplus_url
        Address of FER+'s ``fer2013new.csv``.

    Returns
    -------
    list of Path
        Both files, whole: their header and their 35,887 rows were checked.

    Raises
    ------
    DataError
        If one cannot be had or written: which, from where, and where to put it by hand.
    """
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{to}: no folder can be made there ({error.strerror}); name another.") from error
    pictures, votes = to / _PICTURES, to / FERPLUS_FILE
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
        raise DataError(f"cannot be fetched here: {' and '.join(missing)}. Fetch by hand and put into {to.resolve()}.")
    return [pictures, votes]


def _from_kaggle(path: Path) -> None:
    # kagglehub waits without a limit for a host that does not answer.
    _reach(_KAGGLE_API)
    # Its own choice is the home folder. Beside the target, an interrupted download goes on at the next call.
    cache = path.parent / ".kagglehub"
    theirs = os.environ.get("KAGGLEHUB_CACHE")
    os.environ["KAGGLEHUB_CACHE"] = theirs or str(cache)
    try:
        import kagglehub

        folder = Path(kagglehub.dataset_download(_KAGGLE))
    # It raises whatever the libraries below it raise.
    except Exception as error:
        raise _UnavailableError(f"Kaggle: {_first_line(error)}") from error
    finally:
        if theirs is None:
            del os.environ["KAGGLEHUB_CACHE"]
    found = sorted(folder.rglob(_PICTURES))
    if not found:
        raise _UnavailableError(f"the data set has no {_PICTURES}")
    with found[0].open("rb") as file:
        _keep(file, path, found[0].stat().st_size)
    shutil.rmtree(cache, ignore_errors=True)


def _from_url(url: str, path: Path) -> None:
    try:
        answer = urllib.request.urlopen(url, timeout=_SECONDS)  # noqa: S310  the caller names the address
    except (OSError, HTTPException, ValueError) as error:
        raise _UnavailableError(_first_line(error)) from error
    with answer:
        length = answer.headers.get("Content-Length")
        _keep(answer, path, int(length) if length else None)


def _reach(url: str) -> None:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_SECONDS).close()  # noqa: S310
    except HTTPError:
        return
    except (OSError, HTTPException) as error:
        raise _UnavailableError(_first_line(error)) from error


def _keep(content: IO[bytes], path: Path, size: int | None) -> None:
    """Write `size` bytes (None: nobody said how many) beside `path`, check, and rename: what has that name is whole."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", suffix=".part", delete=False) as part:
            partial = Path(part.name)
        try:
            with partial.open("wb") as file:
                while block := _next_block(content):
                    file.write(block)
            # A connection that is closed early looks like the end of the file, which may be in the last row.
            if size not in (None, partial.stat().st_size):
                raise _UnavailableError(f"{partial.stat().st_size:,} of {size:,} bytes came")
            _check(partial, path.name)
            partial.chmod(0o644)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); nothing half-written was kept.") from error


def _next_block(content: IO[bytes]) -> bytes:
    try:
        return content.read(_BLOCK)
    except (OSError, HTTPException) as error:
        raise _UnavailableError(_first_line(error)) from error


def _check(file: Path, name: str) -> None:
    with file.open("rb") as content:
        header = content.readline().decode("utf-8-sig", errors="replace")
        rows, last = 0, b"\n"
        while block := content.read(_BLOCK):
            rows, last = rows + block.count(b"\n"), block[-1:]
    rows += last != b"\n"
    columns = tuple(column.strip().strip('"').lower() for column in header.split(","))
    if columns != _COLUMNS[name]:
        raise _UnavailableError(f"another file came: its header is {header.strip()[:60]!r}")
    if rows != _ROWS:
        raise _UnavailableError(f"{rows:,} rows came, expected {_ROWS:,}")


def _first_line(error: Exception) -> str:
    # urllib wraps the reason in an error of its own, HTTPError excepted.
    cause = error if isinstance(error, HTTPError) else getattr(error, "reason", error)
    return (str(cause) or type(cause).__name__).splitlines()[0]
