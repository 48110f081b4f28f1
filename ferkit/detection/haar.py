"""OpenCV's cascade of Haar features, the detector that FER-2013 was collected with.

Viola and Jones, "Rapid object detection using a boosted cascade of simple features", CVPR 2001. It misses heads that
lean or turn; it is here for comparison.
"""

import threading
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferkit.detection.base import Face, Framing, largest_first, require_rgb
from ferkit.errors import ConfigError

if TYPE_CHECKING:
    import cv2

__all__ = ["HaarCascade"]


class HaarCascade:
    """OpenCV's Haar cascade: finds frontal, upright faces.

    Parameters
    ----------
    neighbours
        How many overlapping boxes make a face: more of them miss more faces and invent fewer.
    least_side
        Least side of a face, in pixels.

    Raises
    ------
    ConfigError
        If OpenCV came without the cascade, as version 5 does.
    """

    # FER-2013's pictures are this detector's boxes.
    framing = Framing()

    def __init__(self, neighbours: int = 5, least_side: int = 30) -> None:
        self._neighbours = neighbours
        self._least_side = least_side
        self._lock = threading.Lock()

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces of a picture (H, W, 3) uint8 RGB, largest first."""
        import cv2

        require_rgb(picture)
        grey = cv2.equalizeHist(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
        with self._lock:
            boxes, _, weights = self._cascade.detectMultiScale3(
                grey,
                minNeighbors=self._neighbours,
                minSize=(self._least_side, self._least_side),
                outputRejectLevels=True,
            )
        return largest_first(
            [
                Face((int(x), int(y), int(width), int(height)), float(weight))
                for (x, y, width, height), weight in zip(boxes, np.ravel(weights), strict=True)
            ]
        )

    @cached_property
    def _cascade(self) -> "cv2.CascadeClassifier":
        import cv2

        if not hasattr(cv2, "CascadeClassifier"):
            raise ConfigError(
                f"OpenCV {cv2.__version__} has no Haar cascades: pip install 'opencv-python-headless>=4.13,<5'."
            )
        # cv2.data is not among OpenCV's type hints.
        folder: str = vars(cv2)["data"].haarcascades
        return cv2.CascadeClassifier(f"{folder}haarcascade_frontalface_default.xml")
