"""`ferkit export-reference`: trainings become the models that ferkit ships."""

import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ferkit.cli.progress import network_progress
from ferkit.cli.state.workspace import Workspace
from ferkit.models.test_time_augmentation import TTAChoice

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("export-reference")(export_reference)


def export_reference(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Folders that `python -m ferkit.standalone` wrote, such as one a seed.")
    ] = None,
    *,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Models that this command made: they stay unless others are named. May be --to."
        ),
    ] = None,
    data: Annotated[Path, typer.Option(help="Folder of fer2013.csv and fer2013new.csv, or a configuration.")] = Path(
        "data"
    ),
    members: Annotated[
        str,
        typer.Option(
            help="Labels of the networks that may vote, with commas. If empty: the vote of --keep, or all not taught."
        ),
    ] = "",
    default: Annotated[
        str | None,
        typer.Option(
            help="Label of the network that answers by default. If empty: the runs' only taught one, or kept."
        ),
    ] = None,
    tiny: Annotated[str | None, typer.Option(help="Label of the smallest network; that of --keep if empty.")] = None,
    tta: Annotated[
        TTAChoice,
        typer.Option("--views", help="Of each picture, for the vote; run: as the vote of --keep, or the first run."),
    ] = "run",
    default_tta: Annotated[
        TTAChoice, typer.Option("--default-views", help="The same for the default network.")
    ] = "once",
    tiny_tta: Annotated[TTAChoice, typer.Option("--tiny-views", help="The same for the tiny network.")] = "once",
    update: Annotated[
        Path | None,
        typer.Option(metavar="PAGE", help="Put the table between the markers of this page, as `ferkit evaluate` does."),
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder to write; an older bundle there is replaced.")] = Path(
        "ferkit/bundles/reference"
    ),
) -> None:
    """Make the shipped models: small weights, votes chosen on PublicTest, the published table, the model card.

    Two examples, the second of a new default network beside the vote that ships:

    * `ferkit export-reference runs/gpu --data data --members fernet_a,fernet_b --tiny fernet_small`
    * `ferkit export-reference runs/taught --keep ferkit/bundles/reference --default dlib_resnet --data data`
    """
    from ferkit.cli.console import quiet_native_libraries
    from ferkit.config.loading import load_config
    from ferkit.release.choice import Choice
    from ferkit.release.export_reference import export_reference as export
    from ferkit.release.scores_table import check_page, publish, published_table, read_scores
    from ferkit.sources import Fer2013Settings, load

    quiet_native_libraries(Workspace.named().native_log)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("ferkit").setLevel(logging.INFO)
    choice = Choice(
        members=tuple(each.strip() for each in members.split(",") if each.strip()),
        default=default,
        tiny=tiny,
        tta=tta,
        default_tta=default_tta,
        tiny_tta=tiny_tta,
    )
    if update:
        check_page(update)
    faces = load(load_config(data).data if data.suffix in (".yaml", ".yml") else Fer2013Settings(path=data))
    with network_progress() as on_pictures:
        made = export(runs or [], to, faces, choice, keep=keep, on_pictures=on_pictures)
    console = Console(highlight=False)
    scores = read_scores(made.folder)
    console.print(published_table(scores), soft_wrap=True, markup=False)
    size = sum(each.stat().st_size for each in to.iterdir())
    console.print(f"bundle  {to}, {size / 1e6:.1f} MB")
    if update:
        publish(update, scores)
        console.print(f"table  {update}")
