"""`ferkit report`: the report of a run, from ZenML's artifacts to files."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ferkit.cli.runs.found import FinishedRun
from ferkit.cli.state.open_runs import close_abandoned
from ferkit.cli.state.workspace import Workspace
from ferkit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from ferkit.reporting.report import Report

__all__ = ["export", "export_new", "register", "results_table"]

# The time at which a run began, at the end of its name.
_BEGAN = re.compile(r"-\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d_\d{6}$")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("report")(report)


def report(
    run: Annotated[str | None, typer.Argument(help="Name or id of a run; the last that completed if empty.")] = None,
    to: Annotated[Path | None, typer.Option(help="Folder to write to; .ferkit/reports/RUN if empty.")] = None,
) -> None:
    """Write the report of a run as Markdown and HTML, and print its results.

    Example: `ferkit report --to docs/my-run`
    """
    workspace = Workspace.open()
    workspace.activate_stack()
    close_abandoned(workspace)
    found = _find(run)
    folder, results = export(FinishedRun.of(found), to or workspace.root / "reports" / found.name)
    console = Console()
    console.print(results_table(results, f"{found.name}: results"))
    console.print(f"report  {folder / 'report.html'}", soft_wrap=True)


def export(run: FinishedRun, folder: Path) -> "tuple[Path, pd.DataFrame]":
    """Write the report of a run to `folder`; returns the folder, and the results as a table."""
    outputs = run.steps["report"].outputs
    stored: Report = outputs["report"][0].load()
    stored.titled(run.name).write(folder)
    return folder, outputs["results"][0].load()


def export_new(run: FinishedRun, folder: Path) -> "tuple[Path, pd.DataFrame]":
    """As `export` into a folder of `folder`, unless the report came from the cache and lies there already.

    It takes megabytes, and differs in its title alone: it has to be of a run of the same configuration's name.
    """
    step = run.steps["report"]
    if step.original_step_run_id:
        from zenml.client import Client

        executed = Client().get_run_step(step.original_step_run_id).pipeline_run_id
        name = Client().get_pipeline_run(executed, hydrate=False).name
        if _BEGAN.sub("", name) == _BEGAN.sub("", run.name) and (folder / name / "report.html").is_file():
            return folder / name, step.outputs["results"][0].load()
    return export(run, folder / run.name)


def results_table(results: "pd.DataFrame", title: str) -> Table:
    """The scores of a run for the terminal: a heading for each model, a line for each set of pictures; 80 columns."""
    table = Table(title=title, box=None, padding=(0, 1, 0, 0), title_justify="left")
    for name in ("model, pictures of", "count", "accuracy", "interval", "macro F1", "ECE"):
        table.add_column(name, justify="left" if name.startswith("model") else "right", no_wrap=True)
    previous = None
    for line in results.to_dict("records"):
        current = (line["target"], line["model"])
        if current != previous:
            if previous:
                table.add_row()
            # The labels of the first set are the target's own.
            table.add_row(f"[bold]{line['target']}/{line['model']}[/], {line['labels']}")
        numbers = (line[name] for name in ("accuracy", "macro_f1", "expected_calibration_error"))
        accuracy, f1, ece = (f"{value:.4f}" for value in numbers)
        interval = f"{line['accuracy_low']:.3f}..{line['accuracy_high']:.3f}"
        subset = re.sub("^P[a-z]+Test, ", "  ", str(line["subset"]))
        table.add_row(f"  {subset}", f"{line['pictures']:,}", accuracy, interval, f1, ece)
        previous = current
    return table


def _find(run: str | None) -> Any:
    from zenml.client import Client

    client = Client()
    try:
        if run:
            return client.get_pipeline_run(run)
        runs = client.list_pipeline_runs(status="completed", sort_by="desc:created", size=1).items
        if runs:
            return runs[0]
    except KeyError:
        names = ", ".join(each.name for each in client.list_pipeline_runs(sort_by="desc:created", size=5).items)
        raise DataError(f"no run {run!r}; the last ones are {names or 'none'}.") from None
    raise DataError("no run has completed yet. Try `ferkit run configs/quickstart.yaml`.")
