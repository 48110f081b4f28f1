"""How a pipeline run appears in MLflow: its experiment, and the tags that say what it was made from."""

import hashlib
from typing import Any

from cli.workspace import Workspace
from ferkit.config import RunConfig
from ferkit.provenance import git_commit

__all__ = ["experiment_settings"]


def experiment_settings(config: RunConfig, fingerprint: str, workspace: Workspace) -> dict[str, Any]:
    """Settings of ZenML's MLflow tracker for one run; makes the experiment if it is missing."""
    if workspace.tracking_uri.startswith("sqlite"):
        _keep_artifacts_here(config.experiment, workspace)
    text = config.to_yaml()
    return {
        "experiment_name": config.experiment,
        "tags": {
            "ferkit.config": config.name,
            "ferkit.config_hash": hashlib.sha256(text.encode()).hexdigest()[:16],
            "ferkit.data_hash": fingerprint[:16],
            "ferkit.git_commit": git_commit() or "unknown",
            "ferkit.seed": str(config.seed),
        },
    }


def _keep_artifacts_here(experiment: str, workspace: Workspace) -> None:
    """MLflow would put the artifacts of a database store into the current folder."""
    import mlflow

    with workspace.making():
        client = mlflow.MlflowClient(workspace.tracking_uri)
        if client.get_experiment_by_name(experiment) is None:
            place = workspace.root / "mlartifacts" / experiment
            client.create_experiment(experiment, artifact_location=place.as_uri())
