"""Running the cells of an experiment, each as `ferkit run` does, and keeping what they found."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferkit.cli.pipeline_run import make_experiment, start
from ferkit.cli.runs.comparing import evaluations_of
from ferkit.cli.state.open_runs import open_run
from ferkit.cli.state.workspace import Workspace
from ferkit.config.named_files import NamedFiles
from ferkit.config.run_config import RunConfig
from ferkit.environment import git_commit
from ferkit.experiments.cells import Cell, Experiment
from ferkit.experiments.results import CellRun, RunResult, RunStore, run_key
from ferkit.experiments.settings import ExperimentSettings
from ferkit.file_hashes import Sha256
from ferkit.stacks.placement import Placement

if TYPE_CHECKING:
    from ferkit.cli.console import RunConsole
    from ferkit.experiments.answer import Answer

__all__ = [
    "PlannedRun",
    "experiment_store",
    "final_configs",
    "log_answer",
    "planned_runs",
    "run_missing",
    "run_once",
    "tracked",
]

PARENT_TAG = "ferkit.experiment"


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """A cell with one seed.

    Attributes
    ----------
    cell, seed, config
        What is run.
    files
        What the files hold that `config` names.
    key
        Of what the run is made from, see `ferkit.experiments.results.run_key`.
    result
        What it found, None if it was not run yet.
    """

    cell: Cell
    seed: int
    config: RunConfig
    files: NamedFiles
    key: str
    result: RunResult | None


def experiment_store(workspace_root: Path, experiment: Experiment, *, final: bool = False) -> RunStore:
    """Where the results of an experiment lie; those that hold PrivateTest apart."""
    return RunStore(workspace_root / "experiments" / experiment.settings.name / ("final" if final else "cells"))


def planned_runs(experiment: Experiment, store: RunStore, sha256: Sha256) -> list[PlannedRun]:
    """Every cell and seed, and what is known of it."""
    planned = []
    for cell in experiment.cells:
        # The seed is in no file.
        files = NamedFiles.of(next(iter(cell.configs.values())), sha256)
        for seed, config in cell.configs.items():
            key = run_key(config, files)
            planned.append(PlannedRun(cell, seed, config, files, key, store.read(cell.name, seed, key)))
    return planned


@contextmanager
def tracked(name: str, workspace: Workspace, settings: ExperimentSettings | None = None) -> Iterator[str]:
    """The id of the run of the experiment `name` in MLflow, which is running while the block is; made if missing.

    A run that was cut off is found again by the next command. With the `settings` of an experiment that compares cells,
    MLflow's page of it has a view of those.
    """
    from mlflow import MlflowClient

    from ferkit.tracking.saved_pages import save_cells_view

    client = MlflowClient(workspace.tracking_uri)
    with workspace.making():
        place_id = make_experiment(name, workspace)
        if settings:
            save_cells_view(client, place_id, settings)
    found = client.search_runs([place_id], f"tags.`{PARENT_TAG}` = 'parent'", max_results=1)
    if found:
        run = found[0].info.run_id
        client.update_run(run, status="RUNNING")
    else:
        run = client.create_run(place_id, run_name=name, tags={PARENT_TAG: "parent"}).info.run_id
    with open_run(workspace, name, name, elsewhere=False):
        yield run
        client.set_terminated(run)


def run_missing(
    planned: list[PlannedRun],
    parent: str,
    store: RunStore,
    workspace: Workspace,
    placement: Placement,
    console: "RunConsole",
) -> dict[tuple[str, int], RunResult]:
    """Run what has no result yet, one after the other; all results by cell and seed.

    Parameters
    ----------
    planned
        Every cell and seed.
    parent
        Id of MLflow's run above those of the cells.
    store
        Keeps each result as soon as it is there.
    workspace, placement
        With the stack that is active, and how it gives steps what they need.
    console
        Attached; it tells how far the runs are.

    Raises
    ------
    FerkitError
        As the run that failed does; what was finished before is kept.
    """
    results = {}
    missing = sum(each.result is None for each in planned)
    done = 0
    for each in planned:
        result = each.result
        if result is None:
            done += 1
            console.write_event(f"{each.cell.name}, seed {each.seed}: run {done} of {missing}")
            tags = {
                "mlflow.parentRunId": parent,
                "ferkit.cell": each.cell.name,
                **{f"ferkit.factor.{factor}": level for factor, level in each.cell.levels.items()},
            }
            result = run_once(each.config, each.files, each.key, workspace, placement, console, tags)
            store.write(each.cell.name, each.seed, result)
        results[each.cell.name, each.seed] = result
    return results


def run_once(
    config: RunConfig,
    files: NamedFiles,
    key: str,
    workspace: Workspace,
    placement: Placement,
    console: "RunConsole",
    tags: Mapping[str, str],
) -> RunResult:
    """Run the pipeline as `ferkit.cli.pipeline_run.start` does, and read what it found.

    Parameters
    ----------
    key
        Of what the run is made from, see `ferkit.experiments.results.run_key`.
    """
    begin = time.monotonic()
    finished = start(config, files, workspace, placement, console, tags=tags)
    return _result_of(finished, key, time.monotonic() - begin)


def _result_of(finished: Any, key: str, seconds: float) -> RunResult:
    """What a finished pipeline run (``zenml.models.PipelineRunResponse``) found, from its artifacts."""
    import pandas as pd

    evaluations = evaluations_of(finished).values()
    histories, training_seconds = {}, 0.0
    for name, step in finished.steps.items():
        for output, artifacts in step.outputs.items():
            if output.endswith("_history"):
                histories[output.removesuffix("_history")] = artifacts[0].load()
        if name.startswith("fine_tune_"):
            training_seconds += _seconds(step)
    return RunResult(
        record=CellRun(
            key=key,
            run=finished.name,
            commit=git_commit(),
            seconds=round(seconds, 3),
            training_seconds=round(training_seconds, 3),
        ),
        scores=pd.concat([each.to_table() for each in evaluations], ignore_index=True),
        predictions={(each.target, each.model): each.predictions["PublicTest"] for each in evaluations},
        histories=histories,
    )


def _seconds(step: Any) -> float:
    """How long a step took when it was executed, which may have been in an earlier run."""
    if step.original_step_run_id:
        from zenml.client import Client

        step = Client().get_run_step(step.original_step_run_id)
    if step.start_time is None or step.end_time is None:
        return 0.0
    return float((step.end_time - step.start_time).total_seconds())


def final_configs(experiment: Experiment, names: list[str]) -> Experiment:
    """The named cells, with PrivateTest read."""
    cells = tuple(
        Cell(
            cell.name,
            cell.levels,
            {
                seed: config.model_copy(
                    update={"evaluation": config.evaluation.model_copy(update={"private_test": True})}
                )
                for seed, config in cell.configs.items()
            },
        )
        for cell in experiment.cells
        if cell.name in names
    )
    return Experiment(experiment.settings, cells, cells[0].name)


def log_answer(found: "Answer", folder: Path, run: str, workspace: Workspace) -> None:
    """The answer in MLflow's run of the experiment."""
    from mlflow import MlflowClient

    client = MlflowClient(workspace.tracking_uri)
    for line in found.to_table().to_dict("records"):
        cell = str(line["cell"]).replace("+", "-")
        for name in ("mean", "spread", "difference", "adjusted_p_value"):
            if line[name] == line[name]:
                client.log_metric(run, f"{cell}/{name}", float(line[name]))
    client.log_artifacts(run, str(folder), "report")
