"""Decoding in a process of its own, with limits of memory and time that no picture gets past."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from ferkit.data.dataset import SIZE
from ferkit.data.picture_files import PictureHead
from ferkit.detection.base import Face
from ferkit.detection.loading import DetectorName
from ferkit.errors import DataError, TooCostlyError, TooLargeError
from ferkit.inference.predictor import Crops

__all__ = ["Decoder", "FoundFaces"]

# Bytes that a picture may take beside its pixels, and for each of them: a progressive JPEG takes 13, an AVIF of 10 bits
# without subsampling the most.
_MEMORY, _MEMORY_OF_PIXEL = 64_000_000, 20
# An animated WebP has two canvases of four bytes a pixel as soon as it is opened, which nobody touches until then.
_CANVASES_OF_PIXEL = 8
# Seconds of a processor, the same, for the head alone, and to find faces: some hundred take five.
_SECONDS, _SECONDS_OF_PIXEL, _SECONDS_OF_HEAD, _SECONDS_OF_DETECTOR = 1.0, 0.4e-6, 1.0, 30.0
# How often is looked whether somebody still waits; what takes less is not worth a new process.
_LOOK_SECONDS = 1.0
# Of an answer; a process that was taken over may send anything.
_MOST_ANSWER = 100_000_000
_ERRORS = {error.__name__: error for error in (DataError, TooCostlyError, TooLargeError)}
# glibc's malloc: one arena, and freed blocks as large as pictures go back to the system. Of OpenBLAS nothing is asked.
_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1000000",
    "MALLOC_TRIM_THRESHOLD_": "10000000",
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """The faces of a picture, which itself is gone.

    Attributes
    ----------
    name
        What messages call the picture.
    width, height
        In pixels, as the picture is shown: turned as EXIF says.
    crops
        The largest of its faces.
    left_out
        Faces beyond them.
    """

    name: str
    width: int
    height: int
    crops: Crops
    left_out: int


class Decoder:
    """A process that inspects and decodes pictures, one at a time; one that was ended is replaced.

    Parameters
    ----------
    detector
        What finds faces; None: it only inspects.
    """

    def __init__(self, detector: DetectorName | None = None) -> None:
        self._detector = detector
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
                # Not from the folder where the service was started, which may hold anything.
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "ferkit.inference.decoder_process",
                    str(theirs.fileno()),
                    self._detector or "",
                ],
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
        """Its number; None if none was started yet."""
        return self._process.pid if self._process else None

    def inspect(
        self, content: bytes, name: str, most_pixels: int, gone: Callable[[], bool] = lambda: False
    ) -> PictureHead:
        """What `ferkit.data.picture_files.inspect_picture` says.

        Parameters
        ----------
        gone
            Says whether nobody waits for the answer any more.

        Raises
        ------
        TooLargeError
            If the picture is larger than allowed.
        TooCostlyError
            If reading its head takes too much memory or time.
        DataError
            If it is no picture.
        CancelledError
            If nobody waits.
        """
        canvases = _CANVASES_OF_PIXEL * most_pixels if content[8:12] == b"WEBP" else 0
        task = {"task": "inspect", "memory": _MEMORY + canvases, "seconds": _SECONDS_OF_HEAD}
        answer, _ = self._ask({**task, "name": name, "most_pixels": most_pixels}, content, gone)
        return PictureHead(answer["width"], answer["height"])

    def find(
        self,
        content: bytes,
        name: str,
        head: PictureHead,
        *,
        detect: bool = True,
        most_faces: int,
        gone: Callable[[], bool] = lambda: False,
    ) -> FoundFaces:
        """The faces of a picture that was inspected; memory and time are limited by the pixels that its head says.

        Parameters
        ----------
        detect
            Find faces; false: the picture is a face and nothing else.
        most_faces
            How many of them, the largest.
        gone
            Says whether nobody waits for the answer any more.

        Raises
        ------
        TooCostlyError
            If decoding it takes more memory or time than a picture of its size needs.
        DataError
            If it is no whole picture.
        CancelledError
            If nobody waits.
        """
        task = {
            **_task("find", name, head),
            "detector_seconds": _SECONDS_OF_DETECTOR,
            "detect": detect,
            "most_faces": most_faces,
        }
        answer, data = self._ask(task, content, gone)
        faces = tuple(Face(tuple(box), score, roll) for box, score, roll in answer["faces"])
        images = np.frombuffer(data, np.uint8).reshape(len(faces), SIZE, SIZE)
        return FoundFaces(name, answer["width"], answer["height"], Crops(faces, images), answer["left_out"])

    def preview(
        self, content: bytes, name: str, head: PictureHead, *, side: int, gone: Callable[[], bool] = lambda: False
    ) -> bytes:
        """A picture that was inspected, as JPEG, upright and at most `side` pixels wide and high.

        Raises
        ------
        TooCostlyError
            If decoding it takes more memory or time than a picture of its size needs.
        DataError
            If it is no whole picture.
        CancelledError
            If nobody waits.
        """
        return self._ask({**_task("preview", name, head), "side": side}, content, gone)[1]

    def _ask(self, task: dict[str, Any], content: bytes, gone: Callable[[], bool]) -> tuple[dict[str, Any], bytes]:
        process, connection = self._running()
        try:
            connection.send_bytes(json.dumps(task).encode())
            connection.send_bytes(content)
            _wait(connection, gone)
            answer, data = json.loads(connection.recv_bytes(_MOST_ANSWER)), connection.recv_bytes(_MOST_ANSWER)
        except (EOFError, OSError) as error:
            raise _ended(process.wait(), task) from error
        except BaseException:
            # What it would answer now is for nobody.
            self.close()
            raise
        finally:
            # The next one need not wait for a new process.
            self.start()
        if "error" in answer:
            raise _ERRORS.get(answer["kind"], RuntimeError)(answer["error"])
        return answer, data


def _task(kind: str, name: str, head: PictureHead) -> dict[str, Any]:
    """A task with the limits of a picture's size."""
    return {
        "task": kind,
        "name": name,
        "most_pixels": head.pixels,
        "memory": _MEMORY + _MEMORY_OF_PIXEL * head.pixels,
        "seconds": _SECONDS + _SECONDS_OF_PIXEL * head.pixels,
    }


def _wait(connection: Connection, gone: Callable[[], bool]) -> None:
    while not connection.poll(_LOOK_SECONDS):
        if gone():
            raise CancelledError


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
    if status < 0:
        return DataError(f"{name}: not a whole picture (its decoder ended by signal {-status}).")
    return RuntimeError(f"a process of ferkit.inference.decoder_process ended with status {status}")
