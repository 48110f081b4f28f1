"""Running the trials of a search, each as `ferkit run` does, and stopping those that are no good."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferkit.cli.experiments.concurrent_runs import at_once, run_all
from ferkit.cli.experiments.queued_run import QueuedRun, RunStoppedError
from ferkit.cli.state.workspace import Workspace
from ferkit.config.named_files import NamedFiles
from ferkit.data.dataset import FaceDataset
from ferkit.errors import ConfigError, FerkitError, TrainingError
from ferkit.experiments.answer import score_of
from ferkit.experiments.results import RunResult, run_key
from ferkit.experiments.search.candidates import Candidate, CandidateRecord, Candidates
from ferkit.experiments.search.configs import Search
from ferkit.file_hashes import Sha256
from ferkit.stacks.placement import Placement
from ferkit.training.epochs import EpochRecord

if TYPE_CHECKING:
    import pandas as pd

    from ferkit.cli.console import RunConsole

__all__ = ["candidates_file", "open_candidates", "run_candidates"]

TRIAL_TAG = "ferkit.trial"


class CandidateStoppedError(RunStoppedError):
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
    """Run what is left of a search, side by side where the stack has room.

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
        As a run that failed does, once those beside it are over; a training that came to no result is one of the
        trials, and fails alone.
    """
    pruner = search.settings.search.pruner.method
    if pruner != "none" and (placement.orchestrator != "local" or placement.step_operator):
        raise ConfigError(
            f"search.pruner.method {pruner}: the stack trains in other processes, whose epochs nobody sees here: set "
            "it to none, or leave --stack out."
        )
    left = search.settings.search.count - candidates.ended
    most = at_once([search.config("check", search.first())], placement, left)
    if most > 1:
        console.write_event(f"{left} trials, up to {most} of them at once")
    runs = _CandidateRuns(search, candidates, parent, faces, sha256, workspace)
    first = candidates.ended + 1
    run_all(
        [runs.queued(each) for each in candidates.cut_off()], most, workspace, placement, console,
        runs.settle, runs.another, (first, search.settings.search.count),
    )  # fmt: skip
    if runs.failure:
        raise runs.failure


class _CandidateRuns:
    """What of a search is queued, and what becomes of it.

    Attributes
    ----------
    failure
        The first error that says nothing of the values of a trial; there is no other trial after it.
    """

    def __init__(
        self,
        search: Search,
        candidates: Candidates,
        parent: str,
        faces: FaceDataset,
        sha256: Sha256,
        workspace: Workspace,
    ) -> None:
        self._search, self._candidates, self._parent = search, candidates, parent
        self._faces, self._sha256, self._workspace = faces, sha256, workspace
        self._watchers: dict[QueuedRun, _Watcher] = {}
        self._logged = _ended_in_order(candidates.records())
        self.failure: FerkitError | None = None

    def another(self) -> QueuedRun | None:
        """The next trial, None if there is none left."""
        candidate = None if self.failure else self._candidates.next()
        return None if candidate is None else self.queued(candidate)

    def queued(self, candidate: Candidate) -> QueuedRun:
        """A trial as a run that is to be done."""
        from steps.tracking import watched_epochs

        config = self._search.config(f"trial-{candidate.number}", candidate.values)
        files = NamedFiles.of(config, self._sha256)
        tags = {
            "mlflow.parentRunId": self._parent,
            TRIAL_TAG: str(candidate.number),
            **{f"ferkit.search.{key}": str(value) for key, value in candidate.values.items()},
        }
        watcher = _Watcher(candidate, self._search)
        queued = QueuedRun(
            f"trial {candidate.number}", config, files, run_key(config, files), tags,
            about=", ".join(f"{key} {value}" for key, value in candidate.values.items()),
            watched=lambda: watched_epochs(watcher),
        )  # fmt: skip
        self._watchers[queued] = watcher
        return queued

    def settle(self, queued: QueuedRun, result: RunResult | FerkitError) -> None:
        """Tell the search what came of a trial."""
        watcher = self._watchers.pop(queued)
        candidate, measure = watcher.candidate, self._search.settings.measure
        if isinstance(result, CandidateStoppedError):
            self._candidates.prune(candidate)
        elif isinstance(result, TrainingError):
            self._candidates.fail(candidate, str(result))
        elif isinstance(result, FerkitError):
            self.failure = self.failure or result
            return
        else:
            watcher.replay(result.histories)
            self._candidates.complete(candidate, score_of(result, queued.config, measure, self._faces))
        self._log(candidate.number)

    def _log(self, number: int) -> None:
        """How a trial ended: a tag of its run; and numbers of the search's run, in the order of the trials."""
        from mlflow import MlflowClient

        records, client = self._candidates.records(), MlflowClient(self._workspace.tracking_uri)
        place = client.get_run(self._parent).info.experiment_id
        for run in client.search_runs([place], f"tags.`{TRIAL_TAG}` = '{number}'"):
            client.set_tag(run.info.run_id, f"{TRIAL_TAG}.state", records[number].state)
        before, self._logged = self._logged, _ended_in_order(records)
        for record in records[before : self._logged]:
            best = self._candidates.best_of(records[: record.number + 1])
            if record.score is not None and best is not None and best.score is not None:
                client.log_metric(self._parent, "score", record.score, step=record.number)
                client.log_metric(self._parent, "best_score", best.score, step=record.number)


def _ended_in_order(records: Sequence[CandidateRecord]) -> int:
    """How many trials are over before the first one that is not."""
    return next((each.number for each in records if each.state == "running"), len(records))


class _Watcher:
    """Reports the epochs of a trial's training, and stops it where it is worse than earlier ones."""

    def __init__(self, candidate: Candidate, search: Search) -> None:
        measure = search.settings.measure
        self.candidate = candidate
        self._active = search.settings.search.pruner.method != "none"
        self._name = "val_loss" if measure.metric == "log_loss" else "val_accuracy"
        self._of_target = f"{self._name}/{measure.target}"

    def __call__(self, record: EpochRecord) -> None:
        if not self._active:
            return
        epoch = int(record["epoch"])
        value = self._value(record)
        if self.candidate.report(epoch, value):
            raise CandidateStoppedError(
                f"trial {self.candidate.number} stopped after epoch {epoch}: {self._name} {value:.4f} is behind "
                "earlier candidates."
            )

    def replay(self, histories: "Mapping[str, pd.DataFrame]") -> None:
        """Report the epochs of a training that came from the cache, so that later trials are compared with it, too."""
        if not self._active:
            return
        for history in histories.values():
            for record in history.to_dict("records"):
                self.candidate.report(int(record["epoch"]), self._value(record))

    def _value(self, record: Mapping[Any, Any]) -> float:
        return float(record.get(self._of_target, record[self._name]))
