"""`ferkit predict`: the expressions in pictures, videos and what a webcam sees."""

import sys
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from ferkit.cli.interruptions import Interruptions
from ferkit.cli.model_choice import choose_model
from ferkit.cli.progress import PictureProgress
from ferkit.cli.state.workspace import Workspace
from ferkit.cli.writers import JsonWriter, LineWriter, PredictionReport, Writer
from ferkit.data.folder_search import reasons
from ferkit.data.labels import Target
from ferkit.detection.loading import DetectorName, load_detector
from ferkit.errors import ConfigError
from ferkit.inference.batches import BATCH, Output, predict_pictures
from ferkit.inference.inputs import Source, SourceList, list_sources, read_list
from ferkit.inference.predictor import Predictor
from ferkit.inference.results import MadeWith
from ferkit.inference.resumable_table import open_table
from ferkit.inference.stream import Drawings, PictureResult, pictures_of_sources, pictures_of_webcam

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("predict")(predict)


def predict(
    pictures: Annotated[
        list[str] | None,
        typer.Argument(
            help="Pictures, folders of pictures, video files, @FILE for a list; with --webcam, its number.",
            metavar="PICTURE...",
        ),
    ] = None,
    *,
    target: Annotated[
        Target | None,
        typer.Option(
            help="What the model tells apart, such as fer or ferplus of the shipped ones; its first if not given."
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="vote: the whole ensemble, more accurate and many times slower; tiny: the smallest network; or "
            "FILE.keras, a folder of exported models, models:/NAME@ALIAS or models:/NAME/VERSION, with #vote or #tiny "
            "for another than its default model.",
        ),
    ] = "default",
    list_file: Annotated[
        Path | None,
        typer.Option(
            "--list", metavar="FILE", help="Look at the paths in FILE: one a line, or the column file of CSV."
        ),
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
        Path | None,
        typer.Option(metavar="FILE", help="Write a table (FILE.parquet, FILE.csv) or objects (FILE.json)."),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin a table anew, do not go on where it was stopped.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    draw: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write each picture with its faces and their emotions.")
    ] = None,
) -> None:
    """Find the faces of pictures, and say which emotion each shows.

    A file that cannot be read is told in a line; the others go on, and the status is 1 at the end. A table that was
    stopped goes on with the same command. Examples:

    * `ferkit predict holiday.jpg`
    * `ferkit predict photos/ --to faces.csv --draw found/`
    * `ferkit predict --list pictures.txt --model vote --to faces.parquet`
    * `ferkit predict talk.mp4 --every 25 --target ferplus --json`
    * `ferkit predict --webcam --model tiny`
    """
    webcam_number = _webcam_number(pictures) if webcam else None
    listed = _sources(pictures, list_file, webcam_number)
    sources = listed.sources
    table = _table(to, restart=restart)
    chosen = choose_model(model, target)
    finder = None if no_detect else load_detector(detector)
    predictor = Predictor(chosen.classify, chosen.classes, finder, chosen.input)
    made_with: MadeWith = {
        "target": chosen.target, "model": chosen.sha256, "answers_by": chosen.name, "every": every, "webcam": webcam,
        "detector": "none" if no_detect else detector,
    }  # fmt: skip
    report = PredictionReport()
    with Interruptions() as interruptions, ExitStack() as stack:
        report.writers = [
            stack.enter_context(writer) for writer in _writers(chosen.classes, to, sources, as_json=as_json)
        ]
        outputs: list[Output] = [report, Drawings(draw, sources)] if draw else [report]
        batch = None
        if table:
            batch = stack.enter_context(open_table(table, chosen.classes, made_with, sources, restart=restart))
            # The last to take results: what the table holds has been printed and drawn.
            outputs.append(batch)
        start = batch.place if batch else (0, 0)
        if webcam_number is None:
            frames = pictures_of_sources(sources, every, start)
        else:
            frames = pictures_of_webcam(webcam_number, every)
        _quiet()
        with PictureProgress(batch, sources, every) as progress:
            groups = predict_pictures(
                frames, predictor, batch=1 if webcam else BATCH, ahead=not webcam, keep_pictures=draw is not None
            )
            _send(groups, [*outputs, progress], interruptions, webcam=webcam)
    done = batch.progress if batch else report
    if to:
        print(f"{to}: {done.faces:,} faces in {done.pictures:,} pictures")  # noqa: T201
    if draw:
        print(f"{draw}: {report.pictures:,} pictures")  # noqa: T201
    if report.perhaps_crops:
        count = f"{report.perhaps_crops:,} pictures that are as small as a cut face"
        print(  # noqa: T201
            f"ferkit: no face in {count}; if they are faces and nothing else, add --no-detect.", file=sys.stderr
        )
    if listed.passed_over:
        print(f"ferkit: passed over in folders: {reasons(listed.passed_over)}.", file=sys.stderr)  # noqa: T201
    if done.problems:
        raise typer.Exit(1)


def _send(
    found: Generator[list[PictureResult]], outputs: Sequence[Output], interruptions: Interruptions, *, webcam: bool
) -> None:
    """Hand the results, group by group, to each output."""
    try:
        with closing(found):
            for group in found:
                for output in outputs:
                    output.add(group)
                interruptions.raise_lost()
    except KeyboardInterrupt:
        # The usual way to switch a webcam off.
        if not webcam:
            raise


def _quiet() -> None:
    """Nothing but our own lines on the terminal: TensorFlow and OpenCV write past all logging, Pillow warns a lot."""
    from ferkit.cli.console import quiet_native_libraries

    warnings.filterwarnings("ignore", module="PIL")
    quiet_native_libraries(Workspace.named().native_log)


def _sources(named: Sequence[str] | None, list_file: Path | None, webcam: int | None) -> SourceList:
    if webcam is not None:
        return SourceList([Source(f"webcam {webcam}")])
    names = list(named or ())
    if not names and not list_file:
        raise ConfigError("nothing to look at: name pictures, folders or videos, or give --list or --webcam.")
    files = [list_file] if list_file else []
    for name in names:
        # A file that is really called so can be named ./@file.
        files += [Path(name[1:])] if name.startswith("@") else []
    listed = [name for file in files for name in read_list(file)]
    return list_sources([*(name for name in names if not name.startswith("@")), *listed])


def _table(to: Path | None, *, restart: bool) -> Path | None:
    """`to` if it is a table, which can be gone on with."""
    is_table = to is not None and to.suffix.lower() in (".csv", ".parquet")
    if to and (to.is_dir() or not (is_table or to.suffix.lower() == ".json")):
        raise ConfigError(f"--to {to}: expected the name of a file that ends with .parquet, .csv or .json.")
    if restart and not is_table:
        raise ConfigError("--restart begins a table anew: give --to FILE.parquet or --to FILE.csv, too.")
    return to if is_table else None


def _webcam_number(named: Sequence[str] | None) -> int:
    if not named:
        return 0
    if len(named) > 1 or not named[0].isdecimal():
        raise ConfigError(f"--webcam {' '.join(named)}: expected the number of a webcam and no picture.")
    return int(named[0])


def _writers(classes: Sequence[str], to: Path | None, sources: Sequence[Source], *, as_json: bool) -> Iterator[Writer]:
    if to and to.suffix.lower() == ".json":
        to.parent.mkdir(parents=True, exist_ok=True)
        yield JsonWriter(to.open("w", encoding="utf-8"), classes, close=True)
    if as_json:
        yield JsonWriter(sys.stdout, classes)
    elif not to:
        longest = max(len(source.name) + (len(" 10000.00 s") if source.is_video else 0) for source in sources)
        yield LineWriter(sys.stdout, classes, longest)
