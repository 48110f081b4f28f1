"""`ferkit import-run`: what a machine without ZenML and MLflow trained, into both."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ferkit.cli.commands.run import run_and_report
from ferkit.cli.state.workspace import Workspace
from ferkit.config.loading import load_stored_config
from ferkit.config.named_files import NamedFiles
from ferkit.config.run_config import RunConfig
from ferkit.errors import DataError
from ferkit.standalone.folder import RunFolder
from ferkit.standalone.import_member import MemberImport, check_member

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["register"]

_KEYS = ["model", "target", "subset"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("import-run")(import_run)


def import_run(
    folder: Annotated[Path, typer.Argument(help="What `python -m ferkit.standalone ... --out FOLDER` wrote.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, such as data.path; may be repeated."),
    ] = None,
) -> None:
    """Run the pipeline with members that were trained elsewhere, in place of training them here.

    Everything else happens as in `ferkit run`: ensemble, evaluation and report are made anew, and MLflow gets the
    curves, the numbers and the models. A second import changes nothing. Example:

    * `ferkit import-run runs/h100 --set data.path=data`
    """
    run_folder = RunFolder(folder.resolve())
    record = run_folder.read_record()
    settings = load_stored_config(run_folder.config, overrides or [])
    with Workspace.named().file_hashes() as sha256:
        files = NamedFiles.of(settings, sha256, trained_here=False)
    if files.data != record.fingerprint:
        raise DataError(
            f"{folder}: trained on data with the hash {record.fingerprint}, the data of this configuration has "
            f"{files.data}: name the same files with --set data.path=FOLDER."
        )
    imported, origin = _members(run_folder, settings)
    results = run_and_report(settings, files, imported, origin)
    Console(highlight=False).print(_compared(run_folder, settings, results), soft_wrap=True)


def _members(folder: RunFolder, config: RunConfig) -> tuple[MemberImport, str]:
    """The members that the run needs, looked through, and where they were trained."""
    hashes, places = {}, set()
    for training in config.trained():
        member = folder.member(training.name)
        settings, seed = config.training_of(training.entry), config.seed_of(training)
        record = check_member(member, training.targets, training.entry.backbone, settings, seed, config.selection)
        hashes[training.name] = member.content_hash()
        places.add(f"{record.environment.device} ({record.environment.backend})")
    return MemberImport(folder=folder.path, hashes=hashes), ", ".join(sorted(places))


def _compared(folder: RunFolder, config: RunConfig, results: "pd.DataFrame") -> str:
    """How far the numbers are from those that the folder has of the machine that trained."""
    place = folder.path / "evaluations"
    distances = []
    for target in config.targets:
        if not (place / f"{target.name}.csv").exists():
            return f"scores  {place} has none of {target.name} to compare these with"
        there = folder.read_evaluations(target.name).set_index(_KEYS)["accuracy"]
        here = results[results["target"] == target.name].set_index(_KEYS)["accuracy"]
        distances.append((there - here).abs().max())
    return f"scores  differ from those in {place} by at most {max(distances):.4f} in accuracy"
