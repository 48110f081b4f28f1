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


# Damaged frames in a row after which nothing more is expected: some seconds.
_MOST_DAMAGED = 100
# Files that count their frames; of others, FFmpeg gives the length times the rate, which may be off.
_COUNTED = (".3g2", ".3gp", ".avi", ".m4v", ".mov", ".mp4")
# Of the length of the others, the share that has to come.
_LEAST_LENGTH = 0.9


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a video or webcam.

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
    """Every `every`-th frame of a video file, the first included; damaged ones are left out.

    Parameters
    ----------
    start
        Index of the first frame that may come. Those before it are passed over one by one: a jump into a video is not
        exact.

    Raises
    ------
    DataError
        If the file is missing, or is no video that OpenCV can read; behind the last frame, if fewer could be read than
        the file announces.
    """
    import cv2

    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    # FFmpeg takes what stands before a colon for a protocol, if the path does not begin with a slash.
    with _capture(str(path.absolute())) as capture:
        announced = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        rate = capture.get(cv2.CAP_PROP_FPS)
        read, seconds = 0, 0.0
        for index in _grabbed(capture, announced):
            # After a grab, this is the time of the frame that was grabbed.
            seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            # Frames that are left out are not converted.
            picture = _retrieved(capture) if index % every == 0 and index >= start else None
            read += 1
            if picture is not None:
                yield Frame(index, round(max(0.0, seconds), 3), picture)
    if not read:
        raise DataError(f"{path}: not a video that can be read, expected MP4, AVI, MOV, MKV, WebM or the like.")
    if path.suffix.lower() in _COUNTED:
        whole = read >= announced
    else:
        whole = rate <= 0 or seconds + 1 / rate >= _LEAST_LENGTH * announced / rate
    if not whole:
        raise DataError(f"{path}: {read:,} frames of {announced:,} could be read; the file is damaged, or cut short.")


def frame_count(path: Path) -> int:
    """How many frames a video file says that it has; 0 where it does not say, or is none. Not to be relied upon."""
    import cv2

    with _capture(str(path.absolute())) as capture:
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
    with _capture(number) as capture:
        start = time.monotonic()
        index = -1
        # It announces nothing.
        for index in _grabbed(capture, announced=0):
            # A webcam has no time of its own.
            seconds = time.monotonic() - start
            if index % every:
                continue
            picture = _retrieved(capture)
            if picture is None:
                break
            yield Frame(index, round(seconds, 3), picture)
    if index < 0:
        raise DataError(f"webcam {number}: there is none, or another program has it; 0 is the first of this machine.")


def _grabbed(capture: "cv2.VideoCapture", announced: int) -> Iterator[int]:
    """The index of each frame that could be grabbed; after a damaged one it goes on while more are announced."""
    index = damaged = 0
    while True:
        if capture.grab():
            yield index
            damaged = 0
        elif index < announced and damaged < _MOST_DAMAGED:
            damaged += 1
        else:
            return
        index += 1


def _retrieved(capture: "cv2.VideoCapture") -> NDArray[np.uint8] | None:
    """The picture that was grabbed last, None if it is damaged."""
    import cv2

    whole, picture = capture.retrieve()
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8) if whole else None


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
