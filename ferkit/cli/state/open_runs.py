"""Which runs a process of this machine is working on, so that those it did not end can be ended.

A process that is killed tells nobody: its runs would stay `running` in ZenML and MLflow for ever.
"""

import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from uuid import UUID

from pydantic import BaseModel, ValidationError

from ferkit.cli.state.store_checks import StoreError, require_store
from ferkit.cli.state.workspace import Workspace

__all__ = ["close_abandoned", "going_on", "open_run"]

_FOLDER = "running"


class _Record(BaseModel):
    """A run and who works on it; the process and its start are there for whoever reads the file.

    Attributes
    ----------
    elsewhere
        Processes on other machines or of a cluster run the steps, and see the run to its end without this one.
    """

    run: str
    elsewhere: bool
    experiment: str
    tracking_uri: str
    host: str
    process: int
    started: datetime


@dataclass(frozen=True)
class _Abandoned:
    """A record whose process is gone; while `lock` is open, nobody else sees it so."""

    record: _Record
    path: Path
    lock: IO[bytes]


@contextmanager
def open_run(workspace: Workspace, run: str, experiment: str, *, elsewhere: bool) -> Iterator[None]:
    """Keep a record of `run` while the block works on it; it stays there if the block does not end well.

    The file is locked: the system lets go of it when the process is gone, however it ended, and no other process can be
    taken for it because it has the same number.

    Parameters
    ----------
    workspace
        With MLflow's store as the run uses it.
    run
        Its name in ZenML, and in MLflow.
    experiment
        Name of the experiment in MLflow.
    elsewhere
        Other processes run the steps, and see the run to its end without this one.
    """
    folder = workspace.root / _FOLDER
    folder.mkdir(exist_ok=True)
    record = _Record(
        run=run, elsewhere=elsewhere, experiment=experiment, tracking_uri=workspace.tracking_uri,
        host=socket.gethostname(), process=os.getpid(), started=datetime.now(UTC),
    )  # fmt: skip
    path, unlocked = folder / f"{run}.json", folder / f"{run}.new"
    # An address may hold a password.
    with os.fdopen(os.open(unlocked, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        # Where a file system has no locks, nobody can see either that the process is gone.
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        file.write(record.model_dump_json(indent=2).encode())
        file.flush()
        # Nobody sees it before it is locked.
        unlocked.rename(path)
        yield
        path.unlink(missing_ok=True)


def close_abandoned(workspace: Workspace) -> None:
    """End the runs that a process of this machine began and did not end, in ZenML as failed and in MLflow as killed.

    What cannot be reached now is left for the next time. Runs of living processes and of other machines are left alone,
    and so are those whose steps run elsewhere until ZenML has an end of them, or their Ray cluster is gone or knows
    nothing of them; a step that was killed there leaves a run in MLflow behind.
    """
    for each in _abandoned(workspace.root / _FOLDER):
        with each.lock:
            try:
                closed = _close(each.record, workspace)
            except (StoreError, _GoesOnError):
                continue
            each.path.unlink(missing_ok=True)
            if closed:
                gone = f"process {each.record.process} is gone"
                print(f"ferkit: run {each.record.run} was cut off ({gone}): closed.", file=sys.stderr)  # noqa: T201


def going_on(workspace: Workspace, experiment: str) -> list[UUID]:
    """The runs of an experiment that a process of this machine submitted elsewhere, and that go on without it."""
    found = []
    for each in _abandoned(workspace.root / _FOLDER):
        with each.lock:
            if each.record.elsewhere and each.record.experiment == experiment:
                found += _open_in_zenml(each.record.run)
    return found


def _abandoned(folder: Path) -> Iterator[_Abandoned]:
    for path in sorted(folder.glob("*.json")):
        try:
            lock = path.open("rb")
        except FileNotFoundError:
            # It ended meanwhile.
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            record = _Record.model_validate_json(lock.read())
        except (OSError, ValidationError):
            lock.close()
            continue
        if record.host == socket.gethostname() and path.exists():
            yield _Abandoned(record, path, lock)
        else:
            lock.close()


class _GoesOnError(Exception):
    """Somebody works on the run."""


def _close(record: _Record, workspace: Workspace) -> bool:
    """Whether anything had to be ended.

    Raises
    ------
    StoreError
        If a store cannot be reached.
    _GoesOnError
        If the run goes on elsewhere.
    """
    workspace.require_zenml()
    require_store("MLflow", record.tracking_uri, verify=workspace.mlflow_verify)
    left = _open_in_zenml(record.run)
    if record.elsewhere and not all(_is_lost(run) for run in left):
        raise _GoesOnError
    for run in left:
        from ferkit.orchestrators.ray.final_states import finish

        finish(run)
    return _close_in_mlflow(record) or bool(left)


def _open_in_zenml(name: str) -> list[UUID]:
    from zenml.client import Client

    return [run.id for run in Client().list_pipeline_runs(name=name).items if not run.status.is_finished]


def _is_lost(run: UUID) -> bool:
    """Whether nobody elsewhere will see the run to its end."""
    from zenml.client import Client

    from ferkit.orchestrators.ray.liveness import is_lost

    return is_lost(run, Client().get_pipeline_run(run).run_metadata)


def _close_in_mlflow(record: _Record) -> bool:
    from mlflow import MlflowClient

    client = MlflowClient(record.tracking_uri)
    experiment = client.get_experiment_by_name(record.experiment)
    if experiment is None:
        return False
    place = [experiment.experiment_id]
    runs = list(client.search_runs(place, f"tags.mlflow.runName = '{record.run}'"))
    for parent in list(runs):
        runs += client.search_runs(place, f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    left = [run.info.run_id for run in runs if run.info.status == "RUNNING"]
    for each in left:
        client.set_terminated(each, "KILLED")
    return bool(left)
