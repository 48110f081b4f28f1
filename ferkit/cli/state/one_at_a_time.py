"""A block that one process at a time goes through."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ferkit.errors import FerkitError

__all__ = ["one_at_a_time"]

# Making ZenML's database takes a quarter of a minute; whoever has not ended after this was stopped or hangs.
_MOST_SECONDS = 120.0


@contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Go through the block while no other process does; a process that is killed lets go.

    Parameters
    ----------
    lock
        A file, made if missing, that everybody names who must not be there at the same time.

    Raises
    ------
    FerkitError
        If another process does not leave.
    """
    with lock.open("ab") as file:
        deadline = time.monotonic() + _MOST_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise FerkitError(
                        f"{lock}: another ferkit has held it for {_MOST_SECONDS:.0f} s: end that one, or wait."
                    ) from None
                time.sleep(0.1)
            except OSError:
                # A file system without locks, where people have to see to it themselves.
                break
        yield
