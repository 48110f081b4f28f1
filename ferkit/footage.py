"""Frames of a video file or a webcam."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import DataError

if TYPE_CHECKING:
    import cv2

__all__ = ["VIDEO_SUFFIXES", "Frame", "frame_count", "frames_of_video", "frames_of_webcam"]

VIDEO_SUFFIXES = (
    ".3g2", ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv",
    ".ts", ".vob", ".webm", ".wmv",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of many.

    Attributes
    ----------
    index
        0 for the first.
    seconds
        When it is shown, from the first frame on.
    picture : (H, W, 3) uint8 RGB
    """

    index: int
    seconds: float
    picture: NDArray[np.uint8]


def frames_of_video(path: Path, every: int = 1, start: int = 0) -> Iterator[Frame]:
    """Every `every`-th frame of a video file, the first included.

    Parameters
    ----------
    start
        Index of the first frame that may come. Those before it are passed over one by one: a jump into a video is not
        exact.

    Raises
    ------
    DataError
        If the file is missing, or is no video that OpenCV can read.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    unreadable = f"{path}: not a video that can be read, expected MP4, AVI, MOV, MKV, WebM or the like."
    yield from _frames(str(path), every, unreadable, start)


def frame_count(path: Path) -> int:
    """How many frames a video file says that it has; 0 where it does not say, or is none. Not to be relied upon."""
    import cv2

    with _capture(str(path)) as capture:
        return max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))


def frames_of_webcam(number: int = 0, every: int = 1) -> Iterator[Frame]:
    """Every `every`-th frame of a webcam, until it is switched off or the iterator is closed.

    Parameters
    ----------
    number
        0 for the first webcam of the machine.

    Raises
    ------
    DataError
        If there is no such webcam, or it gives no picture.
    """
    missing = f"webcam {number}: there is none, or another program has it; 0 is the first of this machine."
    yield from _frames(number, every, missing)


def _frames(source: str | int, every: int, nothing: str, first: int = 0) -> Iterator[Frame]:
    import cv2

    with _capture(source) as capture:
        index = 0
        start = time.monotonic()
        # Frames that are left out are not decoded.
        while capture.grab():
            # A webcam has no time of its own. After a grab, this is the time of the frame that was grabbed.
            seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 if isinstance(source, str) else time.monotonic() - start
            if index % every == 0 and index >= first:
                whole, picture = capture.retrieve()
                if not whole:
                    break
                rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
                yield Frame(index, round(max(0.0, seconds), 3), np.asarray(rgb, dtype=np.uint8))
            index += 1
    if not index:
        raise DataError(nothing)


@contextmanager
def _capture(source: str | int) -> "Iterator[cv2.VideoCapture]":
    # FFmpeg and OpenCV tell the terminal what the caller is told by an error.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        capture = cv2.VideoCapture(source)
    finally:
        cv2.utils.logging.setLogLevel(level)
    try:
        yield capture
    finally:
        capture.release()
