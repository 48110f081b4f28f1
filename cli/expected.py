"""Which errors a person can do something about, and what."""

import errno

from ferkit.errors import FerkitError

__all__ = ["expected_error"]

_FULL = "the disk is full{where}: free some space and run the same command again, what is finished is kept."


def expected_error(error: BaseException) -> FerkitError | None:
    """`error` as one that is told in a line; None for one that is a bug and needs its traceback."""
    if isinstance(error, FerkitError):
        return error
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return FerkitError(_FULL.format(where=f" ({seen.filename})" if seen.filename else ""))
        if isinstance(seen, OSError) and seen.filename and seen.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return FerkitError(f"{seen.filename}: {seen.strerror}; change the permissions or name another place.")
        # SQLite, under ZenML's and MLflow's stores, has no error of its own for it.
        if "database or disk is full" in str(seen):
            return FerkitError(_FULL.format(where=" (a database)"))
        seen = seen.__cause__ or seen.__context__
    return None
