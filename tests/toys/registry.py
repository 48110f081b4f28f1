"""A registry in a folder, with versions of toy runs in it."""

import os
from contextlib import contextmanager
from pathlib import Path

import mlflow

from ferkit.registry.register import Lineage, register_run
from ferkit.release.run_bundle import TrainedRun
from tests.toys.run import toy_run
from tests.toys.state import prepared_registry

LINEAGE = Lineage("toy-run", "data123", "commit456", {"faces_ingested": "an-id"})


@contextmanager
def registry_at(uri: str):
    """Point MLflow there, as the environment of a command would; a database that is missing is made."""
    database = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:") and not database.exists():
        prepared_registry(database)
    before = os.environ.get("MLFLOW_TRACKING_URI"), mlflow.get_tracking_uri()
    os.environ["MLFLOW_TRACKING_URI"] = uri
    mlflow.set_tracking_uri(uri)
    try:
        yield mlflow.MlflowClient()
    finally:
        os.environ.pop("MLFLOW_TRACKING_URI")
        if before[0] is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before[0]
        mlflow.set_tracking_uri(before[1])


def register_toy(folder: Path, *, seed: int = 0, **changes):
    """Register a toy run in the registry that MLflow points to; the table of what was made.

    The files go to `folder`, or through the server if MLflow points to one.
    """
    return register(toy_run(folder / f"run-{seed}", seed=seed, **changes), folder)


def register(run: TrainedRun, folder: Path):
    """Register a run as `register_toy` does."""
    client = mlflow.MlflowClient()
    where = None if mlflow.get_tracking_uri().startswith("http") else (folder / "artifacts").as_uri()
    found = client.get_experiment_by_name("toy")
    experiment = found.experiment_id if found else client.create_experiment("toy", artifact_location=where)
    with mlflow.start_run(experiment_id=experiment):
        return register_run(run, LINEAGE)
