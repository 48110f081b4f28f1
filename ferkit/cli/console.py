"""What a person sees while a pipeline runs: one line an event, and the reason of a failure once.

ZenML prints every failure with its whole traceback, and native libraries write to the process' standard error past all
logging. A run should show neither: an expected error is one line, and what TensorFlow has to say lies in a file.
"""

import logging
import os
import re
import sys
import time
import traceback
from pathlib import Path
from typing import TextIO

from ferkit.cli.errors import expected_error
from ferkit.errors import FerkitError

__all__ = ["RunConsole", "hush_zenml", "quiet_native_libraries"]

# ZenML's messages that tell how far a run is, and how we say them.
_EVENTS = (
    (re.compile(r"Using cached version of step `?([\w-]+)`?\."), "{} is unchanged: cached"),
    (re.compile(r"Step `?([\w-]+)`? has started( on [\w.:-]+)?\."), "{} ...{}"),
    (re.compile(r"Step `?([\w-]+)`? has finished in `?([^`]+?)`?\.$"), "{} took {}"),
    (re.compile(r"Skipping step `?([\w-]+)`? due to"), "{} is skipped, a step before it failed"),
)
_FAILED = re.compile(r"Step `?([\w-]+)`? failed\.")


class RunConsole(logging.Handler):
    """The only handler that writes to the terminal during a run; remembers the first failure.

    Parameters
    ----------
    stream
        The terminal.
    prefix
        What stands before each event, where several runs take turns.

    Attributes
    ----------
    failure
        The error of the first step that failed; None as long as none did.
    """

    def __init__(self, stream: TextIO, prefix: str = "") -> None:
        super().__init__(logging.INFO)
        self._stream, self._prefix = stream, prefix
        self.failure: FerkitError | None = None

    def attach(self) -> None:
        """Replace ZenML's console handler by this one."""
        hush_zenml()
        root = logging.getLogger()
        for handler in list(root.handlers):
            if isinstance(handler, RunConsole):
                root.removeHandler(handler)
        root.addHandler(self)
        logging.getLogger("ferkit").setLevel(logging.INFO)
        # MLflow prints the traceback of an error of its database past every handler, and then raises it: a step that
        # meets it fails, which is told as it is of others.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

    def of_run(self, name: str) -> "RunConsole":
        """A handler for one of several runs, to be attached while its events are told; its lines begin with `name`."""
        return RunConsole(self._stream, f"{name} | ")

    def emit(self, record: logging.LogRecord) -> None:
        """Write the event that a log record is; most records are none and are left out."""
        text = self._text(record)
        if text:
            self.write_event(text)

    def write_event(self, text: str) -> None:
        """Write an event as a line, behind the time of day."""
        self._stream.write(f"{time.strftime('%H:%M:%S')}  {self._prefix}{text}\n")
        self._stream.flush()

    def _text(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.name.startswith(("zenml", "ferkit.orchestrators")):
            return self._event(record, message)
        if record.name.startswith("ferkit"):
            return message
        if record.levelno >= logging.ERROR:
            return f"{record.name}: {message}"
        return ""

    def _event(self, record: logging.LogRecord, message: str) -> str:
        for pattern, text in _EVENTS:
            if found := pattern.match(message):
                return text.format(*found.groups(""))
        failed = _FAILED.match(message)
        if not failed or not record.exc_info or record.exc_info[1] is None:
            return ""
        error = record.exc_info[1]
        expected = expected_error(error)
        if expected:
            self.failure = self.failure or expected
            return f"{failed[1]} failed: {expected}"
        text = "".join(traceback.format_exception(error)).rstrip()
        self.failure = self.failure or FerkitError(
            f"step {failed[1]} failed with an error that ferkit does not know: {error!r}."
        )
        return f"{failed[1]} failed\n{text}"


def hush_zenml() -> None:
    """Remove the handler with which ZenML prints every change of its store."""
    # The handlers are made when the package is imported.
    import zenml  # noqa: F401

    root = logging.getLogger()
    for handler in list(root.handlers):
        if type(handler).__name__ == "ZenMLConsoleHandler":
            root.removeHandler(handler)


def quiet_native_libraries(log: Path) -> TextIO:
    """Redirect file descriptor 2 to the file `log`, and return a stream to where it led before, the terminal.

    Python's own standard error goes on to the terminal.
    """
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    terminal = os.fdopen(os.dup(2), "w", buffering=1, encoding=encoding, errors="backslashreplace")
    with log.open("wb") as file:
        os.dup2(file.fileno(), 2)
    sys.stderr = terminal
    return terminal
