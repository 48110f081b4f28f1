"""Checks that the stores of ZenML and MLflow can be used, in seconds; a failure is one line.

Both libraries try again for minutes where nobody answers, which is right in the middle of a long training and wrong at
the beginning of a command.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from urllib.parse import quote, urlsplit

from ferkit.errors import FerkitError

__all__ = ["StoreError", "require_store", "without_user"]

# Of one attempt, and of everything: resolving a name has no limit of its own.
_ATTEMPT_SECONDS = 4.0
_MOST_SECONDS = 8.0
# Of checking a whole database: a large one is checked in part.
_POLL_SECONDS = 2.0
# What a proxy answers for a server that is away.
_AWAY = (502, 503, 504)
_ADVICE = ": is it running, and is the address right?"


class StoreError(FerkitError):
    """A store of ZenML or MLflow that is away, damaged or cannot be written."""


def require_store(whose: str, url: str, *, verify: bool | str = True, writable: bool = True) -> None:
    """Check that the store at `url` is there and can be used, or is not made yet.

    Parameters
    ----------
    whose
        ``ZenML`` or ``MLflow``.
    url
        A server's address, or the URL of a database.
    verify
        How the certificate of a server is checked, as `requests` takes it.
    writable
        Whether a database has to take changes.

    Raises
    ------
    StoreError
        If it cannot be used; after 8 s at most.
    """
    scheme = urlsplit(url).scheme.partition("+")[0]
    if scheme in ("http", "https"):
        _within(f"{whose}'s server {without_user(url)}", lambda: _require_server(whose, url, verify))
    elif scheme == "sqlite":
        if path := url.partition(":///")[2].partition("?")[0]:
            _require_file(whose, Path(path), writable=writable)
    elif scheme in ("mysql", "postgresql"):
        _within(f"{whose}'s database {without_user(url)}", lambda: _require_database(whose, url))


def _within(what: str, check: Callable[[], None]) -> None:
    """Call `check`, which may hang where nothing can interrupt it; a `StoreError` after 8 s."""
    problems: list[BaseException] = []

    def attempt() -> None:
        try:
            check()
        except BaseException as error:  # noqa: BLE001 - raised again below
            problems.append(error)

    thread = Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(_MOST_SECONDS)
    if thread.is_alive():
        raise StoreError(f"{what} does not answer (for {_MOST_SECONDS:.0f} s){_ADVICE}")
    if problems:
        raise problems[0]


def _require_server(whose: str, url: str, verify: bool | str) -> None:
    import requests

    where = f"{whose}'s server {without_user(url)}"
    try:
        response = requests.get(f"{url.rstrip('/')}/health", timeout=_ATTEMPT_SECONDS, verify=verify, stream=True)
    except requests.exceptions.SSLError as error:
        raise StoreError(f"{where}: its certificate is not accepted ({_reason(error)}).") from None
    except (requests.exceptions.RequestException, ValueError) as error:
        raise StoreError(f"{where} does not answer ({_reason(error)}){_ADVICE}") from None
    response.close()
    # Any other answer comes from something that is there, be it a proxy that wants to know who asks.
    if response.status_code in _AWAY:
        raise StoreError(f"{where} is away: what is before it answers {response.status_code} {response.reason}.")


def _require_database(whose: str, url: str) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    where = f"{whose}'s database {without_user(url)}"
    try:
        # Drivers of both kinds of database know this argument.
        engine = create_engine(url, connect_args={"connect_timeout": round(_ATTEMPT_SECONDS)})
        engine.connect().close()
        engine.dispose()
    except ImportError as error:
        raise StoreError(f"{where}: its driver is missing ({error}).") from None
    except SQLAlchemyError as error:
        raise StoreError(f"{where}: {_reason(getattr(error, 'orig', None) or error)}") from None


def _require_file(whose: str, path: Path, *, writable: bool) -> None:
    where = f"{whose}'s database {path}"
    try:
        if not path.exists():
            return
    except OSError as error:
        raise StoreError(f"{where} cannot be read: {error.strerror}; change the permissions.") from None
    if not path.is_file():
        raise StoreError(f"{where} is not a file: move away what is there.")
    needed = os.R_OK | (os.W_OK if writable else 0)
    if not os.access(path, needed) or (writable and not os.access(path.parent, os.W_OK)):
        raise StoreError(f"{where} cannot be {'written' if writable else 'read'}: change the permissions.")
    try:
        _check_database(path, writable=writable)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise StoreError(
                f"{where} is locked by another process for {_ATTEMPT_SECONDS:.0f} s: wait for it, or end it."
            ) from None
        raise StoreError(f"{where} cannot be {'written' if writable else 'read'} ({error}).") from None
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"{where} is damaged ({error}): bring back a copy, or move it away, and an empty one is made."
        ) from None


def _check_database(path: Path, *, writable: bool) -> None:
    """Raise SQLite's error if a database is damaged, locked or not writable."""
    # To read it, SQLite first takes back what a killed process left half done.
    mode = "rw" if os.access(path, os.W_OK) else "ro"
    database = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=_ATTEMPT_SECONDS,
        isolation_level=None,
    )  # fmt: skip
    try:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        deadline = time.monotonic() + _POLL_SECONDS
        database.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        try:
            [found] = database.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            found = "ok"
        database.set_progress_handler(None, 0)
        if found != "ok":
            raise sqlite3.DatabaseError(" ".join(found.replace("***", "").split()))
        if writable:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
    finally:
        database.close()


def without_user(url: str) -> str:
    """`url` without the name and password that it may hold."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _reason(error: BaseException) -> str:
    """The innermost cause, in one line."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())[:300]
