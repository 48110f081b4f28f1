"""Models of MLflow's registry as folders on this machine, which `ferkit.bundles.bundle.Bundle` reads.

Which registry it is, ``MLFLOW_TRACKING_URI`` says (and ``MLFLOW_REGISTRY_URI``, where the two differ).
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ferkit.registry.client import aliases_of, find_model, registry_client, registry_errors

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

__all__ = [
    "BUNDLE",
    "CHALLENGER",
    "CHAMPION",
    "REGISTERED_NAME",
    "RegisteredModel",
    "champion_version",
    "load_champion",
    "load_version",
    "version_exists",
]

REGISTERED_NAME = "ferkit"
CHAMPION = "champion"
CHALLENGER = "challenger"
# Where the bundle lies within the logged model.
BUNDLE = "artifacts/bundle"


@dataclass(frozen=True)
class RegisteredModel:
    """A version of a registered model, and a copy of its bundle.

    Attributes
    ----------
    name, version
        Name and version number in the registry.
    alias
        The alias by which it was found; None if by its number.
    run_id
        Id of the MLflow run that made it.
    folder
        The bundle, for `ferkit.bundles.bundle.Bundle`. Not to be changed: later calls return the same folder.
    """

    name: str
    version: str
    alias: str | None
    run_id: str | None
    folder: Path


def champion_version(name: str = REGISTERED_NAME) -> str | None:
    """Version that is champion now, None if nothing was promoted; one query, nothing is downloaded.

    Raises
    ------
    RegistryError
        If the registry does not answer.
    """
    return aliases_of(find_model(name)).get(CHAMPION)


def load_champion(cache: Path, name: str = REGISTERED_NAME) -> RegisteredModel | None:
    """The champion, copied to `cache` unless it is there already; None if nothing was promoted.

    Raises
    ------
    RegistryError
        If the registry does not answer, or the files of the model are gone.
    """
    version = champion_version(name)
    return load_version(version, cache, name, alias=CHAMPION) if version else None


def load_version(
    version: str, cache: Path, name: str = REGISTERED_NAME, *, alias: str | None = None
) -> RegisteredModel:
    """A version by its number, copied to `cache` unless it is there already.

    Raises
    ------
    RegistryError
        If there is no such version, the registry does not answer, or the files of the model are gone.
    """
    with registry_errors(f"{name} version {version}"):
        found: ModelVersion = registry_client().get_model_version(name, version)
    return RegisteredModel(name, str(found.version), alias, found.run_id or None, _fetched(found, cache))


def version_exists(name: str, version: str) -> bool:
    """Whether the registry has a version and its files.

    Raises
    ------
    RegistryError
        If the registry does not answer.
    """
    if find_model(name) is None:
        return False
    from mlflow.artifacts import list_artifacts
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

    with registry_errors(f"{name} version {version}"):
        try:
            registry_client().get_model_version(name, version)
            return bool(list_artifacts(artifact_uri=f"models:/{name}/{version}"))
        except MlflowException as error:
            if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                return False
            raise


def _fetched(version: "ModelVersion", cache: Path) -> Path:
    """The bundle of a version in `cache`; whole or not there, also if several processes fetch it at once."""
    from mlflow.artifacts import download_artifacts

    # The numbers begin anew in another registry, or once a model was deleted: what the model is called is unique.
    unique = (version.source or "").rstrip("/").rpartition("/")[2] or version.run_id
    folder: Path = cache / str(version.name) / f"{version.version}-{unique}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as scratch:
        where = f"models:/{version.name}/{version.version}/{BUNDLE}"
        with registry_errors(f"files of {version.name} version {version.version}"):
            fetched = Path(download_artifacts(artifact_uri=where, dst_path=scratch))
        try:
            fetched.rename(folder)
        except OSError:
            # Another process was quicker, and what it fetched is the same.
            if not folder.is_dir():
                raise
    return folder
