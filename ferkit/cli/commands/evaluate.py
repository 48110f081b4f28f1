"""`ferkit evaluate`: the published numbers, made again from what ships."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ferkit.cli.progress import network_progress
from ferkit.cli.state.workspace import Workspace

__all__ = ["register"]

commands = typer.Typer(help="Judge models that exist already.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(commands, name="evaluate")


@commands.callback()
def _group() -> None:
    """Keep `reference` a command of its own, though it is the only one."""


@commands.command()
def reference(
    data: Annotated[Path, typer.Option(help="Folder of fer2013.csv and fer2013new.csv, whole or a sample.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--reference",
            metavar="MODEL",
            help="Other models than ferkit's: a folder of models like them, models:/ferkit@challenger or any model of "
            "the registry.",
        ),
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Write the table to this Markdown file.")] = None,
    update: Annotated[
        Path | None,
        typer.Option(help="Put the table between the markers of this page, such as docs/measured/results.md."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Judge this many pictures of each split.")] = None,
) -> None:
    """Judge the shipped models on PublicTest and PrivateTest, from the shipped weights alone. It takes minutes.

    Two examples:

    * `ferkit evaluate reference --data data --update docs/measured/results.md`
    * `ferkit evaluate reference --data data --reference models:/ferkit@challenger`
    """
    from ferkit.bundles.bundle import load_bundle
    from ferkit.cli.console import quiet_native_libraries
    from ferkit.cli.model_choice import bundle_folder
    from ferkit.errors import DataError
    from ferkit.release.answers import ANSWERS, KeptAnswers
    from ferkit.release.evaluate_bundle import evaluate_bundle
    from ferkit.release.scores_table import check_page, publish, published_table
    from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013

    quiet_native_libraries(Workspace.named().native_log)
    models = load_bundle(bundle_folder(model) if model else None)
    # What a run registered was not published, so that nothing is kept to compare with.
    published = KeptAnswers.read(models.folder) if not model or (models.folder / ANSWERS).exists() else None
    if update and limit:
        raise DataError(f"--limit {limit}: {update} is for the whole data; leave out one of the two.")
    if update:
        check_page(update)
    votes = "required" if "ferplus" in models.targets else "off"
    faces = load_fer2013(Fer2013Settings(path=data, ferplus=votes))
    with network_progress() as on_pictures:
        judged = evaluate_bundle(models, faces, limit=limit, on_pictures=on_pictures)
    text = published_table(judged.scores)
    console = Console(highlight=False)
    console.print(text, soft_wrap=True, markup=False)
    if published:
        for question in judged.answers.classes:
            both, same = judged.answers.agreement(published, question)
            console.print(f"{question}: {same:,} of {both:,} answers are those that the shipped table was made from")
    if to:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text + "\n")
        console.print(f"table  {to}")
    if update:
        publish(update, judged.scores)
        console.print(f"table  {update}")
