"""`ferkit predict`: the emotions in pictures, videos and what a webcam sees."""

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cli.shots import Drawings, Shot, shots_of_files, shots_of_webcam
from cli.sightings import JsonWriter, LineWriter, Sighting, Writer, writer_to
from cli.workspace import Workspace
from ferkit.detection import DetectorName, load_detector
from ferkit.errors import ConfigError, FerkitError
from ferkit.labels import Target
from ferkit.pictures import SUFFIXES
from ferkit.predictor import Classify, Crops, Predictor

__all__ = ["register"]

# The network sees the faces of this many pictures at once; fewer where they are large, as they are kept until then.
_BATCH = 16
_KEPT_PIXELS = 40_000_000


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("predict")(predict)


def predict(
    pictures: Annotated[
        list[str] | None,
        typer.Argument(
            help="Pictures, folders of pictures, video files; with --webcam, its number.", metavar="PICTURE..."
        ),
    ] = None,
    *,
    target: Annotated[Target, typer.Option(help="The emotions of FER-2013, or those of FER+.")] = "fer",
    single: Annotated[
        bool, typer.Option("--single", help="Ask the one network that learnt from the ensemble: many times faster.")
    ] = False,
    model: Annotated[
        Path | None, typer.Option(metavar="FILE.keras", help="Ask this network instead of the reference models.")
    ] = None,
    webcam: Annotated[
        bool, typer.Option("--webcam", help="Look through webcam 0, or the one that follows: --webcam 1.")
    ] = False,
    every: Annotated[int, typer.Option(min=1, help="Look at each N-th frame of a video only.", metavar="N")] = 1,
    detector: Annotated[DetectorName, typer.Option(help="What finds the faces.")] = "blazeface",
    no_detect: Annotated[
        bool, typer.Option("--no-detect", help="Each picture is a face and nothing else, as in FER-2013.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a table (FILE.csv) or objects (FILE.json).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    draw: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write each picture with its faces and their emotions.")
    ] = None,
) -> None:
    """Find the faces of pictures, and say which emotion each shows.

    A file that cannot be read is told in a line; the others go on, and the status is 1 at the end. Examples:

    * `ferkit predict holiday.jpg`
    * `ferkit predict photos/ --to faces.csv --draw found/`
    * `ferkit predict talk.mp4 --every 25 --target ferplus --json`
    * `ferkit predict --webcam --single`
    """
    if not pictures and not webcam:
        raise ConfigError("nothing to look at: name pictures, folders or videos, or give --webcam.")
    failures = 0

    def tell(error: FerkitError) -> None:
        nonlocal failures
        failures += 1
        print(f"ferkit: {error}", file=sys.stderr)  # noqa: T201

    classify, classes = _model(model, target, single=single)
    predictor = Predictor(classify, classes, None if no_detect else load_detector(detector))
    if webcam:
        shots, longest = shots_of_webcam(_webcam_number(pictures), every), len("webcam 0 1000.00 s")
    else:
        shots, longest = shots_of_files(pictures or [], every, tell), _longest(pictures or [])
    with ExitStack() as stack:
        writers = [stack.enter_context(each) for each in _writers(classes, to, longest, as_json=as_json)]
        _quiet()
        work = _Work(predictor, writers, Drawings(draw) if draw else None, batch=1 if webcam else _BATCH)
        try:
            for shot in shots:
                work.add(shot)
        except KeyboardInterrupt:
            # The usual way to switch a webcam off.
            if not webcam:
                raise
        work.finish()
    if to:
        print(f"{to}: {work.faces:,} faces in {work.pictures:,} pictures")  # noqa: T201
    if draw:
        print(f"{draw}: {work.pictures:,} pictures")  # noqa: T201
    if failures:
        raise typer.Exit(1)


class _Work:
    """Finds the faces of each picture, and classifies those of several pictures at once."""

    def __init__(
        self, predictor: Predictor, writers: Sequence[Writer], drawings: Drawings | None, batch: int = _BATCH
    ) -> None:
        self._predictor = predictor
        self._writers = writers
        self._drawings = drawings
        self._batch = batch
        self._waiting: list[tuple[Shot, Crops]] = []
        self.pictures = 0
        self.faces = 0

    def add(self, shot: Shot) -> None:
        """Take one more picture."""
        self._waiting.append((shot, self._predictor.find(shot.picture)))
        pixels = sum(each.picture.size // 3 for each, _ in self._waiting)
        if len(self._waiting) >= self._batch or pixels >= _KEPT_PIXELS:
            self.finish()

    def finish(self) -> None:
        """Tell all that was taken."""
        waiting, self._waiting = self._waiting, []
        for (shot, _), faces in zip(waiting, self._predictor.classify([crops for _, crops in waiting]), strict=True):
            self.pictures += 1
            self.faces += len(faces)
            height, width = shot.picture.shape[:2]
            for writer in self._writers:
                writer.write(Sighting(shot.file, (width, height), faces, shot.frame, shot.seconds))
            if self._drawings:
                self._drawings.save(shot, faces)


def _quiet() -> None:
    """Nothing but our own lines on the terminal: TensorFlow and OpenCV write past all logging, Pillow warns a lot."""
    from cli.console import quiet_native_libraries

    warnings.filterwarnings("ignore", module="PIL")
    quiet_native_libraries(Workspace.open().root / "native.log")


def _model(file: Path | None, target: Target, *, single: bool) -> tuple[Classify, tuple[str, ...]]:
    """The network that the options name, and its classes; none is loaded yet."""
    if file is None:
        from ferkit.reference_model import load_reference

        reference = load_reference()
        return partial(reference.predict, target=target, single=single), reference.classes(target)
    if single:
        raise ConfigError("--single is one of the reference models, --model names another: give one of them.")
    from ferkit.model import FaceModel

    network = FaceModel(file.stem, target, file)
    return network.predict, network.classes


def _webcam_number(named: Sequence[str] | None) -> int:
    if not named:
        return 0
    if len(named) > 1 or not named[0].isdecimal():
        raise ConfigError(f"--webcam {' '.join(named)}: expected the number of a webcam and no picture.")
    return int(named[0])


def _longest(names: Sequence[str]) -> int:
    """Characters of the longest name to come, about: the files of a folder are not known yet, nor a video's length."""
    return max(len(name) + (0 if Path(name).suffix.lower() in SUFFIXES else 20) for name in names)


def _writers(classes: Sequence[str], to: Path | None, longest: int, *, as_json: bool) -> Iterator[Writer]:
    if to:
        yield writer_to(to, classes)
    if as_json:
        yield JsonWriter(sys.stdout, classes)
    elif not to:
        yield LineWriter(sys.stdout, classes, longest)
