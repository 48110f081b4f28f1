"""The process that decodes one picture after the other: ``python -m ferkit.data.decoding_process DESCRIPTOR``.

`ferkit.data.limited_process.LimitedProcess` starts it and asks it over a socket: a line of JSON and a file's content
for each picture, answered by a line of JSON and bytes. Each picture has a limit of memory, at which the allocation
fails, and one of processor time, at which the system ends the process. It ends when its socket is closed.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ferkit.data.picture_files import decode_here, register_readers
from ferkit.errors import DataError, TooCostlyError

__all__ = ["main", "prepare", "serve"]

# Takes a task and a file's content, gives an answer and bytes.
Work = Callable[[dict[str, Any], bytes], tuple[dict[str, Any], Any]]

_NO_LIMIT = resource.RLIM_INFINITY


def main(descriptor: int) -> None:
    """Decode pictures for a connected socket until it is closed."""
    prepare()
    serve(descriptor, _decoded)


def prepare() -> None:
    """Have all readers at hand: what a picture needs is counted from then on."""
    from PIL import AvifImagePlugin

    # They are meant for the process that asks, which lets its work end and then closes the socket.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    register_readers()
    # Each thread of a decoder takes memory, and pictures are decoded side by side.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def serve(descriptor: int, work: Work) -> None:
    """Answer on a connected socket until it is closed, each picture within its limits."""
    here = _address_space()
    # An answer that is too long for whoever asked is not taken, and the socket closed.
    with Connection(descriptor) as connection, suppress(EOFError, ConnectionError):
        while True:
            task, content = json.loads(connection.recv_bytes()), connection.recv_bytes()
            answer, data = _answer(task, content, work, here)
            del content
            connection.send_bytes(json.dumps({**answer, "bytes": len(data)}).encode())
            left = memoryview(data)
            while left:
                left = left[os.write(connection.fileno(), left) :]
            del left, data


def _decoded(task: dict[str, Any], content: bytes) -> tuple[dict[str, Any], Any]:
    picture = decode_here(content, task["name"], task["most_pixels"])
    return {"shape": picture.shape}, picture.reshape(-1).data


def _answer(task: dict[str, Any], content: bytes, work: Work, here: int | None) -> tuple[dict[str, Any], Any]:
    try:
        # The content was received in parts, which were put together.
        with _limited(here and here + task["memory"] + 2 * len(content), task["seconds"]):
            return work(task, content)
    except DataError as error:
        return {"error": str(error), "kind": type(error).__name__}, b""
    except Exception as error:  # noqa: BLE001 - what it means is for the process that asked to say.
        # OpenCV has no class for it.
        if isinstance(error, MemoryError) or "Insufficient memory" in str(error):
            message = f"{task['name']}: takes far more memory than a picture of its size; save it anew."
            return {"error": message, "kind": TooCostlyError.__name__}, b""
        return {"error": f"{type(error).__name__}: {error}", "kind": type(error).__name__}, b""


@contextmanager
def _limited(memory: int | None, seconds: float) -> Iterator[None]:
    """Hold the process to an address space of `memory` bytes and to `seconds` of processor time."""
    if memory is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, _NO_LIMIT))
    # Nobody handles SIGPROF: it ends the process, also within a library.
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (_NO_LIMIT, _NO_LIMIT))


def _address_space() -> int | None:
    """Bytes that the process has taken; None where the system is not Linux, which has no such limit."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[0]
    except OSError:
        return None
    return int(pages) * resource.getpagesize()


if __name__ == "__main__":
    main(int(sys.argv[1]))
