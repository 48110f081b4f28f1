"""The process that decodes what strangers send: ``python -m ferkit.inference.decoder_process DESCRIPTOR DETECTOR``.

`ferkit.inference.decoder.Decoder` starts it and asks it over a socket: a line of JSON and a file's content for each
picture, answered by a line of JSON and bytes. It imports Pillow and OpenCV, never TensorFlow. Each picture has a limit
of memory, at which the allocation fails, and one of processor time, at which the system ends the process. It ends when
its socket is closed.
"""

import json
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferkit.data.picture_files import decode_picture, inspect_picture, register_readers
from ferkit.errors import DataError, TooCostlyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ferkit.detection.base import Detector

__all__ = ["main"]

_NO_LIMIT = resource.RLIM_INFINITY


def main(descriptor: int, detector_name: str) -> None:
    """Answer on a connected socket until it is closed."""
    detector = _loaded(detector_name)
    here = _address_space()
    with Connection(descriptor) as connection:
        while True:
            try:
                task, content = json.loads(connection.recv_bytes()), connection.recv_bytes()
            except EOFError:
                return
            answer, data = _answer(task, content, detector, here)
            del content
            connection.send_bytes(json.dumps(answer).encode())
            connection.send_bytes(data)


def _loaded(detector_name: str) -> "Detector | None":
    """The detector, with all that it, Pillow and OpenCV load once: what a picture needs is counted from here on."""
    register_readers()
    if not detector_name:
        return None
    import cv2
    import numpy as np
    from PIL import AvifImagePlugin

    from ferkit.detection.loading import load_detector

    # Each thread of a decoder takes memory, and pictures are decoded side by side.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    detector = load_detector(detector_name)
    detector.detect(np.zeros((480, 800, 3), np.uint8))
    return detector


def _answer(
    task: dict[str, Any], content: bytes, detector: "Detector | None", here: int | None
) -> tuple[dict[str, Any], bytes]:
    name = task["name"]
    try:
        # The content was received in parts, which were put together.
        with _limited(here and here + task["memory"] + 2 * len(content), task["seconds"]):
            if task["task"] == "inspect":
                head = inspect_picture(content, name, task["most_pixels"])
                return {"width": head.width, "height": head.height}, b""
            picture = decode_picture(content, name, task["most_pixels"])
            return (
                ({}, _preview(picture, task["side"])) if task["task"] == "preview" else _faces(task, picture, detector)
            )
    except DataError as error:
        return {"error": str(error), "kind": type(error).__name__}, b""
    except Exception as error:  # noqa: BLE001 - what it means is for the process that asked to say.
        # OpenCV has no class for it.
        if isinstance(error, MemoryError) or "Insufficient memory" in str(error):
            message = f"{name}: takes far more memory than a picture of its size; save it anew."
            return {"error": message, "kind": TooCostlyError.__name__}, b""
        return {"error": f"{type(error).__name__}: {error}", "kind": type(error).__name__}, b""


def _faces(
    task: dict[str, Any], picture: "NDArray[np.uint8]", detector: "Detector | None"
) -> tuple[dict[str, Any], bytes]:
    from ferkit.inference.predictor import find_faces

    # It takes time for every face, of which small pictures may have many.
    signal.setitimer(signal.ITIMER_PROF, task["detector_seconds"])
    crops = find_faces(picture, detector if task["detect"] else None)
    most = task["most_faces"]
    answer = {
        "width": picture.shape[1],
        "height": picture.shape[0],
        "faces": [(face.box, face.score, face.roll) for face in crops.faces[:most]],
        "left_out": max(0, len(crops.faces) - most),
    }
    return answer, crops.images[:most].tobytes()


def _preview(picture: "NDArray[np.uint8]", side: int) -> bytes:
    """JPEG of a picture (H, W, 3) uint8 RGB, made smaller where it is wider or higher than `side`."""
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1])


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
    # They are meant for the service, which lets requests end and then closes the socket.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    main(int(sys.argv[1]), sys.argv[2])
