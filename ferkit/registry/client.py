"""Access to the MLflow registry that the environment names."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ferkit.errors import FerkitError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel as Entry

__all__ = [
    "RegistryError",
    "aliases_of",
    "find_model",
    "registry_client",
    "registry_errors",
    "registry_key",
    "require_model",
]


def registry_client() -> "MlflowClient":
    """A client of the registry that MLflow is pointed to now."""
    from mlflow import MlflowClient

    # Some megabytes from one folder to another need no bar.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    return MlflowClient()


def find_model(name: str) -> "Entry | None":
    """The registry's entry of the model `name`, with aliases and tags; None if nothing was registered under it.

    Raises
    ------
    RegistryError
        If the registry does not answer.
    """
    if _no_database_yet():
        return None
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

    with registry_errors(f"registered model {name}"):
        try:
            return registry_client().get_registered_model(name)
        except MlflowException as error:
            if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                return None
            raise


def require_model(name: str) -> "Entry":
    """The registry's entry of the model `name`, with aliases and tags.

    Raises
    ------
    RegistryError
        If nothing was registered under that name, or the registry does not answer.
    """
    found = find_model(name)
    if found is None:
        raise RegistryError(f"no model is registered as {name}; `ferkit run` registers what it trains.")
    return found


def aliases_of(entry: "Entry | None") -> dict[str, str]:
    """Version number by alias; a database of MLflow's gives numbers where a server gives text."""
    return {alias: str(version) for alias, version in entry.aliases.items()} if entry else {}


def registry_key() -> str:
    """Identity of the registry in use: 16 hexadecimal digits of a hash, from which no credentials can be read."""
    return hashlib.sha256(_uri().encode()).hexdigest()[:16]


def _uri() -> str:
    return os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI", "")


def _no_database_yet() -> bool:
    """Whether the store is a file that nobody made: asking MLflow would make it, which takes seconds."""
    kind, _, path = _uri().partition(":///")
    return kind == "sqlite" and not Path(path).exists()


class RegistryError(FerkitError):
    """A model registry that cannot be reached, or that does not hold what was asked for."""


@contextmanager
def registry_errors(what: str) -> Iterator[None]:
    """Turn MLflow's errors within the block into a `RegistryError` of one line that begins with `what`."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        reason = " ".join(str(error).split())
        raise RegistryError(f"{what}: MLflow's registry answered: {reason[:500]}") from error
