"""`ferkit data`: bring the data, write it as shards, and look at it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from ferkit.config.loading import load_config
from ferkit.data.dataset import FaceDataset, as_faces
from ferkit.data.folder_search import reasons
from ferkit.data.labels import SPLITS
from ferkit.errors import ConfigError
from ferkit.reporting.contact_sheet import contact_sheet, to_png

if TYPE_CHECKING:
    from ferkit.sources.describing.description import Description

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
    source: Annotated[
        Path, typer.Argument(help="A folder, a table (.csv, .tsv, .parquet), or a run configuration (.yaml).")
    ],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting of a configuration.")
    ] = None,
    crop: Annotated[
        bool, typer.Option("--crop", help="The faces are not cut out yet: find and cut them, as `ferkit predict` does.")
    ] = False,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet, some faces of each class, as PNG.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what was understood of a source: classes and splits, sizes, people, and what a training would stop at.

    Three examples:

    * `ferkit data describe faces.csv`
    * `ferkit data describe configs/fer2013.yaml --set data.path=data --sheet faces.png`
    * `ferkit data describe configs/quickstart.yaml --json`
    """
    from ferkit.sources.describing.description import describe as described
    from ferkit.sources.describing.recognise import recognise, with_crop

    if source.suffix.lower() in (".yaml", ".yml"):
        config = load_config(source, overrides or [])
        settings, targets = config.data, config.targets
    elif overrides:
        raise ConfigError("--set changes a configuration; give one in place of the data, such as configs/fer2013.yaml.")
    else:
        settings, targets = recognise(source), None
    if crop:
        settings = with_crop(settings)
    description, faces = described(settings, targets)
    if as_json:
        typer.echo(json.dumps(description.to_dict(), indent=2))
    else:
        _print(description, faces)
    if sheet:
        sheet.write_bytes(to_png(_sheet(faces)))
        if not as_json:
            Console().print(f"{sheet}")


def _print(description: "Description", faces: FaceDataset) -> None:
    from ferkit.sources.describing.description import OWN_TARGET

    console = Console()
    votes = "yes" if description.votes else "no"
    table = Table(title=f"{description.pictures:,} pictures, FER+ votes: {votes}")
    table.add_column("class")
    for split in SPLITS:
        table.add_column(split, justify="right")
    for name in faces.classes:
        table.add_row(name, *(f"{description.splits[split][name]:,}" for split in SPLITS))
    table.add_row("all", *(f"{sum(description.splits[split].values()):,}" for split in SPLITS), style="bold")
    console.print(table)
    if description.sizes:
        smallest, largest = ("x".join(map(str, size)) for size in description.sizes)
        size = smallest if smallest == largest else f"{smallest} to {largest}"
        console.print(f"files: {size} pixels, {description.colour:.0%} in colour", highlight=False)
    people = "nobody is told apart" if description.subjects is None else f"{description.subjects:,}"
    console.print(f"subjects: {people}; boxes of faces: {'yes' if description.boxes else 'no'}; ", end="")
    console.print(f"weights: {'yes' if description.weights else 'no'}", highlight=False)
    if description.cropped:
        console.print("faces: found and cut out of the pictures, as `ferkit predict` does", highlight=False)
    for problem in description.problems:
        console.print(f"note    {problem}", soft_wrap=True, highlight=False, markup=False)
    written = json.dumps(description.source).replace('"', "")
    console.print(f"data: {written}", soft_wrap=True, highlight=False, markup=False)
    if OWN_TARGET in description.targets:
        console.print(f"targets: [{{name: {OWN_TARGET}}}]", soft_wrap=True, highlight=False, markup=False)


def _sheet(faces: FaceDataset, each: int = 16) -> "np.ndarray":
    """Some faces of each class, spread over the data, one row a class."""
    chosen = []
    for index in range(len(faces.classes)):
        of_class = np.flatnonzero(faces.label == index)
        if len(of_class):
            chosen.append(of_class[np.linspace(0, len(of_class) - 1, each, dtype=int)])
    some = faces.take(np.concatenate(chosen))
    return contact_sheet(as_faces(some.images), [faces.classes[label] for label in some.label], columns=each)
