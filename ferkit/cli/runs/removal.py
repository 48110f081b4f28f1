"""Removing runs from ZenML, MLflow and the folder of state, with what no other run has."""

import shutil
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any

from ferkit.cli.runs.found import steps_of
from ferkit.cli.state.workspace import Workspace
from ferkit.errors import FerkitError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["registered_runs", "remove_runs"]


def registered_runs(client: "MlflowClient") -> dict[str, str]:
    """By name of a run, a version in MLflow's registry that came from it."""
    found = {}
    for version in client.search_model_versions():
        if name := version.tags.get("ferkit.pipeline_run"):
            found[name] = f"{version.name} version {version.version}"
    return found


def remove_runs(runs: Sequence[Any], client: "MlflowClient", workspace: Workspace) -> None:
    """Remove runs of the pipeline, their artifacts that no other run has, their runs in MLflow and their reports.

    Parameters
    ----------
    runs : sequence of zenml.models.PipelineRunResponse
        No other run may have results of these.
    """
    from zenml.client import Client

    made = [
        artifact.id
        for run in runs
        for step in steps_of(run).values()
        if not step.original_step_run_id
        for artifacts in step.outputs.values()
        for artifact in artifacts
    ]
    _remove_from_mlflow([run.name for run in runs], client, workspace)
    for run in runs:
        Client().delete_pipeline_run(run.id)
        if run.snapshot:
            Client().delete_snapshot(run.snapshot.id)
        shutil.rmtree(workspace.root / "reports" / run.name, ignore_errors=True)
    _remove_artifacts(made)


def _remove_artifacts(made: Iterable[Any]) -> None:
    from zenml.client import Client
    from zenml.utils.pagination_utils import depaginate

    client, wanted = Client(), set(made)
    unused = [
        each.id for each in depaginate(client.list_artifact_versions, only_unused=True, size=200) if each.id in wanted
    ]
    for each in unused:
        client.delete_artifact_version(each, delete_metadata=True, delete_from_artifact_store=True)


def _remove_from_mlflow(names: Sequence[str], client: "MlflowClient", workspace: Workspace) -> None:
    """From a database for good, files and all; a server keeps them as deleted until it cleans up."""
    places = [each.experiment_id for each in client.search_experiments()]
    runs = [run.info.run_id for name in names for run in _family(client, places, name)]
    outputs = [output.model_id for run in runs for output in client.get_run(run).outputs.model_outputs]
    models = [each for each in dict.fromkeys(outputs) if client.get_logged_model(each).source_run_id in runs]
    for model in models:
        client.delete_logged_model(model)
    for run in runs:
        client.delete_run(run)
    if workspace.tracking_uri.startswith("sqlite") and runs:
        _collect(workspace.tracking_uri, runs, models)


def _family(client: "MlflowClient", places: list[str], name: str) -> "list[Run]":
    """The run of this name, after its children."""
    parents = list(client.search_runs(places, f"tags.mlflow.runName = '{name}'"))
    children = [
        child
        for parent in parents
        for child in client.search_runs(places, f"tags.mlflow.parentRunId = '{parent.info.run_id}'", max_results=1000)
    ]
    return [*children, *parents]


def _collect(uri: str, runs: list[str], models: list[str]) -> None:
    """Let MLflow remove what was deleted; its own command is the only public way."""
    from click import ClickException
    from mlflow.cli import gc
    from mlflow.exceptions import MlflowException

    arguments = ["--backend-store-uri", uri, "--run-ids", ",".join(runs)]
    if models:
        arguments += ["--logged-model-ids", ",".join(models)]
    try:
        # A line for each run.
        with redirect_stdout(StringIO()):
            gc.main(arguments, standalone_mode=False)
    except (ClickException, MlflowException) as error:
        raise FerkitError(f"mlflow gc: {(str(error).strip().splitlines() or ['no message'])[-1]}") from error
