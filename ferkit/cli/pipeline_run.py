"""Running the pipeline to its end on the active stack, with a run in MLflow for it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ferkit.cli.no_cache import uncached
from ferkit.cli.runs.found import FinishedRun
from ferkit.cli.runs.recording import record
from ferkit.cli.state.open_runs import open_run
from ferkit.cli.state.workspace import Workspace
from ferkit.config.named_files import NamedFiles
from ferkit.config.run_config import RunConfig
from ferkit.errors import ConfigError, FerkitError
from ferkit.stacks.placement import Placement
from ferkit.standalone.import_member import MemberImport
from ferkit.training.checkpoint import clean_up

if TYPE_CHECKING:
    from ferkit.cli.console import RunConsole
    from ferkit.orchestrators.ray.submitted import SubmittedRun

__all__ = ["BegunRun", "begun", "completed", "make_experiment", "start"]


@dataclass(frozen=True)
class BegunRun:
    """A run of the pipeline that was begun.

    Attributes
    ----------
    id
        Of the run in ZenML.
    tracked
        Id of its run in MLflow.
    submitted
        What has to be waited for: runs on Ray, if that was left to the caller.
    """

    id: UUID
    tracked: str
    submitted: "Sequence[SubmittedRun]"


def start(
    config: RunConfig,
    files: NamedFiles,
    workspace: Workspace,
    placement: Placement,
    console: "RunConsole",
    imported: MemberImport | None = None,
    origin: str = "",
    no_cache: Sequence[str] = (),
    tags: Mapping[str, str] = MappingProxyType({}),
) -> FinishedRun:
    """Run the pipeline to its end on the active stack; parameters and errors are those of `begun`."""
    with begun(config, files, workspace, placement, console, imported, origin, no_cache, tags) as run:
        pass
    return completed(run, config, workspace)


@contextmanager
def begun(
    config: RunConfig,
    files: NamedFiles,
    workspace: Workspace,
    placement: Placement,
    console: "RunConsole",
    imported: MemberImport | None = None,
    origin: str = "",
    no_cache: Sequence[str] = (),
    tags: Mapping[str, str] = MappingProxyType({}),
    *,
    wait: bool = True,
) -> Iterator[BegunRun]:
    """Begin a run of the pipeline on the active stack; the run has to be over when the block ends.

    Parameters
    ----------
    files
        What the files hold that `config` names: an input of the pipeline, too.
    placement
        How the active stack gives steps their resources.
    console
        Attached; it shows how far the run is.
    imported, origin
        Members to read in place of training them, and where they were trained.
    no_cache
        Steps that run whatever the cache holds, see `ferkit.cli.no_cache.uncached`.
    tags
        Further tags of its run in MLflow.
    wait
        Whether the run is over when the block begins; else it is the block that waits, if the stack is Ray's.

    Raises
    ------
    FerkitError
        The error of the first step that failed.
    """
    from mlflow import MlflowClient
    from zenml import __version__ as zenml_version
    from zenml.exceptions import StackValidationError
    from zenml.integrations.mlflow.mlflow_utils import ZENML_TAG_KEY
    from zenml.orchestrators.exceptions import PipelineSubmissionError

    from ferkit.cli.lost_registrations import forget_lost_registrations
    from ferkit.cli.training_place import require_training_place
    from ferkit.orchestrators.zenml_shortcuts import shorten_zenml
    from ferkit.stacks.placement import placed
    from ferkit.tracking.pipeline_run import opened_run, tracker_settings
    from ferkit.tracking.saved_pages import save_runs_view
    from pipelines.train import train
    from steps.whole_config import as_extra

    if not imported:
        require_training_place(config, placement)
    tracker = tracker_settings(config, files.data)
    # Of other runs it believes that they are not its own, and makes a second one.
    tracker["tags"] |= {**tags, ZENML_TAG_KEY: zenml_version}
    if imported:
        tracker["tags"]["ferkit.imported_from"] = origin
    arguments = {"config": config, "files": files, "imported": imported}
    name = f"{config.name}-{datetime.now(UTC):%Y_%m_%d-%H_%M_%S_%f}"
    configured = placed(
        train.with_options(
            run_name=name,
            settings={"experiment_tracker.mlflow": tracker},
            tags=[config.name, config.data.source],
            extra=as_extra(config),
        ),
        placement,
        arguments,
        {step: {"enable_cache": False} for step in uncached(train, arguments, no_cache)},
    )
    if config.registry.register_:
        forget_lost_registrations()
    elsewhere = placement.orchestrator != "local"
    client = MlflowClient(workspace.tracking_uri)
    with workspace.making():
        place = make_experiment(config.experiment, workspace)
        save_runs_view(client, place)
    shorten_zenml()
    # An earlier run of this command may have failed, and have been gone on from.
    console.failure = None
    try:
        with (
            open_run(workspace, name, config.experiment, elsewhere=elsewhere),
            opened_run(client, place, name, config, tracker["tags"]) as tracked,
        ):
            with _submitting(placement, wait=wait) as submitted:
                run = configured(**arguments)
            yield BegunRun(run.id, tracked, submitted)
    except PipelineSubmissionError as error:
        raise ConfigError(f"not submitted: {error}") from None
    except RuntimeError as error:
        # ZenML goes on with the steps that do not depend on the one that failed, and then raises an error of its own.
        raise console.failure or error from None
    except StackValidationError as error:
        raise ConfigError(" ".join(str(error).split())) from error


@contextmanager
def _submitting(placement: Placement, *, wait: bool) -> "Iterator[Sequence[SubmittedRun]]":
    """What the block submits and does not wait for."""
    if wait or placement.orchestrator != "ray":
        yield ()
        return
    from ferkit.orchestrators.ray.submitted import not_waited_for

    with not_waited_for() as submitted:
        yield submitted


def completed(run: BegunRun, config: RunConfig, workspace: Workspace) -> FinishedRun:
    """Write down about a run that is over what MLflow and ZenML are to know.

    Raises
    ------
    FerkitError
        If the run did not succeed.
    """
    from mlflow import MlflowClient
    from zenml.client import Client

    ended = Client().get_pipeline_run(run.id)
    _require_success(ended)
    finished = FinishedRun.of(ended)
    record(finished, config, MlflowClient(workspace.tracking_uri), run.tracked)
    clean_up(workspace.checkpoints, finished.name)
    return finished


def _require_success(run: Any) -> None:
    """A run elsewhere may fail, or go on, without an error here."""
    if run.status.is_successful:
        return
    if not run.status.is_finished:
        raise FerkitError(f"run {run.name} is {run.status.value}; once it has completed: ferkit report {run.name}")
    failed = ", ".join(name for name, step in run.steps.items() if step.status.is_failed) or "none of its steps"
    raise FerkitError(f"run {run.name} is {run.status.value}: {failed} failed; ferkit dashboard shows their logs.")


def make_experiment(name: str, workspace: Workspace) -> str:
    """The id of MLflow's experiment `name`; it is made if it is missing."""
    import mlflow

    client = mlflow.MlflowClient(workspace.tracking_uri)
    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    # MLflow would put the artifacts of a database store into the current folder.
    here = workspace.tracking_uri.startswith("sqlite")
    place = (workspace.root / "mlartifacts" / name).as_uri() if here else None
    return str(client.create_experiment(name, artifact_location=place))
