"""The pictures and frames that `ferkit predict` reads, one after another, and the folder of drawings."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkit.data.picture_files import read_picture
from ferkit.errors import DataError
from ferkit.inference.inputs import Source
from ferkit.inference.results import Finding
from ferkit.inference.video import Frame, frame_count, frames_of_video, frames_of_webcam

__all__ = ["Drawings", "PictureFrame", "PictureResult", "count_pictures", "pictures_of_sources", "pictures_of_webcam"]

_OF_A_FRAME = re.compile(r"(.*)-\d{6}")


@dataclass(frozen=True, eq=False)
class PictureFrame:
    """A picture and where it comes from.

    Attributes
    ----------
    source
        Index of its source.
    file
        As the user named it; ``webcam 0`` for a webcam.
    picture : (H, W, 3) uint8 RGB
        None if it could not be read, or is not needed any more.
    index, seconds
        Number of the frame in its video and when it is shown; None for a picture file.
    problem
        Why it could not be read.
    """

    source: int
    file: str
    picture: NDArray[np.uint8] | None
    index: int | None = None
    seconds: float | None = None
    problem: str | None = None

    @property
    def next(self) -> tuple[int, int]:
        """The place after this frame: index of a source, and of the first frame of it that is to come."""
        return (self.source + 1, 0) if self.index is None else (self.source, self.index + 1)


@dataclass(frozen=True, eq=False)
class PictureResult:
    """A picture or frame with the faces that were found in it."""

    frame: PictureFrame
    finding: Finding


def pictures_of_sources(
    sources: Sequence[Source], every: int, start: tuple[int, int] = (0, 0)
) -> Iterator[PictureFrame]:
    """Pictures, and every `every`-th frame of videos, in order; a file that cannot be read is a frame with a problem.

    Parameters
    ----------
    start
        Index of the first source, and of the first frame that may come of it.
    """
    first, frame = start
    for index, source in enumerate(sources[first:], first):
        if source.problem:
            yield PictureFrame(index, source.name, None, problem=source.problem)
            continue
        try:
            if source.is_video and not source.path.is_dir():
                frames = frames_of_video(source.path, every, frame if index == first else 0)
                yield from _of_frames(index, source.name, frames)
            else:
                yield PictureFrame(index, source.name, read_picture(source.path))
        except DataError as error:
            yield PictureFrame(index, source.name, None, problem=str(error))


def pictures_of_webcam(number: int, every: int) -> Iterator[PictureFrame]:
    """Every `every`-th frame of a webcam."""
    return _of_frames(0, f"webcam {number}", frames_of_webcam(number, every))


def count_pictures(sources: Iterable[Source], every: int) -> int:
    """About how many pictures and frames the sources have: a video may have more or fewer frames than it says."""
    return sum(max(1, -(-frame_count(each.path) // every)) if each.is_video else 1 for each in sources)


def _of_frames(index: int, name: str, frames: Iterable[Frame]) -> Iterator[PictureFrame]:
    for frame in frames:
        yield PictureFrame(index, name, frame.picture, frame.index, frame.seconds)


class Drawings:
    """A folder of pictures with what was found drawn onto them; it is made if missing.

    A drawing is called like its picture; with a number behind it if a picture before it has that name, too. The names
    depend on the sources alone, so that work that goes on later draws beside what it drew before.
    """

    def __init__(self, folder: Path, sources: Sequence[Source]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.names = _different(sources)

    def add(self, group: Sequence[PictureResult]) -> None:
        """Draw the pictures that could be read; their frames have to hold them."""
        from PIL import Image

        from ferkit.inference.drawing import draw_predictions

        for result in group:
            frame = result.frame
            if frame.picture is None:
                continue
            name = self.names[frame.source]
            if frame.index is not None:
                name = f"{name}-{frame.index:06d}"
            drawing = Image.fromarray(draw_predictions(frame.picture, result.finding.faces))
            drawing.save(self._folder / f"{name}.jpg", quality=92)


def _different(sources: Sequence[Source]) -> list[str]:
    """A name for each source, none of which is another's, nor that of another's frame."""
    stems = [source.path.stem for source in sources]
    of_frames = {found[1] for stem in stems if (found := _OF_A_FRAME.fullmatch(stem))}
    taken: set[str] = set()
    names = []
    for source, stem in zip(sources, stems, strict=True):
        name, count = stem, 1
        while name in taken or (source.is_video and name in of_frames):
            count += 1
            name = f"{stem}-{count}"
        taken.add(name)
        names.append(name)
    return names
