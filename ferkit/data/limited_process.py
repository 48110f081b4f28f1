"""Work on a picture in a process of its own, with limits of memory and time that no picture gets past."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import CancelledError
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import DataError, TooCostlyError, TooLargeError

__all__ = ["BASE_MEMORY", "LimitedProcess", "decode_apart", "limits_of"]

# Bytes that a picture may take beside its pixels, and for each of them: a progressive JPEG takes 13, an AVIF of 10 bits
# without subsampling the most.
BASE_MEMORY, _MEMORY_OF_PIXEL = 64_000_000, 20
# Seconds of a processor, the same.
_SECONDS, _SECONDS_OF_PIXEL = 1.0, 0.4e-6
# How often is looked whether somebody still waits; what takes less is not worth a new process.
_POLL_SECONDS = 1.0
# Of what is said of a picture, and of what comes with it; a process that was taken over may send anything.
_MOST_JSON, _MOST_RESPONSE = 10_000_000, 100_000_000
_ERRORS = {error.__name__: error for error in (DataError, TooCostlyError, TooLargeError)}
# glibc's malloc: one arena, and freed blocks as large as pictures go back to the system. Of OpenBLAS nothing is asked.
_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1000000",
    "MALLOC_TRIM_THRESHOLD_": "10000000",
    "OPENBLAS_NUM_THREADS": "1",
}


def limits_of(pixels: int) -> dict[str, Any]:
    """What decoding a picture of so many pixels may take: ``memory`` in bytes, ``seconds`` of a processor."""
    return {
        "most_pixels": pixels,
        "memory": BASE_MEMORY + _MEMORY_OF_PIXEL * pixels,
        "seconds": _SECONDS + _SECONDS_OF_PIXEL * pixels,
    }


def _nobody_leaves() -> bool:
    return False


class LimitedProcess:
    """A process that works on one picture at a time; one that was ended is replaced.

    Parameters
    ----------
    module
        What it runs: it calls `ferkit.data.decoding_process.serve`.
    *arguments
        Of the module, after the number of its socket.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._module, self._arguments = module, arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def start(self) -> None:
        """Start the process, unless it runs; it takes half a second until it answers."""
        self._running()

    def _running(self) -> tuple["subprocess.Popen[bytes]", Connection]:
        if self._process is not None and self._connection is not None and self._process.poll() is None:
            return self._process, self._connection
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of ours.
                # Not from the current folder, which may hold anything.
                [sys.executable, "-P", "-m", self._module, str(theirs.fileno()), *self._arguments],
                env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # Libraries of C write there what a stranger's file makes them say.
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._connection = Connection(ours.detach())
        return self._process, self._connection

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._connection = None

    @property
    def process(self) -> int | None:
        """Number (PID) of the process; None if none was started yet."""
        return self._process.pid if self._process else None

    def request(
        self,
        task: dict[str, Any],
        content: bytes,
        gone: Callable[[], bool] = _nobody_leaves,
        most_response: int = _MOST_RESPONSE,
    ) -> tuple[dict[str, Any], NDArray[np.uint8]]:
        """Send a task to the process and wait for its response.

        Parameters
        ----------
        task
            With ``name``, ``memory`` and ``seconds``, and whatever the module reads.
        content
            Bytes of the picture's file.
        gone
            Says whether nobody waits for the answer any more.
        most_response
            Largest number of bytes beside the JSON.

        Returns
        -------
        dict, (bytes,) uint8
            The JSON of the response, and the bytes beside it.

        Raises
        ------
        TooCostlyError
            If it takes more memory or time than allowed.
        TooLargeError, DataError
            As the module raises.
        CancelledError
            If nobody waits.
        """
        process, connection = self._running()
        try:
            connection.send_bytes(json.dumps(task).encode())
            connection.send_bytes(content)
            _wait(connection, gone)
            response = json.loads(connection.recv_bytes(_MOST_JSON))
            data = _received(connection, response.pop("bytes"), most_response)
        except (EOFError, OSError) as error:
            # One whose answer was too long still tries to send it.
            connection.close()
            raise _ended(process.wait(), task) from error
        except BaseException:
            # What it would answer now is for nobody.
            self.close()
            raise
        finally:
            # The next one need not wait for a new process.
            self.start()
        if "error" in response:
            raise _ERRORS.get(response["kind"], RuntimeError)(response["error"])
        return response, data


def _wait(connection: Connection, gone: Callable[[], bool]) -> None:
    while not connection.poll(_POLL_SECONDS):
        if gone():
            raise CancelledError


def _received(connection: Connection, count: int, most: int) -> NDArray[np.uint8]:
    """So many bytes, each copied once: a `Connection` does so three times, and a picture may have 300 MB."""
    if not 0 <= count <= most:
        raise OSError(f"{count} bytes, expected at most {most}")
    data = np.empty(count, np.uint8)
    came = 0
    while came < count:
        came += (read := os.readv(connection.fileno(), [data[came:].data]))
        if not read:
            raise EOFError
    return data


def _ended(status: int, task: dict[str, Any]) -> Exception:
    """What the end of a process says about its picture."""
    name = task["name"]
    if status == -signal.SIGPROF:
        return TooCostlyError(
            f"{name}: takes far more time than a picture of its size ({task['seconds']:.1f} s of a processor), or "
            "shows too many faces; save it anew, or smaller."
        )
    if status == -signal.SIGKILL:
        return TooCostlyError(f"{name}: the system had no memory left for it; make it smaller.")
    if status == 0:
        return DataError(f"{name}: not a whole picture (it is larger than its head says).")
    if status < 0:
        return DataError(f"{name}: not a whole picture (its decoder ended by signal {-status}).")
    return RuntimeError(f"{name}: the process that decodes pictures ended with status {status}")


# Those that wait for work; a thread that finds none starts one.
_idle: "SimpleQueue[LimitedProcess]" = SimpleQueue()


def decode_apart(content: bytes, name: str, pixels: int) -> NDArray[np.uint8]:
    """What `ferkit.data.picture_files.decode_here` gives, decoded in a process that may take what `pixels` need.

    Returns
    -------
    (H, W, 3) uint8 RGB

    Raises
    ------
    TooCostlyError
        If it takes more memory or time.
    DataError
        If it is no whole picture.
    """
    try:
        decoder = _idle.get_nowait()
    except Empty:
        decoder = LimitedProcess("ferkit.data.decoding_process")
    try:
        task = {**limits_of(pixels), "name": name}
        response, data = decoder.request(task, content, most_response=3 * pixels)
    finally:
        _idle.put(decoder)
    return data.reshape(response["shape"])


def _close_idle() -> None:
    while not _idle.empty():
        _idle.get_nowait().close()


def _forget_idle() -> None:
    """A process that was forked has no processes of its own yet, and those of its parent are not for it."""
    while not _idle.empty():
        _idle.get_nowait()


atexit.register(_close_idle)
os.register_at_fork(after_in_child=_forget_idle)
