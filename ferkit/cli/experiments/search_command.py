"""`ferkit experiment` for the file of a search."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ferkit.cli.experiments.cell_runs import tracked
from ferkit.cli.experiments.page import print_table
from ferkit.cli.experiments.search_runs import candidates_file, open_candidates, run_candidates
from ferkit.cli.experiments.weights import require_weights
from ferkit.cli.stack_choice import activate
from ferkit.cli.state.workspace import Workspace
from ferkit.experiments.cells import as_overrides
from ferkit.experiments.search.configs import Search, load_search

if TYPE_CHECKING:
    from ferkit.experiments.search.candidates import Candidates

__all__ = ["run_search"]

# Candidates that are printed; the report has all of them.
_SHOWN = 10


def run_search(file: Path, *, plan: bool, stack: str | None, to: Path | None) -> None:
    """Plan or run the search of a file."""
    search = load_search(file)
    if plan:
        _print_plan(search)
        return
    from mlflow import MlflowClient

    from ferkit.cli.console import RunConsole, quiet_native_libraries
    from ferkit.experiments.search.report import build_search_report
    from ferkit.sources import load

    workspace = Workspace.open()
    console = RunConsole(quiet_native_libraries(workspace.native_log))
    console.attach()
    with workspace.file_hashes() as sha256:
        candidates = open_candidates(workspace.root, search, sha256)
        workspace, placement = activate(workspace, stack)
        config = search.config("check", search.first())
        if placement.orchestrator == "local":
            require_weights([config], "")
        with tracked(search.settings.name, workspace) as parent:
            run_candidates(search, candidates, parent, load(config.data), sha256, workspace, placement, console)
            report = build_search_report(search, candidates)
            folder = report.write(to or workspace.root / "experiments" / search.settings.name / "report")
            MlflowClient(workspace.tracking_uri).log_artifacts(parent, str(folder), "report")
    _print_found(search, candidates, folder)


def _print_plan(search: Search) -> None:
    page = Console(highlight=False)
    root = Workspace.named().root
    ended = 0
    if candidates_file(root, search).exists():
        with Workspace.named().file_hashes() as sha256:
            ended = open_candidates(root, search, sha256).ended
    settings = search.settings.search
    rows = [
        (key, ", ".join(map(str, each)) if isinstance(each, tuple) else f"{each.low} to {each.high}")
        for key, each in settings.ranges.items()
    ]
    print_table(page, ("setting", "values"), rows)
    page.print(
        f"\n{search.settings.name}: {settings.count} trials by {settings.sampler}, {ended} are done, "
        f"{settings.count - ended} to run. Nothing was run.",
        soft_wrap=True,
    )


def _print_found(search: Search, candidates: "Candidates", folder: Path) -> None:
    """The best trials, and the command that runs the best one."""
    from ferkit.experiments.search.report import best_sentence, candidate_rows

    page = Console(highlight=False)
    header, rows = candidate_rows(search, candidates)
    print_table(page, header, rows[:_SHOWN])
    if len(rows) > _SHOWN:
        page.print(f"and {len(rows) - _SHOWN} others")
    page.print(f"\n{best_sentence(search, candidates)}", soft_wrap=True, markup=False)
    if candidates.best is not None:
        changes = {**search.settings.changes, **candidates.best.values}
        page.print(f"\nferkit run {search.base} {_as_options(changes)}", soft_wrap=True, markup=False)
    page.print(f"\nreport  {folder / 'report.html'}", soft_wrap=True)


def _as_options(changes: Mapping[str, object]) -> str:
    return " ".join(f"--set {shlex.quote(each)}" for each in as_overrides(changes))
