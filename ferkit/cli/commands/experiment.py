"""`ferkit experiment`: several configurations with several seeds, compared."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ferkit.cli.experiment_runs import (
    PlannedRun,
    experiment_store,
    final_configs,
    planned_runs,
    run_missing,
    tracked,
)
from ferkit.cli.stack_choice import activate
from ferkit.cli.state.workspace import Workspace
from ferkit.errors import ConfigError
from ferkit.experiments.cells import Experiment, load_experiment

if TYPE_CHECKING:
    import pandas as pd

    from ferkit.experiments.answer import Answer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("experiment")(experiment)


def experiment(
    file: Annotated[Path, typer.Argument(help="An experiment, such as configs/experiments/balancing.yaml.")],
    *,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say how many runs there are and which are done; run none.")
    ] = False,
    final: Annotated[
        list[str] | None,
        typer.Option(metavar="CELL", help="Read PrivateTest, once, for this cell; may be repeated. Writes down when."),
    ] = None,
    stack: Annotated[str | None, typer.Option(help="Where to run, as for `ferkit run`.")] = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder of the report; .ferkit/experiments/NAME/report if empty.")
    ] = None,
) -> None:
    """Run every cell of an experiment with every seed, and say which differ from the baseline and how sure that is.

    What was run already is not run again, so that the same command goes on where it was stopped. Examples:

    * `ferkit experiment configs/experiments/balancing.yaml`
    * `ferkit experiment configs/experiments/balancing.yaml --plan`
    * `ferkit experiment configs/experiments/balancing.yaml --final smote`
    """
    loaded = load_experiment(file)
    if unknown := set(final or ()) - {each.name for each in loaded.cells}:
        known = ", ".join(each.name for each in loaded.cells)
        raise ConfigError(f"--final {' '.join(sorted(unknown))}: no such cell, {loaded.settings.name} has {known}.")
    root = Workspace.named().root
    store, final_store = (experiment_store(root, loaded, final=read_last) for read_last in (False, True))
    with Workspace.named().file_hashes() as sha256:
        planned = planned_runs(loaded, store, sha256)
        if plan:
            _show_plan(loaded, planned)
            return
        last = planned_runs(final_configs(loaded, final), final_store, sha256) if final else []
    from ferkit.cli.console import RunConsole, quiet_native_libraries
    from ferkit.evaluation.over_seeds import over_seeds
    from ferkit.experiments.answer import answer
    from ferkit.experiments.report import build_experiment_report
    from ferkit.sources import load

    workspace = Workspace.open()
    console = RunConsole(quiet_native_libraries(workspace.native_log))
    console.attach()
    workspace, placement = activate(workspace, stack)
    with tracked(loaded, workspace) as parent:
        results = run_missing(planned, parent, store, workspace, placement, console)
        found = answer(loaded, results, load(planned[0].config.data))
        report = build_experiment_report(found, results)
        folder = report.write(to or workspace.root / "experiments" / loaded.settings.name / "report")
        _log(found, folder, parent, workspace)
        _print_answer(found, folder)
        if last:
            judged = run_missing(last, parent, final_store, workspace, placement, console)
            tables = [each.scores.assign(cell=cell) for (cell, _), each in judged.items()]
            scores = over_seeds(tables, by=("cell", "target", "model", "subset"))
            shown = scores[scores["subset"].str.startswith("PrivateTest")]
            _print_final(shown, last, final_store.folder / "read.log")


def _show_plan(loaded: Experiment, planned: list[PlannedRun]) -> None:
    """Which runs there are, and which of them are done."""
    page = Console(highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("cell", "trainings a run", "seeds done", "seeds to run"):
        table.add_column(name, justify="left" if name == "cell" else "right")
    for cell in loaded.cells:
        runs = [each for each in planned if each.cell is cell]
        done = sum(each.result is not None for each in runs)
        table.add_row(cell.name, str(len(runs[0].config.trained())), str(done), str(len(runs) - done))
    page.print(table)
    missing = [each for each in planned if each.result is None]
    known = [each.result.record.seconds for each in planned if each.result]
    time = f", about {len(missing) * sum(known) / len(known) / 60:.0f} minutes by those that are done" if known else ""
    page.print(
        f"\n{loaded.settings.name}: {len(planned)} runs, {len(planned) - len(missing)} are done, {len(missing)} to run "
        f"with {sum(len(each.config.trained()) for each in missing)} trainings, of which equal ones are done once"
        f"{time}. Nothing was run.",
        soft_wrap=True,
    )


def _log(found: "Answer", folder: Path, run: str, workspace: Workspace) -> None:
    """The answer in MLflow's run of the experiment."""
    from mlflow import MlflowClient

    client = MlflowClient(workspace.tracking_uri)
    for line in found.to_table().to_dict("records"):
        cell = str(line["cell"]).replace("+", "-")
        for name in ("mean", "spread", "difference", "adjusted_p_value"):
            if line[name] == line[name]:
                client.log_metric(run, f"{cell}/{name}", float(line[name]))
    client.log_artifacts(run, str(folder), "report")


def _print_answer(found: "Answer", folder: Path) -> None:
    from ferkit.experiments.report import answer_rows

    measure = found.experiment.settings.measure
    header, rows = answer_rows(found)
    table = Table(
        title=f"{found.experiment.settings.name}: {measure.metric} of {measure.target}/{measure.model} on "
        f"{measure.subset} ({found.pictures:,} pictures)",
        box=None, padding=(0, 2, 0, 0), title_justify="left",
    )  # fmt: skip
    for name in header[:-1]:
        table.add_column(name, justify="left" if name == "cell" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row[:-1])
    page = Console(highlight=False)
    page.print(table)
    page.print()
    for row in rows:
        page.print(f"{row[0]}: {row[-1]}.", soft_wrap=True, markup=False)
    page.print(f"\nreport  {folder / 'report.html'}", soft_wrap=True)


def _print_final(scores: "pd.DataFrame", runs: list[PlannedRun], log: Path) -> None:
    """The numbers on PrivateTest; when they were read is written to `log`."""
    page = Console(highlight=False)
    page.print("\nPrivateTest")
    page.print(scores.to_string(index=False, float_format="{:.4f}".format), soft_wrap=True)
    new = [each for each in runs if each.result is None]
    if new:
        with log.open("a", encoding="utf-8") as opened:
            for each in new:
                opened.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC  {each.cell.name}, seed {each.seed}\n")
    page.print(f"\nread first  {log}", soft_wrap=True)
