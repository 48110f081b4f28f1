"""What `ferkit predict` looks at, one picture after another, and where it draws."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import DataError
from ferkit.footage import VIDEO_SUFFIXES, Frame, frames_of_video, frames_of_webcam
from ferkit.pictures import find_pictures, read_picture
from ferkit.predictor import FacePrediction

__all__ = ["Drawings", "Shot", "shots_of_files", "shots_of_webcam"]


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture and where it comes from.

    Attributes
    ----------
    file
        As the user named it; ``webcam 0`` for a webcam.
    picture : (H, W, 3) uint8 RGB
    frame, seconds
        None for a picture file.
    """

    file: str
    picture: NDArray[np.uint8]
    frame: int | None = None
    seconds: float | None = None


def shots_of_files(names: Sequence[str], every: int, tell: Callable[[DataError], None]) -> Iterator[Shot]:
    """Pictures, the pictures of folders, and every `every`-th frame of videos, in the order they are named.

    Parameters
    ----------
    tell
        Called with why a file cannot be read; the next one follows.
    """
    for name in names:
        try:
            path = Path(name)
            if path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir():
                yield from _of_frames(name, frames_of_video(path, every))
                continue
            files = find_pictures(path) if path.is_dir() else [path]
        except DataError as error:
            tell(error)
            continue
        for file in files:
            try:
                picture = read_picture(file)
            except DataError as error:
                tell(error)
                continue
            yield Shot(str(file), picture)


def shots_of_webcam(number: int, every: int) -> Iterator[Shot]:
    """Every `every`-th frame of a webcam."""
    return _of_frames(f"webcam {number}", frames_of_webcam(number, every))


def _of_frames(name: str, frames: Iterable[Frame]) -> Iterator[Shot]:
    for frame in frames:
        yield Shot(name, frame.picture, frame.index, frame.seconds)


class Drawings:
    """A folder of pictures with what was found drawn onto them; it is made if missing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._taken: set[str] = set()

    def save(self, shot: Shot, faces: Sequence[FacePrediction]) -> Path:
        """Draw, under the picture's name; with a number behind it if another folder has one of that name."""
        from PIL import Image

        from ferkit.overlay import draw_predictions

        stem = Path(shot.file).stem if shot.frame is None else f"{Path(shot.file).stem}-{shot.frame:06d}"
        name, count = stem, 1
        while name in self._taken:
            count += 1
            name = f"{stem}-{count}"
        self._taken.add(name)
        path = self._folder / f"{name}.jpg"
        Image.fromarray(draw_predictions(shot.picture, faces)).save(path, quality=92)
        return path
