"""`ferkit evaluate`: any models on any data, and the published numbers, made again from what ships."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ferkit.cli.progress import network_progress
from ferkit.cli.state.workspace import Workspace
from ferkit.data.labels import SPLITS, Split, Target
from ferkit.errors import ConfigError

if TYPE_CHECKING:
    from ferkit.evaluation.evaluate import Evaluation
    from ferkit.evaluation.side_by_side import ModelComparison
    from ferkit.sources import SourceSettings

__all__ = ["evaluate", "reference", "register"]

# As `ferkit.evaluation.metrics.EvaluationSettings` has them, without reading what needs NumPy for the sake of --help.
_SEED = 0


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("evaluate")(evaluate)


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="vote, default or tiny of the shipped models; a folder of models; NAME/VERSION, NAME@ALIAS or "
            "@champion of the registry; each with #tiny or #vote for another than its default model; the folder of a "
            "run without ZenML, with #LABEL for one of its networks; FILE.keras. Or the word reference: the published "
            "table.",
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(help="A folder, a table (.csv, .tsv, .parquet), or a run configuration (.yaml)."),
    ],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting of a configuration.")
    ] = None,
    class_map: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="NAME=CLASS",
            help="What a class of the data is among the model's, NAME= to leave its pictures out, or a YAML file.",
        ),
    ] = None,
    target: Annotated[
        Target | None, typer.Option(help="Judge this target, such as ferplus; if empty, what the labels fit.")
    ] = None,
    splits: Annotated[
        list[str] | None,
        typer.Option(
            "--split", help="Judge these pictures: Training, PublicTest, PrivateTest; if empty, those for tests."
        ),
    ] = None,
    crop: Annotated[
        bool, typer.Option("--crop", help="The faces are not cut out yet: find and cut them, as `ferkit predict` does.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for a report, report.html and report.md.")] = None,
    model: Annotated[
        str | None,
        typer.Option("--reference", metavar="MODEL", help="With reference: another bundle than the shipped models."),
    ] = None,
    to: Annotated[Path | None, typer.Option(help="With reference: write the table to this Markdown file.")] = None,
    update: Annotated[
        Path | None,
        typer.Option(
            help="With reference: put the table between the markers of this page, such as docs/measured/results.md."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="With reference: judge this many pictures of each split.")
    ] = None,
) -> None:
    """Judge models on any labelled pictures: scores with intervals, confusion, and whether two models differ.

    Four examples:

    * `ferkit evaluate default --data photos`
    * `ferkit evaluate default tiny @champion --data faces.csv --map contempt= --out compared`
    * `ferkit evaluate runs/mine --data configs/fer2013.yaml --set data.path=data`
    * `ferkit evaluate reference --data data --update docs/measured/results.md`
    """
    from ferkit.cli.evaluated.data import data_settings, read_class_map
    from ferkit.sources.describing.recognise import with_crop

    if models == ["reference"]:
        options = {"--map": class_map, "--target": target, "--split": splits, "--out": out, "--set": overrides}
        given: dict[str, object] = {**options, "--crop": crop}
        if useless := [name for name, value in given.items() if value]:
            raise ConfigError(f"{', '.join(useless)}: the published table is always made alike; leave it out.")
        reference(data, model, to, update, limit)
        return
    given = {"--reference": model, "--to": to, "--update": update, "--limit": limit}
    if useless := [name for name, value in given.items() if value]:
        raise ConfigError(f"{', '.join(useless)}: for `ferkit evaluate reference` alone; --out FOLDER writes a report.")
    settings = data_settings(data, overrides or [])
    settings = with_crop(settings) if crop else settings
    _judge(models, settings, str(data), read_class_map(class_map or []), target, _split_names(splits or []), out)


def _split_names(names: list[str]) -> list[Split]:
    if unknown := [name for name in names if name not in SPLITS]:
        raise ConfigError(f"--split {unknown[0]}: expected some of {', '.join(SPLITS)}.")
    return [split for split in SPLITS if split in names]


def _judge(
    names: list[str],
    settings: "SourceSettings",
    data: str,
    class_map: "dict[str, str | None]",
    target: Target | None,
    splits: list[Split],
    out: Path | None,
) -> None:
    from ferkit.cli.console import quiet_native_libraries
    from ferkit.cli.evaluated.data import OTHER_LABELS, sized_for
    from ferkit.cli.evaluated.models import evaluated_models
    from ferkit.evaluation.metrics import EvaluationSettings
    from ferkit.evaluation.side_by_side import judge_models, splits_to_judge
    from ferkit.reporting.side_by_side import side_by_side_report
    from ferkit.sources import load

    quiet_native_libraries(Workspace.named().native_log)
    models = evaluated_models(names)
    settings = sized_for(settings, [each.input for each in models])
    faces = load(settings)
    judged_splits = splits or list(splits_to_judge(faces))
    with network_progress() as on_pictures:
        judged = judge_models(
            models, faces, judged_splits, EvaluationSettings(), _SEED,
            class_map=class_map, target=target, labels=OTHER_LABELS.get(settings.source), on_pictures=on_pictures,
        )  # fmt: skip
    console = Console(highlight=False)
    console.print(_scores(judged.evaluations, data))
    for each in judged.evaluations:
        console.print(_confusion(each))
    if judged.comparisons:
        console.print(_differences(judged.comparisons, models[0].name))
    whole = not splits and judged_splits == ["Training"]
    notes = ["the data has no pictures for tests of its own: all are judged, as Training."] if whole else []
    for note in [*notes, *judged.notes]:
        console.print(f"note    {note}", soft_wrap=True, markup=False)
    if out:
        report = side_by_side_report(judged, faces, data, EvaluationSettings(), _SEED)
        console.print(f"report  {report.write(out)}", soft_wrap=True, markup=False)


def _scores(evaluations: "tuple[Evaluation, ...]", title: str) -> Table:
    import pandas as pd

    from ferkit.cli.commands.report import results_table
    from ferkit.reporting.side_by_side import telling_subsets

    tables = [(each.to_table(), telling_subsets(each)) for each in evaluations]
    shown = pd.concat([table[table["subset"].isin(subsets)] for table, subsets in tables])
    return results_table(shown, f"{title}: results")


def _confusion(evaluation: "Evaluation") -> Table:
    """Pictures by label (rows) and prediction (columns) of the last split that was judged."""
    split = list(evaluation.predictions)[-1]
    title = f"{evaluation.target}/{evaluation.model}, {split}: labels down, predictions across"
    table = Table(title=title, box=None, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column("")
    for name in evaluation.classes:
        table.add_column(name, justify="right", no_wrap=True)
    for name, line in zip(evaluation.classes, evaluation.scores[split].confusion.tolist(), strict=True):
        table.add_row(name, *(f"{count:,}" for count in line))
    return table


def _differences(comparisons: "tuple[ModelComparison, ...]", first: str) -> Table:
    from ferkit.reporting.side_by_side import comparison_rows

    table = Table(title=f"differences from {first}, points", box=None, padding=(0, 1, 0, 0), title_justify="left")
    for name in ("model", "pictures of", "count", "accuracy", "macro F1", "p"):
        table.add_column(name, justify="left" if name in ("model", "pictures of") else "right", no_wrap=True)
    for name, _, *cells in comparison_rows(comparisons):
        table.add_row(name, *(cell.replace("[", r"\[") for cell in cells))
    return table


def reference(
    data: Path, model: str | None = None, to: Path | None = None, update: Path | None = None, limit: int | None = None
) -> None:
    """Judge the shipped models on PublicTest and PrivateTest, from the shipped weights alone. It takes minutes.

    Parameters
    ----------
    data
        Folder of fer2013.csv and fer2013new.csv, whole or a sample.
    model
        Other models than ferkit's: a folder of models like them, or any of the registry.
    to
        Markdown file to write the table to.
    update
        Page with markers, between which the table goes.
    limit
        Pictures of each split that are judged.
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
