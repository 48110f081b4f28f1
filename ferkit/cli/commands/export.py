"""`ferkit export`: a model as ONNX and LiteRT files, each held to what the model says."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from ferkit.cli.state.workspace import Workspace

if TYPE_CHECKING:
    from ferkit.export import ExportReport, ExportSource
    from ferkit.export.latency import Latency
    from ferkit.sources import SourceSettings

__all__ = ["register"]

_Name = TypeVar("_Name", bound=str)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("export")(export)


def export(
    model: Annotated[
        str,
        typer.Argument(
            help="default, vote or tiny of the shipped models; FILE.keras; or a folder of models like them, "
            "models:/NAME@ALIAS or models:/NAME/VERSION, with #vote or #tiny for another than its default model."
        ),
    ] = "default",
    *,
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.")] = Path("exported"),
    formats: Annotated[
        str, typer.Option("--format", metavar="FORMATS", help="onnx, litert, or both with a comma.")
    ] = "onnx,litert",
    precisions: Annotated[
        str, typer.Option("--precision", metavar="PRECISIONS", help="float32, float16, int8, with commas.")
    ] = "float32,float16,int8",
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Folder of fer2013.csv, or a run configuration: pictures to calibrate int8 with (Training) and to "
            "compare on (PublicTest). Drawn faces if not given.",
        ),
    ] = None,
    representative: Annotated[int, typer.Option(min=1, help="Pictures that int8 is calibrated with.")] = 500,
    compared: Annotated[int, typer.Option(min=1, help="Pictures that files and model are compared on.")] = 1000,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each runtime while it is timed.")] = 1,
) -> None:
    """Write a model as ONNX and LiteRT, and compare each file with the Keras model.

    Pictures go in as uint8, (N, 48, 48, 1) for what ships, and calibrated probabilities come out: views, vote and
    temperature are inside.
    A file that says something else than the model is removed, and the status is 1. Examples:

    * `ferkit export vote --to exported --data data`
    * `ferkit export tiny --format litert --precision int8 --data data`
    * `ferkit export models:/ferkit@champion --data configs/fer2013.yaml`
    """
    from ferkit.cli.console import quiet_native_libraries
    from ferkit.export.formats import FORMATS, PRECISIONS

    chosen_formats = _chosen("--format", formats, FORMATS)
    chosen_precisions = _chosen("--precision", precisions, PRECISIONS)
    settings = _data_settings(data)
    quiet_native_libraries(Workspace.named().native_log)
    source = _source(model)

    from ferkit.export import ExportPictures, export_model
    from ferkit.sources import load

    pictures = ExportPictures.of(
        load(settings),
        source.targets,
        source.input,
        representative=representative,
        compared=compared,
        drawn=settings.source == "synthetic",
    )
    console = Console(highlight=False)
    with console.status("") as status:
        report = export_model(
            source,
            to,
            chosen_formats,
            chosen_precisions,
            pictures,
            threads=threads,
            on_file=lambda name: status.update(f"{name} ..."),
        )
    _show(report, console)
    console.print(f"{to}: {sum(not each.wrong for each in report.files)} files and {report.name}.parity.json")
    if report.drawn_pictures:
        console.print("Calibrated and compared with drawn faces, which say little about real ones: give --data.")
    report.check()


def _chosen(option: str, text: str, known: Sequence[_Name]) -> list[_Name]:
    from ferkit.errors import ConfigError

    names = [each.strip() for each in text.split(",") if each.strip()]
    if not names or set(names) - set(known):
        raise ConfigError(f"{option} {text}: expected some of {', '.join(known)}, with commas.")
    return [each for each in known if each in names]


def _data_settings(data: Path | None) -> "SourceSettings":
    from ferkit.config.loading import load_config
    from ferkit.sources import Fer2013Settings, SyntheticSettings

    if data is None:
        # Enough for the default numbers of pictures; drawing more would take longer than the export.
        return SyntheticSettings(count=1000)
    if data.is_dir():
        return Fer2013Settings(path=data, ferplus="required" if (data / "fer2013new.csv").is_file() else "off")
    return load_config(data).data


def _source(model: str) -> "ExportSource":
    from ferkit.export import ExportSource

    if model.endswith(".keras"):
        return ExportSource.of_file(Path(model))
    from ferkit.cli.model_choice import choose_bundle

    return ExportSource.of_bundle(*choose_bundle(model))


def _show(report: "ExportReport", console: Console) -> None:
    from ferkit.export.latency import BATCHES

    threads = f"{report.threads} thread{'s' if report.threads > 1 else ''}"
    table = Table(title=f"{report.name}-*: beside Keras, {threads}", box=None, pad_edge=False, title_justify="left")
    columns = ("file", "MB", "target", "difference", "same", "accuracy", "change")
    for column in (*columns, *(f"ms/{batch}" for batch in BATCHES)):
        table.add_column(column, justify="left" if column in ("file", "target") else "right", no_wrap=True)
    table.add_row("Keras", *[""] * (len(columns) - 1), *map(_milliseconds, report.keras))
    for each in report.files:
        kind = each.path.name.removeprefix(f"{report.name}-")
        name = f"[red]{kind}[/]" if each.wrong else kind
        for row, (target, agreement) in enumerate(each.agreements.items()):
            accuracy, before = agreement.accuracy, agreement.keras_accuracy
            table.add_row(
                "" if row else name,
                "" if row else f"{each.size / 1e6:.2f}",
                target,
                f"{agreement.largest:.1e}",
                f"{agreement.agreement:.1%}",
                "" if accuracy is None else f"{accuracy:.3f}",
                "" if accuracy is None or before is None else f"{accuracy - before:+.3f}",
                *("" if row else _milliseconds(latency) for latency in each.latencies),
            )
    table.caption = (
        "difference: the largest, in probability; same: class; "
        f"{', '.join(f'ms/{batch}' for batch in BATCHES)}: a face, in batches of so many"
    )
    console.print(table)


def _milliseconds(latency: "Latency") -> str:
    return f"{latency.wall:.2f}"
