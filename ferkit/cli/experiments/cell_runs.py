"""Running the cells of an experiment, each as `ferkit run` does, and keeping what they found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ferkit.cli.experiments.concurrent_runs import at_once, run_all
from ferkit.cli.experiments.queued_run import QueuedRun
from ferkit.cli.pipeline_run import make_experiment
from ferkit.cli.state.open_runs import open_run
from ferkit.cli.state.workspace import Workspace
from ferkit.config.named_files import NamedFiles
from ferkit.config.repetitions import repetitions
from ferkit.config.run_config import RunConfig
from ferkit.errors import FerkitError
from ferkit.experiments.cells import Cell, Experiment
from ferkit.experiments.results import RunResult, RunStore, run_key
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
    "tracked",
]

PARENT_TAG = "ferkit.experiment"


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """A cell with one seed and, of data with folds, in one fold.

    Attributes
    ----------
    cell, seed, fold, config
        What is run; the fold is None where the data has none.
    files
        What the files hold that `config` names.
    key
        Of what the run is made from, see `ferkit.experiments.results.run_key`.
    result
        What it found, None if it was not run yet.
    """

    cell: Cell
    seed: int
    fold: int | None
    config: RunConfig
    files: NamedFiles
    key: str
    result: RunResult | None

    @property
    def place(self) -> tuple[str, int, int | None]:
        """Name of the cell, seed and fold."""
        return self.cell.name, self.seed, self.fold

    @property
    def label(self) -> str:
        """The same in words."""
        in_fold = "" if self.fold is None else f", fold {self.fold}"
        return f"{self.cell.name}, seed {self.seed}{in_fold}"


def experiment_store(workspace_root: Path, experiment: Experiment, *, final: bool = False) -> RunStore:
    """Where the results of an experiment lie; those that hold PrivateTest apart."""
    return RunStore(workspace_root / "experiments" / experiment.settings.name / ("final" if final else "cells"))


def planned_runs(experiment: Experiment, store: RunStore, sha256: Sha256) -> list[PlannedRun]:
    """Every cell, seed and fold, and what is known of it."""
    planned = []
    for cell in experiment.cells:
        # The seed is in no file.
        files = {
            each.fold: NamedFiles.of(each.config, sha256) for each in repetitions(next(iter(cell.configs.values())))
        }
        for seed, settings in cell.configs.items():
            for fold, config in ((each.fold, each.config) for each in repetitions(settings)):
                key = run_key(config, files[fold])
                result = store.read(cell.name, seed, key, fold)
                planned.append(PlannedRun(cell, seed, fold, config, files[fold], key, result))
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
) -> dict[tuple[str, int, int | None], RunResult]:
    """Run what has no result yet, side by side where the stack has room; all results by cell, seed and fold.

    Parameters
    ----------
    planned
        Every cell, seed and fold.
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
        If runs failed; it names them, and what the others found is kept.
    """
    results = {each.place: each.result for each in planned if each.result}
    missing = {each.label: each for each in planned if each.result is None}
    queue = [
        QueuedRun(label, each.config, each.files, each.key, _tags(each, parent)) for label, each in missing.items()
    ]

    failed: dict[str, FerkitError] = {}

    def settle(queued: QueuedRun, result: RunResult | FerkitError) -> None:
        if isinstance(result, FerkitError):
            failed[queued.label] = result
            return
        each = missing[queued.label]
        store.write(each.cell.name, each.seed, result, each.fold)
        results[each.place] = result

    most = at_once([each.config for each in queue], placement)
    if most > 1:
        console.write_event(f"{len(queue)} runs side by side, at most {most} of them with a training to do")
    run_all(queue, most, workspace, placement, console, settle)
    if failed:
        raise FerkitError(
            f"{len(failed)} of {len(queue)} runs failed: {'; '.join(failed)}. What the others found is kept: the same "
            f"command runs these again. The first one: {next(iter(failed.values()))}"
        )
    return {each.place: results[each.place] for each in planned}


def _tags(planned: PlannedRun, parent: str) -> dict[str, str]:
    """Tags of the run in MLflow, beside those of every run."""
    return {
        "mlflow.parentRunId": parent,
        "ferkit.cell": planned.cell.name,
        **({} if planned.fold is None else {"ferkit.fold": str(planned.fold)}),
        **{f"ferkit.factor.{factor}": level for factor, level in planned.cell.levels.items()},
    }


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
