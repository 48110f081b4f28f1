"""The folder of the databases, by a path that the URL of a database can hold."""

import hashlib
import os
import tempfile
from pathlib import Path

from ferkit.errors import ConfigError

__all__ = ["database_folder", "make_database_folder"]


def database_folder(root: Path) -> Path:
    """`root`, or the link to it that `make_database_folder` makes where the path holds a ``?``.

    SQLAlchemy ends the path of an SQLite URL at the first ``?`` and knows no way to quote one.
    """
    if "?" not in str(root):
        return root
    key = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"ferkit-{os.getuid()}-{key}"


def make_database_folder(root: Path) -> None:
    """Make what `database_folder` names, if `root` is not its own.

    Raises
    ------
    ConfigError
        If something else has its name.
    """
    link = database_folder(root)
    if link == root:
        return
    try:
        link.symlink_to(root)
    except FileExistsError:
        # The folder for temporary files is everybody's: somebody else's link could lead to their database.
        if not link.is_symlink() or link.lstat().st_uid != os.getuid() or link.readlink() != root:
            raise ConfigError(
                f"{link}: expected a link of yours to {root}, found something else; remove it, or name a folder of "
                "state without a ? with FERKIT_HOME."
            ) from None
