"""`ferkit data`: bring the data, write it as shards, and look at it."""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from ferkit.config.loading import load_config
from ferkit.data.dataset import FaceDataset, as_faces
from ferkit.data.folder_search import reasons
from ferkit.data.labels import SPLITS
from ferkit.reporting.contact_sheet import contact_sheet, to_png
from ferkit.sources import load

__all__ = ["register"]

commands = typer.Typer(
    help="Bring FER-2013 and FER+, write shards, and look at what a configuration reads.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(commands, name="data")


@commands.command()
def download(
    to: Annotated[Path, typer.Argument(help="Folder for fer2013.csv and fer2013new.csv.")] = Path("data"),
) -> None:
    """Get FER-2013 through kagglehub (network and a Kaggle account) and FER+ from GitHub.

    Example: `ferkit data download data`
    """
    from ferkit.sources.download import download as fetch

    for path in fetch(to):
        Console().print(f"{path}")


@commands.command()
def shard(
    folder: Annotated[Path, typer.Argument(help="Folder with train/<class>/*, test/<class>/*.")],
    to: Annotated[Path, typer.Argument(help="Folder for the shards; made if missing.")],
    *,
    pictures: Annotated[int, typer.Option(min=1, help="Most pictures in a shard.")] = 10_000,
    validation_fraction: Annotated[
        float, typer.Option(min=0.001, max=0.999, help="Part of Training that becomes PublicTest if there is none.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Of that choice and of the order.")] = 0,
    subject: Annotated[
        str | None,
        typer.Option(help="Regular expression that finds the person in a picture's path, to keep each on one side."),
    ] = None,
    maximum_damaged: Annotated[
        float,
        typer.Option(min=0, max=1, help="Largest share of damaged pictures; they are left out. One may always be."),
    ] = 0.01,
    labels: Annotated[
        Path | None, typer.Option(help="File that says what the folders' names stand for: 0 angry, a line each.")
    ] = None,
    side: Annotated[
        int | None, typer.Option(min=16, max=1024, help="Store JPEG files of this size; as they are if not given.")
    ] = None,
) -> None:
    """Write tar shards, which a configuration streams, from a folder; what is there already is not written again.

    Two examples:

    * `ferkit data shard pictures shards`
    * `ferkit data shard pictures shards --side 224 --pictures 5000`
    """
    from rich.progress import MofNCompleteColumn, Progress

    from ferkit.sources.folders import FolderSettings
    from ferkit.sources.shard_writer import plan_shards, write_shards

    settings = FolderSettings(
        path=folder,
        validation_fraction=validation_fraction,
        seed=seed,
        subject=subject,
        maximum_damaged=maximum_damaged,
        labels=labels or {},
    )
    plan = plan_shards(settings, pictures, seed, side)
    console = Console()
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console) as progress:
        task = progress.add_task("pictures", total=len(plan.listed.files))
        shards, damaged = write_shards(plan, to, lambda count: progress.advance(task, count))
    if plan.listed.passed_over:
        console.print(f"passed over {reasons(plan.listed.passed_over)}", soft_wrap=True, highlight=False)
    if len(damaged):
        console.print(f"left out {len(damaged):,} damaged pictures", soft_wrap=True, highlight=False)
    count = len(plan.listed.files) - len(damaged)
    console.print(f"{to}: {count:,} pictures in {len(shards)} shards", soft_wrap=True, highlight=False)
    console.print(
        f"next    ferkit run CONFIG --set 'data={{source: shards, path: {to}}}'", soft_wrap=True, highlight=False
    )


@commands.command()
def describe(
    config: Annotated[Path, typer.Argument(help="A run configuration; only its data section is read.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")
    ] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet, some faces of each class, as PNG.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count the pictures of each split and class.

    Two examples:

    * `ferkit data describe configs/fer2013.yaml --set data.path=data --sheet faces.png`
    * `ferkit data describe configs/quickstart.yaml --json`
    """
    faces = load(load_config(config, overrides or []).data)
    if as_json:
        typer.echo(json.dumps(_counted(faces), indent=2))
    else:
        Console().print(_counts_table(faces))
    if sheet:
        sheet.write_bytes(to_png(_sheet(faces)))
        if not as_json:
            Console().print(f"{sheet}")


def _counted(faces: FaceDataset) -> dict[str, Any]:
    return {
        "pictures": len(faces),
        "votes": faces.votes is not None,
        "splits": {
            split: {
                name: int((faces.label[faces.in_split(split)] == index).sum())
                for index, name in enumerate(faces.classes)
            }
            for split in SPLITS
        },
    }


def _counts_table(faces: FaceDataset) -> Table:
    table = Table(title=f"{len(faces):,} pictures, FER+ votes: {'yes' if faces.votes is not None else 'no'}")
    table.add_column("class")
    for split in SPLITS:
        table.add_column(split, justify="right")
    for index, name in enumerate(faces.classes):
        table.add_row(name, *(f"{int((faces.label[faces.in_split(split)] == index).sum()):,}" for split in SPLITS))
    table.add_row("all", *(f"{int(faces.in_split(split).sum()):,}" for split in SPLITS), style="bold")
    return table


def _sheet(faces: FaceDataset, each: int = 16) -> "np.ndarray":
    """Some faces of each class, spread over the data, one row a class."""
    chosen = []
    for index in range(len(faces.classes)):
        of_class = np.flatnonzero(faces.label == index)
        if len(of_class):
            chosen.append(of_class[np.linspace(0, len(of_class) - 1, each, dtype=int)])
    some = faces.take(np.concatenate(chosen))
    return contact_sheet(as_faces(some.images), [faces.classes[label] for label in some.label], columns=each)
