"""Errors that a person can do something about, as one line that says what."""

import errno
import sys

from ferkit.cli.state.store_checks import without_user
from ferkit.errors import FerkitError

__all__ = ["expected_error"]

_FULL = "the disk is full{where}: free some space and run the same command again, what is finished is kept."

_STORE = "a database of ZenML or MLflow {}."
# Messages of SQLite and Alembic, under ZenML's and MLflow's stores, that have no error class; and what they mean.
_DATABASE_ERRORS = {
    "database or disk is full": _FULL.format(where=" (a database)"),
    "database disk image is malformed": _STORE.format("is damaged: bring back a copy, or move it away"),
    "file is not a database": _STORE.format("is none: bring back a copy, or move it away"),
    "database is locked": _STORE.format("is locked by another process: wait for it, or end it"),
    "attempt to write a readonly database": _STORE.format("cannot be written: change its permissions"),
    "Can't locate revision identified by": _STORE.format(
        "was made by a newer version: install that one, or name another folder of state with FERKIT_HOME"
    ),
    "Detected out-of-date database schema": _STORE.format(
        "is of another version of MLflow: install the one that made it"
    ),
}

# Exceptions of ZenML, which is not imported for their sake.
_AUTHORIZATION_ERRORS = ("AuthorizationException", "CredentialsNotValid")


def expected_error(error: BaseException) -> FerkitError | None:
    """The one-line error that stands for `error`; None if `error` is a bug, which needs its traceback."""
    if isinstance(error, FerkitError):
        return error
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return FerkitError(_FULL.format(where=f" ({seen.filename})" if seen.filename else ""))
        if isinstance(seen, OSError) and seen.filename and seen.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return FerkitError(f"{seen.filename}: {seen.strerror}; change the permissions or name another place.")
        if store := _store_trouble(seen):
            return FerkitError(store)
        seen = seen.__cause__ or seen.__context__
    return None


def _store_trouble(error: BaseException) -> str | None:
    """The line about a store of ZenML or MLflow that broke after the command had begun; None if `error` is not that."""
    if meant := next((line for text, line in _DATABASE_ERRORS.items() if text in str(error)), None):
        return meant
    if type(error).__module__ == "zenml.exceptions" and type(error).__name__ in _AUTHORIZATION_ERRORS:
        return f"ZenML's server: {' '.join(str(error).split())[:300]} (see ZENML_STORE_API_KEY)"
    requests = sys.modules.get("requests")
    if requests is None or not isinstance(error, requests.exceptions.ConnectionError | requests.exceptions.Timeout):
        return None
    where = without_user(error.request.url) if error.request else "a server"
    return f"{where}: no answer; run the same command again when the server is there, what is finished is kept."
