"""`ferkit runs`: the runs of the pipeline, listed, compared, opened and removed."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ferkit.cli.commands.ui import show
from ferkit.cli.runs.comparing import compared_models, differing_settings, evaluations_of
from ferkit.cli.runs.found import all_runs, configuration_of, executed_in, find_run, steps_of
from ferkit.cli.runs.retention import needed_by, removable
from ferkit.cli.state.open_runs import close_abandoned
from ferkit.cli.state.workspace import Workspace
from ferkit.errors import DataError, FerkitError

__all__ = ["register"]

commands = typer.Typer(help="List, compare, open and remove the runs of the pipeline.", no_args_is_help=True)
_Run = Annotated[str, typer.Argument(help="Name or id of a run; `ferkit runs list` lists them.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(commands, name="runs")


@commands.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, help="The newest ones, this many.")] = 20,
) -> None:
    """List the newest runs: when, how they ended, how much was executed, and their accuracies.

    Example: `ferkit runs list --limit 50`
    """
    _open()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("run", "status", "executed", "PublicTest", "PrivateTest"):
        table.add_column(name, justify="left" if name in ("run", "status") else "right", no_wrap=name == "run")
    for run in all_runs()[:limit]:
        of_run = executed_in(run)
        numbers = [run.run_metadata.get(f"{split}_accuracy") for split in ("public", "private")]
        shown = [f"{float(each):.4f}" if isinstance(each, float) else "" for each in numbers]
        executed, steps = len(of_run.steps), len(of_run.steps | of_run.cached)
        table.add_row(run.name, run.status.value, f"{executed} of {steps}", *shown)
    Console().print(table)


@commands.command("compare")
def compare(first: _Run, second: _Run) -> None:
    """Compare two runs: the settings that differ, and their models beside each other with a paired test.

    Example: `ferkit runs compare quickstart-2026_11_28-05_58_25_176484 quickstart-2026_11_28-06_20_01_001122`
    """
    _open()
    runs = [find_run(name) for name in (first, second)]
    configs = [configuration_of(run) for run in runs]
    page = Console(highlight=False)
    if None in configs:
        raise DataError(f"{runs[configs.index(None)].name}: its configuration was not kept, it cannot be compared.")
    before, now = configs
    page.print(_settings_table(differing_settings(before, now)))  # type: ignore[arg-type]
    page.print()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("model", "pictures of", "count", "first", "second", "difference", "interval", "p"):
        table.add_column(name, justify="left" if name in ("model", "pictures of") else "right", no_wrap=True)
    for each in compared_models(*(evaluations_of(steps_of(run)) for run in runs)):
        found = each.comparison
        interval = f"{100 * found.accuracy_low:+.2f}..{100 * found.accuracy_high:+.2f}"
        numbers = (f"{100 * each.first:.2f}", f"{100 * each.second:.2f}", f"{100 * found.accuracy:+.2f}", interval)
        table.add_row(
            f"{each.target}/{each.model}", each.split, f"{found.pictures:,}", *numbers, f"{found.p_value:.3f}"
        )
    page.print(table)
    page.print("\nAccuracies in %; intervals of 95 % over the pictures; p by McNemar's test on the same pictures.")


def _settings_table(differing: dict[str, tuple[str, str]]) -> Table | str:
    if not differing:
        return "The two runs have the same settings."
    table = Table("setting", "first", "second", box=None, padding=(0, 2, 0, 0))
    for name, (before, now) in differing.items():
        table.add_row(name, before or "-", now or "-")
    return table


@commands.command("open")
def open_run(
    run: _Run,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
) -> None:
    """Open MLflow's page of a run.

    Example: `ferkit runs open quickstart-2026_11_28-05_58_25_176484`
    """
    from mlflow import MlflowClient

    workspace = _open()
    name = find_run(run).name
    client = MlflowClient(workspace.tracking_uri)
    places = [each.experiment_id for each in client.search_experiments()]
    found = client.search_runs(places, f"tags.mlflow.runName = '{name}'", max_results=1)
    if not found:
        raise DataError(f"{name}: MLflow has no run of this name.")
    show(workspace, host, port, f"#/experiments/{found[0].info.experiment_id}/runs/{found[0].info.run_id}")


@commands.command("remove")
def remove(names: Annotated[list[str], typer.Argument(help="Names or ids of runs.")]) -> None:
    """Remove runs with what only they have: artifacts, their runs in MLflow, reports.

    A run whose results another one has from the cache, or whose model is registered, is not removed. Example:
    `ferkit runs remove quickstart-2026_11_28-05_58_25_176484`
    """
    workspace = _open()
    wanted = {run.id: run for run in map(find_run, names)}
    every = all_runs()
    others = [executed_in(each) for each in every if each.id not in wanted]
    registered = _registered(workspace)
    for run in wanted.values():
        if users := needed_by(executed_in(run), others):
            raise FerkitError(f"{run.name}: {', '.join(users[:3])} has results of it; name it, too, or leave both.")
        if run.name in registered:
            raise FerkitError(f"{run.name}: {registered[run.name]} came from it; delete that version first.")
        if not run.status.is_finished:
            raise FerkitError(f"{run.name} is {run.status.value}; stop it first.")
    _remove(workspace, list(wanted.values()))


@commands.command("prune")
def prune(
    keep: Annotated[int, typer.Option(min=1, help="The newest runs that stay, whatever they use.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, remove nothing.")] = False,
) -> None:
    """Remove all but the newest runs; older ones stay whose results those use, or whose models are registered.

    Example: `ferkit runs prune --keep 20`
    """
    workspace = _open()
    runs = all_runs()
    going_on = [run.name for run in runs if not run.status.is_finished]
    gone, kept = removable([executed_in(run) for run in runs], keep, going_on, _registered(workspace))
    page = Console(highlight=False)
    for name, reason in kept.items():
        page.print(f"{name} stays: {reason}", soft_wrap=True)
    if dry_run:
        for name in gone:
            page.print(f"{name} would go", soft_wrap=True)
        return
    _remove(workspace, [run for run in runs if run.name in gone])


def _open() -> Workspace:
    from ferkit.cli.console import hush_zenml

    hush_zenml()
    workspace = Workspace.open()
    workspace.activate_stack()
    workspace.require_mlflow()
    close_abandoned(workspace)
    return workspace


def _registered(workspace: Workspace) -> dict[str, str]:
    from mlflow import MlflowClient

    from ferkit.cli.runs.removal import registered_runs

    return registered_runs(MlflowClient(workspace.tracking_uri))


def _remove(workspace: Workspace, runs: list[Any]) -> None:
    from mlflow import MlflowClient

    from ferkit.cli.runs.removal import remove_runs

    before = _files(workspace.root)
    if runs:
        remove_runs(runs, MlflowClient(workspace.tracking_uri), workspace)
    freed = (before - _files(workspace.root)) / 1e6
    room = f", {freed:.1f} MB of files; the databases keep their size, and fill it again" if runs else ""
    Console(highlight=False).print(f"{len(runs)} run{'s' if len(runs) != 1 else ''} removed{room}.", soft_wrap=True)


def _files(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.suffix != ".db" and path.is_file())
