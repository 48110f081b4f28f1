"""How what was found in pictures is told: lines for people, CSV and JSON for programs, one picture after another."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from ferkit.errors import ConfigError
from ferkit.predictor import FacePrediction

__all__ = ["CsvWriter", "JsonWriter", "LineWriter", "Sighting", "Writer", "writer_to"]

_FILE_WIDTH = 40
_DECIMALS = 4


@dataclass(frozen=True)
class Sighting:
    """The faces of one picture, or of one frame of a video.

    Attributes
    ----------
    file
        As the user named it; ``webcam 0`` for a webcam.
    size
        Width and height in pixels.
    frame, seconds
        None for a picture.
    """

    file: str
    size: tuple[int, int]
    faces: Sequence[FacePrediction]
    frame: int | None = None
    seconds: float | None = None


class Writer(Protocol):
    """Takes sightings as they come; as a context manager it finishes what it wrote."""

    def write(self, sighting: Sighting) -> None:
        """Tell one picture."""

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

    def write(self, sighting: Sighting) -> None:
        """Write the lines of one picture."""
        if not self._headed:
            names = (f"{name:>{width}}" for name, width in zip(self._classes, self._columns, strict=True))
            self._line("picture", f"{'box':<20}  {'emotion':<{self._emotion}}  {'  '.join(names)}")
            self._headed = True
        name = sighting.file
        if sighting.seconds is not None:
            name = f"{name} {sighting.seconds:.2f} s"
        for face in sighting.faces:
            x, y, width, height = face.box
            values = (f"{p:>{w}.2f}" for p, w in zip(face.probabilities, self._columns, strict=True))
            box = f"{width}x{height} at {x},{y}"
            self._line(name, f"{box:<20}  {face.emotion:<{self._emotion}}  {'  '.join(values)}")
        if not sighting.faces:
            self._line(name, "no face")

    def _line(self, name: str, rest: str) -> None:
        # The end of a long path says more than its beginning.
        shown = name if len(name) <= self._width else f"…{name[-self._width + 1 :]}"
        self._stream.write(f"{shown:<{self._width}}  {rest}\n")
        self._stream.flush()


class CsvWriter(_StreamWriter):
    """One row a face, and one without a face for a picture that has none."""

    def __enter__(self) -> Self:
        self._rows = csv.writer(self._stream, lineterminator="\n")
        self._rows.writerow(
            ["file", "frame", "seconds", "face", "x", "y", "width", "height", "score", "emotion", *self._classes]
        )
        return self

    def write(self, sighting: Sighting) -> None:
        """Write the rows of one picture."""
        about = [
            sighting.file,
            "" if sighting.frame is None else sighting.frame,
            "" if sighting.seconds is None else sighting.seconds,
        ]
        for index, face in enumerate(sighting.faces):
            values = [round(float(p), _DECIMALS) for p in face.probabilities]
            self._rows.writerow([*about, index, *face.box, round(face.score, _DECIMALS), face.emotion, *values])
        if not sighting.faces:
            self._rows.writerow([*about, *[""] * (7 + len(self._classes))])
        self._stream.flush()


class JsonWriter(_StreamWriter):
    """An array with an object a picture, one line each, closed even if the work is stopped."""

    def __enter__(self) -> Self:
        self._stream.write("[")
        self._separator = "\n"
        return self

    def write(self, sighting: Sighting) -> None:
        """Write one picture."""
        self._stream.write(self._separator + json.dumps(self._object(sighting), ensure_ascii=False))
        self._separator = ",\n"
        self._stream.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.write("\n]\n")
        super().__exit__(kind, error, trace)

    def _object(self, sighting: Sighting) -> dict[str, Any]:
        told: dict[str, Any] = {"file": sighting.file}
        if sighting.frame is not None:
            told |= {"frame": sighting.frame, "seconds": sighting.seconds}
        told |= {"width": sighting.size[0], "height": sighting.size[1]}
        return told | {"faces": [self._face(face) for face in sighting.faces]}

    def _face(self, face: FacePrediction) -> dict[str, Any]:
        values = (round(float(p), _DECIMALS) for p in face.probabilities)
        return {
            "box": dict(zip(("x", "y", "width", "height"), face.box, strict=True)),
            "score": round(face.score, _DECIMALS),
            "emotion": face.emotion,
            "probabilities": dict(zip(self._classes, values, strict=True)),
        }


def writer_to(path: Path, classes: Sequence[str]) -> Writer:
    """The writer of the kind that `path` ends with; its folder is made.

    Raises
    ------
    ConfigError
        If it ends with neither .csv nor .json, or is a folder.
    """
    kinds: dict[str, type[CsvWriter] | type[JsonWriter]] = {".csv": CsvWriter, ".json": JsonWriter}
    kind = kinds.get(path.suffix.lower())
    if kind is None or path.is_dir():
        raise ConfigError(f"--to {path}: expected the name of a file that ends with .csv or .json.")
    path.parent.mkdir(parents=True, exist_ok=True)
    return kind(path.open("w", encoding="utf-8", newline=""), classes, close=True)
