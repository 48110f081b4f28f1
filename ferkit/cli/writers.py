"""Writes the results of pictures: lines for people, JSON for programs, one picture after another."""

import json
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from ferkit.inference.predictor import FacePrediction
from ferkit.inference.results import Finding
from ferkit.inference.stream import PictureResult

__all__ = ["JsonWriter", "LineWriter", "PredictionReport", "Writer"]

_FILE_WIDTH = 40
_DECIMALS = 4
# Data sets of cut faces have sides of 48 to 256 pixels, and hardly a side that is longer than the other by a third.
_CROP_SIDE, _CROP_RATIO = 256, 4 / 3


class Writer(Protocol):
    """Takes findings one by one; as a context manager it finishes what it wrote."""

    def write(self, finding: Finding) -> None:
        """Write the finding of one picture."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _StreamWriter:
    """Writes to a stream, and closes it at the end if it was opened for it."""

    def __init__(self, stream: TextIO, classes: Sequence[str], *, close: bool = False) -> None:
        self._stream = stream
        self._classes = tuple(classes)
        self._close = close

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._close:
            self._stream.close()


class LineWriter(_StreamWriter):
    """One line a face, under a heading.

    Parameters
    ----------
    longest
        Characters of the longest name that will come, as far as it is known.
    """

    def __init__(self, stream: TextIO, classes: Sequence[str], longest: int) -> None:
        super().__init__(stream, classes)
        self._width = max(len("picture"), min(longest, _FILE_WIDTH))
        self._columns = [max(4, len(name)) for name in self._classes]
        self._emotion = max(len("emotion"), *(len(name) for name in self._classes))
        self._headed = False

    def write(self, finding: Finding) -> None:
        """Write a line for each face of one picture, or that it has none."""
        if not self._headed:
            names = (f"{name:>{width}}" for name, width in zip(self._classes, self._columns, strict=True))
            self._line("picture", f"{'box':<20}  {'emotion':<{self._emotion}}  {'  '.join(names)}")
            self._headed = True
        name = finding.file
        if finding.seconds is not None:
            name = f"{name} {finding.seconds:.2f} s"
        for face in finding.faces:
            x, y, width, height = face.box
            values = (f"{p:>{w}.2f}" for p, w in zip(face.probabilities, self._columns, strict=True))
            box = f"{width}x{height} at {x},{y}"
            self._line(name, f"{box:<20}  {face.emotion:<{self._emotion}}  {'  '.join(values)}")
        if not finding.faces:
            self._line(name, "no face")

    def _line(self, name: str, rest: str) -> None:
        # The end of a long path says more than its beginning.
        shown = name if len(name) <= self._width else f"…{name[-self._width + 1 :]}"
        self._stream.write(f"{shown:<{self._width}}  {rest}\n")
        self._stream.flush()


class JsonWriter(_StreamWriter):
    """An array with an object a picture, one line each, closed even if the work is stopped."""

    def __enter__(self) -> Self:
        self._stream.write("[")
        self._separator = "\n"
        return self

    def write(self, finding: Finding) -> None:
        """Write the object of one picture."""
        # Of what a terminal cannot show, JSON has a form of its own.
        shows_all = (self._stream.encoding or "utf-8").lower().replace("-", "") == "utf8"
        self._stream.write(self._separator + json.dumps(self._object(finding), ensure_ascii=not shows_all))
        self._separator = ",\n"
        self._stream.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.write("\n]\n")
        super().__exit__(kind, error, trace)

    def _object(self, finding: Finding) -> dict[str, Any]:
        record: dict[str, Any] = {"file": finding.file}
        if finding.frame is not None:
            record |= {"frame": finding.frame, "seconds": finding.seconds}
        if finding.size:
            record |= dict(zip(("width", "height"), finding.size, strict=True))
        return record | {"faces": [self._face(face) for face in finding.faces]}

    def _face(self, face: FacePrediction) -> dict[str, Any]:
        values = (round(float(p), _DECIMALS) for p in face.probabilities)
        return {
            "box": dict(zip(("x", "y", "width", "height"), face.box, strict=True)),
            "score": round(face.score, _DECIMALS),
            "emotion": face.emotion,
            "probabilities": dict(zip(self._classes, values, strict=True)),
        }


class PredictionReport:
    """Hands findings to writers, prints what could not be read on standard error, and counts both.

    Attributes
    ----------
    writers
        Receivers of the pictures that could be read.
    pictures, faces, problems
        How many there were.
    perhaps_crops
        How many pictures without a face are so small and square that they may be one, cut as FER-2013's are.
    """

    def __init__(self) -> None:
        self.writers: list[Writer] = []
        self.pictures = self.faces = self.problems = self.perhaps_crops = 0

    def add(self, group: Sequence[PictureResult]) -> None:
        """Hand the findings of some pictures to the writers, and count them."""
        for result in group:
            finding = result.finding
            if finding.problem:
                self.problems += 1
                print(f"ferkit: {finding.problem}", file=sys.stderr)  # noqa: T201
                continue
            self.pictures += 1
            self.faces += len(finding.faces)
            self.perhaps_crops += _may_be_crop(finding)
            for writer in self.writers:
                writer.write(finding)


def _may_be_crop(finding: Finding) -> bool:
    if finding.faces or finding.size is None or finding.frame is not None:
        return False
    return max(finding.size) <= min(_CROP_SIDE, _CROP_RATIO * min(finding.size))
