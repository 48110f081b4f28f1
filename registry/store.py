"""The registry that the environment names."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import told

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel as Entry

__all__ = ["known_models", "registry_client"]


def registry_client() -> "MlflowClient":
    """A client of the registry that MLflow is pointed to now."""
    from mlflow import MlflowClient

    return MlflowClient()


def known_models(name: str) -> "Entry | None":
    """What the registry knows of the model `name`: aliases and tags; None if nothing was registered under it.

    Raises
    ------
    RegistryError
        If the registry does not answer.
    """
    if _no_database_yet():
        return None
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

    with told(f"registered model {name}"):
        try:
            return registry_client().get_registered_model(name)
        except MlflowException as error:
            if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                return None
            raise


def _no_database_yet() -> bool:
    """Whether the store is a file that nobody made: asking MLflow would make it, which takes seconds."""
    uri = os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI", "")
    kind, _, path = uri.partition(":///")
    return kind == "sqlite" and not Path(path).exists()
