"""Hashes of files, remembered as long as the files do not change.

Reading all of FER-2013 to learn that it is still the same takes longer than a run whose steps are all cached. So the
size, the dates and the inode of a file are kept beside its hash, as git's index keeps them, and a file that still has
them is not read again.
"""

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["FileHashes", "Sha256", "file_sha256"]

# A file -> its sha256 in hexadecimal; raises OSError where it cannot be read.
Sha256 = Callable[[Path], str]

# A file may change again without another date for as long as its file system's clock stands still: two seconds on FAT,
# less elsewhere. git calls such an entry of its index "racily clean" (Documentation/technical/racy-git.txt).
_COARSEST_CLOCK_NS = 2_000_000_000

_TABLE = """
create table if not exists files
(path blob primary key, size integer, changed integer, status_changed integer, inode integer, sha256 text)
"""


def file_sha256(path: Path) -> str:
    """The sha256 of a file's content in hexadecimal.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FileHashes:
    """A `Sha256` that reads a file only if its size, dates or inode differ from those at its last reading.

    Used as a context manager: what was read is remembered at its end. A memory that cannot be read or written costs
    time and nothing else.

    Parameters
    ----------
    memory
        A file of its own, made if missing.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._new: dict[bytes, tuple[int | str, ...]] = {}

    def __enter__(self) -> Self:
        self._store = self._opened() or self._opened()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store is None:
            return
        try:
            with closing(self._store), self._store:
                rows = ((path, *values) for path, values in self._new.items())
                self._store.executemany("insert or replace into files values (?, ?, ?, ?, ?, ?)", rows)
        except sqlite3.Error:
            # Somebody else writes for long, or the disk is full: the files are read again the next time.
            return

    def __call__(self, path: Path) -> str:
        """The sha256 of a file's content in hexadecimal, as `file_sha256`."""
        name, before = os.fsencode(path.resolve()), path.stat()
        remembered = self._remembered(name)
        if remembered and remembered[:-1] == _state(before):
            return str(remembered[-1])
        began = time.time_ns()
        found = file_sha256(path)
        settled = began - max(before.st_mtime_ns, before.st_ctime_ns) > _COARSEST_CLOCK_NS
        if settled and _state(path.stat()) == _state(before):
            self._new[name] = (*_state(before), found)
        return found

    def _remembered(self, name: bytes) -> tuple[int | str, ...] | None:
        if self._store is None:
            return None
        try:
            found: tuple[int | str, ...] | None = self._store.execute(
                "select size, changed, status_changed, inode, sha256 from files where path = ?", (name,)
            ).fetchone()
        except sqlite3.Error:
            return None
        return found

    def _opened(self) -> sqlite3.Connection | None:
        """The memory; one that is damaged is removed, so that the next call makes it anew."""
        try:
            with ExitStack() as if_it_fails:
                store = if_it_fails.enter_context(closing(sqlite3.connect(self._memory)))
                store.execute(_TABLE)
                if_it_fails.pop_all()
        except sqlite3.OperationalError:
            return None
        except sqlite3.DatabaseError:
            self._memory.unlink(missing_ok=True)
            return None
        return store


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
