"""`ferkit export-reference`: trainings become the models that ferkit ships."""

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from ferkit.cli.progress import network_progress
from ferkit.cli.state.workspace import Workspace

__all__ = ["register"]

# As `ferkit.release.choice.Seen`, without importing it for the sake of --help.
Seen = Literal["run", "once", "flip", "ten_crop"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("export-reference")(export_reference)


def export_reference(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders that `python -m ferkit.standalone` wrote, such as one a seed.")
    ],
    data: Annotated[Path, typer.Option(help="Folder of fer2013.csv and fer2013new.csv.")] = Path("data"),
    members: Annotated[
        str, typer.Option(help="Labels of the networks that may vote, with commas; all that were not taught if empty.")
    ] = "",
    student: Annotated[
        str | None, typer.Option(help="Label of the network that the ensemble taught; the runs' only one if empty.")
    ] = None,
    tta: Annotated[
        Seen,
        typer.Option("--views", help="Of each picture, for the ensemble; run: as the first run predicts."),
    ] = "run",
    student_tta: Annotated[Seen, typer.Option("--student-views", help="The same for the student.")] = "once",
    to: Annotated[Path, typer.Option(help="Folder to write; an older bundle there is replaced.")] = Path(
        "ferkit/bundles/reference"
    ),
) -> None:
    """Make the shipped models: small weights, votes chosen on PublicTest, the published table, the model card.

    Example: `ferkit export-reference runs/gpu --data data --members fernet_a,fernet_b --student fernet_small`
    """
    from ferkit.cli.console import quiet_native_libraries
    from ferkit.release.choice import Choice
    from ferkit.release.export_reference import export_reference as export
    from ferkit.release.scores_table import published_table, read_scores
    from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013

    quiet_native_libraries(Workspace.named().native_log)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("ferkit").setLevel(logging.INFO)
    choice = Choice(
        members=tuple(each.strip() for each in members.split(",") if each.strip()),
        student=student,
        tta=tta,
        student_tta=student_tta,
    )
    faces = load_fer2013(Fer2013Settings(path=data))
    with network_progress() as on_pictures:
        made = export(runs, to, faces, choice, on_pictures=on_pictures)
    console = Console(highlight=False)
    console.print(published_table(read_scores(made.folder)), soft_wrap=True, markup=False)
    size = sum(each.stat().st_size for each in to.iterdir())
    console.print(f"bundle  {to}, {size / 1e6:.1f} MB")
