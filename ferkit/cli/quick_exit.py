"""A command ends when it is done, without the seconds in which Python takes its modules apart.

ZenML, SQLAlchemy, MLflow and TensorFlow are some hundred thousand objects, whose end is of no use to anybody.
"""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quick_exit"]


@contextmanager
def quick_exit() -> Iterator[None]:
    """End the process at once when the block has ended it; to be entered before libraries are imported.

    What was registered meanwhile to be done at the exit, such as writing what is left of a log, is done before; threads
    that are no daemons are waited for. An error that is told with its traceback, and Ctrl-C, end as ever.
    """
    status: int | None = None

    def end() -> None:
        if status is None:
            return
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            # Nobody reads any more, which Python has a status for.
            return
        os._exit(status)

    # Functions are called in the order opposite to that in which they were registered.
    atexit.register(end)
    try:
        yield
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            status = leaving.code or 0
        raise
    status = 0
