"""Running the trials of a search, each as `ferkit run` does, and stopping those that are no good."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferkit.cli.experiments.run_results import result_of
from ferkit.cli.pipeline_run import start
from ferkit.cli.state.workspace import Workspace
from ferkit.config.named_files import NamedFiles
from ferkit.data.dataset import FaceDataset
from ferkit.errors import ConfigError, FerkitError, TrainingError
from ferkit.experiments.answer import score_of
from ferkit.experiments.results import run_key
from ferkit.experiments.search.candidates import Candidate, Candidates
from ferkit.experiments.search.configs import Search
from ferkit.file_hashes import Sha256
from ferkit.stacks.placement import Placement
from ferkit.training.epochs import EpochRecord

if TYPE_CHECKING:
    import pandas as pd

    from ferkit.cli.console import RunConsole

__all__ = ["candidates_file", "open_candidates", "run_candidates"]

TRIAL_TAG = "ferkit.trial"


class CandidateStoppedError(FerkitError):
    """The training of a trial was stopped, since earlier trials were better at that epoch."""


def candidates_file(workspace_root: Path, search: Search) -> Path:
    """The database of a search's candidates."""
    return workspace_root / "experiments" / search.settings.name / "trials.db"


def open_candidates(workspace_root: Path, search: Search, sha256: Sha256) -> Candidates:
    """The trials of a search; its database is made if it is missing.

    Raises
    ------
    ConfigError
        If there are trials of other settings, ranges or data under its name.
    """
    settings = search.settings
    config = search.config("key", search.first())
    measure = settings.measure.model_dump_json()
    # More trials may be asked for later on.
    ranges = settings.search.model_dump_json(exclude={"limit"})
    key = f"{run_key(config, NamedFiles.of(config, sha256))} {measure} {ranges}"
    return Candidates(
        candidates_file(workspace_root, search), settings.name, settings.search,
        maximize=settings.measure.metric != "log_loss", key=key,
    )  # fmt: skip


def run_candidates(
    search: Search,
    candidates: Candidates,
    parent: str,
    faces: FaceDataset,
    sha256: Sha256,
    workspace: Workspace,
    placement: Placement,
    console: "RunConsole",
) -> None:
    """Run what is left of a search, one trial after the other.

    Parameters
    ----------
    search, candidates
        What is run, and what was run already. A trial that was cut off goes on with its training.
    parent
        Id of MLflow's run above those of the candidates.
    faces
        The data that every trial reads.
    sha256
        Hashes a file.
    workspace, placement
        With the stack that is active, and how it gives steps what they need.
    console
        Attached; it tells how far the runs are.

    Raises
    ------
    ConfigError
        If trials are to be stopped early and the stack trains in other processes.
    FerkitError
        As a run that failed does; a training that came to no result is one of the trials, and fails alone.
    """
    pruner = search.settings.search.pruner.method
    if pruner != "none" and (placement.orchestrator != "local" or placement.step_operator):
        raise ConfigError(
            f"search.pruner.method {pruner}: the stack trains in other processes, whose epochs nobody sees here: set "
            "it to none, or leave --stack out."
        )
    while candidate := candidates.next():
        _run(search, candidates, candidate, parent, faces, sha256, workspace, placement, console)
        _log(candidates, candidate, parent, workspace)


def _run(
    search: Search,
    candidates: Candidates,
    candidate: Candidate,
    parent: str,
    faces: FaceDataset,
    sha256: Sha256,
    workspace: Workspace,
    placement: Placement,
    console: "RunConsole",
) -> None:
    from steps.tracking import watched_epochs

    settings = search.settings
    values = ", ".join(f"{key} {value}" for key, value in candidate.values.items())
    console.write_event(f"trial {candidate.number}, {candidates.ended + 1} of {settings.search.count}: {values}")
    config = search.config(f"trial-{candidate.number}", candidate.values)
    files = NamedFiles.of(config, sha256)
    tags = {
        "mlflow.parentRunId": parent,
        TRIAL_TAG: str(candidate.number),
        **{f"ferkit.search.{key}": str(value) for key, value in candidate.values.items()},
    }
    watcher = _Watcher(candidate, search)
    try:
        with watched_epochs(watcher):
            begin = time.monotonic()
            finished = start(config, files, workspace, placement, console, tags=tags)
            result = result_of(finished, config, run_key(config, files), time.monotonic() - begin)
    except CandidateStoppedError:
        candidates.prune(candidate)
    except TrainingError as error:
        candidates.fail(candidate, str(error))
    else:
        watcher.replay(result.histories)
        candidates.complete(candidate, score_of(result, config, settings.measure, faces))


class _Watcher:
    """Reports the epochs of a trial's training, and stops it where it is worse than earlier ones."""

    def __init__(self, candidate: Candidate, search: Search) -> None:
        measure = search.settings.measure
        self._running = candidate
        self._active = search.settings.search.pruner.method != "none"
        self._name = "val_loss" if measure.metric == "log_loss" else "val_accuracy"
        self._of_target = f"{self._name}/{measure.target}"

    def __call__(self, record: EpochRecord) -> None:
        if not self._active:
            return
        epoch = int(record["epoch"])
        value = self._value(record)
        if self._running.report(epoch, value):
            raise CandidateStoppedError(
                f"trial {self._running.number} stopped after epoch {epoch}: {self._name} {value:.4f} is behind earlier "
                "candidates."
            )

    def replay(self, histories: "Mapping[str, pd.DataFrame]") -> None:
        """Report the epochs of a training that came from the cache, so that later trials are compared with it, too."""
        if not self._active:
            return
        for history in histories.values():
            for record in history.to_dict("records"):
                self._running.report(int(record["epoch"]), self._value(record))

    def _value(self, record: Mapping[Any, Any]) -> float:
        return float(record.get(self._of_target, record[self._name]))


def _log(candidates: Candidates, candidate: Candidate, parent: str, workspace: Workspace) -> None:
    """How a trial ended: a tag of its run, a number of the search's."""
    from mlflow import MlflowClient

    record = candidates.records()[candidate.number]
    client = MlflowClient(workspace.tracking_uri)
    place = client.get_run(parent).info.experiment_id
    for run in client.search_runs([place], f"tags.`{TRIAL_TAG}` = '{candidate.number}'"):
        client.set_tag(run.info.run_id, f"{TRIAL_TAG}.state", record.state)
    if record.score is not None and candidates.best is not None and candidates.best.score is not None:
        client.log_metric(parent, "score", record.score, step=record.number)
        client.log_metric(parent, "best_score", candidates.best.score, step=record.number)
