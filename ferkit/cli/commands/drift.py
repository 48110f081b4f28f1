"""`ferkit drift`: whether a batch of pictures is like what the model was trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ferkit.bundles.bundle import SHIPPED
from ferkit.cli.model_choice import bundle_folder
from ferkit.config.loading import load_config
from ferkit.errors import ConfigError
from ferkit.inference.results import FaceTable, read_face_table
from ferkit.monitoring.drift import Baseline, Change, drift, drift_table
from ferkit.monitoring.profile import Profile
from ferkit.sources import load

__all__ = ["register"]

# 1 and 2 are errors.
_MOVED = 3
_SHIPPED = "reference"
_HEADINGS = ("statistic", "training", "batch", "distance", "verdict")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("drift")(check_drift)


def check_drift(
    batch: Annotated[Path, typer.Argument(help="The table: what `ferkit predict --to` wrote.", metavar="TABLE")],
    *,
    against: Annotated[
        str,
        typer.Option(
            metavar="WHAT",
            help="The training data of the shipped models, of another MODEL (as `ferkit predict --model` takes it), "
            "or of a run configuration (.yaml); or an earlier TABLE.",
        ),
    ] = _SHIPPED,
    fail: Annotated[bool, typer.Option("--fail", help="End with status 3 if anything moved.")] = False,
    to: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write the table, too, with all numbers.")] = None,
) -> None:
    """Say what of a batch of pictures differs from what the model was trained on.

    The faces' brightness, contrast and sharpness as the network saw them, and what it said of them. Examples:

    * `ferkit drift faces.parquet`
    * `ferkit drift june.parquet --against may.parquet --fail`
    * `ferkit drift faces.csv --against configs/fer2013.yaml`
    """
    if to and to.suffix.lower() != ".csv":
        raise ConfigError(f"--to {to}: expected the name of a file that ends with .csv.")
    table = read_face_table(batch)
    title, baseline = _baseline(against, table)
    changes = drift(table, baseline)
    console = Console(highlight=False)
    lines = [f"{batch}: {len(table.faces):,} faces in {len(table.pictures):,} pictures", f"training: {title}", ""]
    for line in (*lines, *_lines(changes), "", _summary(changes)):
        console.print(line, soft_wrap=True, markup=False)
    if to:
        to.parent.mkdir(parents=True, exist_ok=True)
        drift_table(changes).to_csv(to, index=False)
        console.print(f"table  {to}", soft_wrap=True, markup=False)
    if fail and any(change.verdict == "moved" for change in changes):
        raise typer.Exit(_MOVED)


def _baseline(against: str, table: FaceTable) -> tuple[str, Baseline]:
    """What `against` names, in words and in numbers."""
    suffix = Path(against).suffix.lower()
    if suffix in (".parquet", ".csv"):
        return _of_table(read_face_table(Path(against)), table)
    if suffix in (".yaml", ".yml"):
        config = load_config(Path(against))
        faces = load(config.data)
        classes = {each.name: each.class_names(faces.classes) for each in config.targets}
        fitting = (each for each in config.targets if table.target in (None, each.name))
        target = next((each for each in fitting if set(classes[each.name]) == set(table.classes)), None)
        if target is None:
            there = "; ".join(f"{name} ({', '.join(names)})" for name, names in classes.items())
            raise ConfigError(
                f"{against}: no target {table.target or 'of its own'}, which the batch was made for, with the classes "
                f"{', '.join(table.classes)}; it has {there}."
            )
        return f"{against}, pictures of Training and their labels", Baseline.of_faces(faces, target)
    profile = Profile.read(SHIPPED if against == _SHIPPED else bundle_folder(against))
    baseline = Baseline.of_profile(profile, table)
    title = f"{against}, {profile.pictures['brightness'].count:,} pictures of Training"
    if baseline.emotions:
        return f"{title}; answers to {sum(baseline.emotions.values()):,} of PublicTest", baseline
    return f"{title}; another model answered there, or none", baseline


def _of_table(before: FaceTable, table: FaceTable) -> tuple[str, Baseline]:
    if before.target != table.target or set(before.classes) != set(table.classes):
        one, other = (f"{each.target or 'a target'} ({', '.join(each.classes)})" for each in (before, table))
        raise ConfigError(f"{before.name} is for {one}, {table.name} for {other}: nothing to compare.")
    baseline = Baseline.of_table(before)
    title = f"{before.name}, {len(before.faces):,} faces"
    models = [each.made_with.get("model") for each in (before, table)]
    if all(models) and models[0] != models[1]:
        return f"{title}; another model answered there", baseline.without_predictions()
    return title, baseline


def _lines(changes: Sequence[Change]) -> list[str]:
    rows = [
        (
            change.statistic,
            change.training or "-",
            change.batch,
            f"{change.measure:>3} {change.distance:.2f}" if change.measure else "-",
            change.verdict or "-",
        )
        for change in changes
    ]
    widths = [max(len(row[column]) for row in (_HEADINGS, *rows)) for column in range(len(_HEADINGS))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (_HEADINGS, *rows)
    ]


def _summary(changes: Sequence[Change]) -> str:
    moved = [change.statistic for change in changes if change.verdict == "moved"]
    return f"moved: {', '.join(moved)}" if moved else "nothing moved"
