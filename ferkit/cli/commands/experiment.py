"""`ferkit experiment`: several configurations with several seeds, compared."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ferkit.cli.experiments.cell_runs import (
    PlannedRun,
    experiment_store,
    final_configs,
    log_answer,
    planned_runs,
    run_missing,
    tracked,
)
from ferkit.cli.experiments.concurrent_runs import at_once
from ferkit.cli.experiments.page import print_answer, print_final, print_plan
from ferkit.cli.experiments.search_command import run_search
from ferkit.cli.experiments.weights import require_weights
from ferkit.cli.stack_choice import activate
from ferkit.cli.state.workspace import CHECKOUT, Workspace
from ferkit.errors import ConfigError, WeightsError
from ferkit.experiments.cells import Experiment, load_experiment
from ferkit.experiments.search.configs import is_search

__all__ = ["register"]

# The study's comparisons, in the order in which they are told of.
_STUDY = tuple(
    CHECKOUT / "configs" / "experiments" / f"study_{part}.yaml"
    for part in ("balancing", "cleaning", "backbones", "ensemble", "ferplus")
)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("experiment")(experiment)


def experiment(
    file: Annotated[
        Path,
        typer.Argument(help="An experiment, such as configs/experiments/balancing.yaml; `study`: all of the study's."),
    ],
    *,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say how many runs there are and which are done; run none.")
    ] = False,
    final: Annotated[
        list[str] | None,
        typer.Option(metavar="CELL", help="Read PrivateTest, once, for this cell; may be repeated. Writes down when."),
    ] = None,
    substitute: Annotated[
        str | None,
        typer.Option(metavar="BACKBONE", help="Run on this backbone instead, one of the file's `substitutes`."),
    ] = None,
    stack: Annotated[str | None, typer.Option(help="Where to run, as for `ferkit run`.")] = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder of the report; .ferkit/experiments/NAME/report if empty.")
    ] = None,
) -> None:
    """Run every cell of an experiment with every seed, and say which differ from the baseline and how sure that is.

    Or run the trials of a search, and say which settings are the best.

    What was run already is not run again, so that the same command goes on where it was stopped. Examples:

    * `ferkit experiment configs/experiments/balancing.yaml`
    * `ferkit experiment configs/experiments/balancing.yaml --plan`
    * `ferkit experiment configs/experiments/balancing.yaml --final smote`
    * `ferkit experiment configs/experiments/search.yaml`
    * `ferkit experiment study --substitute dlib_resnet`
    """
    if str(file) != "study" or file.is_file():
        _one(file, plan=plan, final=final or [], substitute=substitute, stack=stack, to=to)
        return
    if final or to:
        raise ConfigError("study: several experiments: --final and --to belong to one, name its file.")
    left_out = []
    for each in _STUDY:
        Console(highlight=False).print(f"\n[bold]{each.stem}[/bold]")
        try:
            _one(each, plan=plan, final=[], substitute=substitute, stack=stack, to=None)
        except (ConfigError, WeightsError) as error:
            # The others can be answered all the same.
            left_out.append(error)
            Console(highlight=False).print(f"left out: {error}", soft_wrap=True, markup=False)
    if left_out and not plan:
        raise ConfigError(f"{len(left_out)} of the study's {len(_STUDY)} experiments were left out, see above.")


def _one(
    file: Path, *, plan: bool, final: list[str], substitute: str | None, stack: str | None, to: Path | None
) -> None:
    """Plan or run the experiment of one file."""
    if is_search(file):
        if final or substitute:
            raise ConfigError(f"{file}: a search has no cells: leave out --final and --substitute.")
        run_search(file, plan=plan, stack=stack, to=to)
        return
    loaded = load_experiment(file, substitute)
    if unknown := set(final) - {each.name for each in loaded.cells}:
        known = ", ".join(each.name for each in loaded.cells)
        raise ConfigError(f"--final {' '.join(sorted(unknown))}: no such cell, {loaded.settings.name} has {known}.")
    if final and loaded.folds != (None,):
        raise ConfigError(
            f"--final: every picture is judged in one of {len(loaded.folds)} folds; none is left to be read last."
        )
    root = Workspace.named().root
    store, final_store = (experiment_store(root, loaded, final=read_last) for read_last in (False, True))
    with Workspace.named().file_hashes() as sha256:
        planned = planned_runs(loaded, store, sha256)
        if plan:
            print_plan(loaded, planned, _room(planned, stack))
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
    if placement.orchestrator == "local":
        _require_weights(loaded, planned)
    with tracked(loaded.settings.name, workspace, loaded.settings) as parent:
        results = run_missing(planned, parent, store, workspace, placement, console)
        found = answer(loaded, results, load(planned[0].config.data))
        report = build_experiment_report(found, results)
        folder = report.write(to or workspace.root / "experiments" / loaded.settings.name / "report")
        log_answer(found, folder, parent, workspace)
        print_answer(found, folder)
        if last:
            judged = run_missing(last, parent, final_store, workspace, placement, console)
            tables = [each.scores.assign(cell=cell) for (cell, *_), each in judged.items()]
            scores = over_seeds(tables, by=("cell", "target", "model", "subset"))
            shown = scores[scores["subset"].str.startswith("PrivateTest")]
            print_final(shown, last, final_store.folder / "read.log")


def _room(planned: list[PlannedRun], stack: str | None) -> int:
    """How many of the runs that are still to do a stack can run at the same time."""
    if stack is None:
        return 1
    from ferkit.cli.console import hush_zenml

    hush_zenml()
    _, placement = activate(Workspace.open(), stack)
    return at_once([each.config for each in planned if each.result is None], placement)


def _require_weights(loaded: Experiment, planned: list[PlannedRun]) -> None:
    """Whether the weights of what is still to run are here; if not, what else can be run is said."""
    others = "" if loaded.substituted else ", ".join(loaded.settings.substitutes)
    hint = f" Or run it on another backbone: --substitute {others}." if others else ""
    require_weights([each.config for each in planned if each.result is None], hint)
