"""The process that decodes what strangers send: ``python -m ferkit.inference.decoder_process DESCRIPTOR DETECTOR``.

`ferkit.inference.decoder.Decoder` starts it and asks it over a socket, see `ferkit.data.decoding_process`. It imports
Pillow and OpenCV, never TensorFlow.
"""

import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from ferkit.data.decoding_process import prepare, serve
from ferkit.data.picture_files import decode_here, inspect_picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ferkit.detection.base import Detector

__all__ = ["main"]


def main(descriptor: int, detector_name: str) -> None:
    """Answer on a connected socket until it is closed."""
    prepare()
    serve(descriptor, partial(_answer, _loaded(detector_name)))


def _loaded(detector_name: str) -> "Detector | None":
    """The detector, with all that it and OpenCV load once."""
    if not detector_name:
        return None
    import cv2
    import numpy as np

    from ferkit.detection.loading import load_detector

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    detector = load_detector(detector_name)
    detector.detect(np.zeros((480, 800, 3), np.uint8))
    return detector


def _answer(detector: "Detector | None", task: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    name, most_pixels = task["name"], task["most_pixels"]
    if task["task"] == "inspect":
        head = inspect_picture(content, name, most_pixels)
        return {"width": head.width, "height": head.height}, b""
    picture = decode_here(content, name, most_pixels)
    return ({}, _preview(picture, task["side"])) if task["task"] == "preview" else _faces(task, picture, detector)


def _faces(
    task: dict[str, Any], picture: "NDArray[np.uint8]", detector: "Detector | None"
) -> tuple[dict[str, Any], bytes]:
    from ferkit.data.input_card import InputCard
    from ferkit.inference.predictor import find_faces

    # It takes time for every face, of which small pictures may have many.
    signal.setitimer(signal.ITIMER_PROF, task["detector_seconds"])
    crops = find_faces(
        picture, detector if task["detect"] else None, InputCard(**task["taken"]), most=task["most_faces"]
    )
    answer = {
        "width": picture.shape[1],
        "height": picture.shape[0],
        "faces": [(face.box, face.score, face.roll) for face in crops.faces],
        "left_out": crops.left_out,
    }
    return answer, crops.images.tobytes()


def _preview(picture: "NDArray[np.uint8]", side: int) -> bytes:
    """JPEG of a picture (H, W, 3) uint8 RGB, made smaller where it is wider or higher than `side`."""
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
