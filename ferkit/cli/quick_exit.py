"""A command ends when it is done, without the seconds in which Python takes its modules apart.

ZenML, SQLAlchemy, MLflow and TensorFlow are some hundred thousand objects, whose end is of no use to anybody.
"""

import atexit
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quick_exit"]


@contextmanager
def quick_exit() -> Iterator[None]:
    """End the process at once when the block has ended it; to be entered before libraries are imported.

    What was registered meanwhile to be done at the exit is done before; threads that are no daemons are waited for.
    Logs are written to their end with the block. An error that is told with its traceback, and Ctrl-C, end as ever.
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
    else:
        status = 0
    finally:
        # From Python 3.12 on no thread can begin at the exit, and a handler of OpenTelemetry's, which ZenML brings,
        # begins one to write what is left.
        logging.shutdown()
        atexit.unregister(logging.shutdown)
