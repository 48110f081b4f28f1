"""ZenML's and MLflow's servers, as processes of their own that begin with their libraries imported."""

import sys
from contextlib import contextmanager
from pathlib import Path

from tests.toys.command import forked_script
from tests.toys.services import CLEAN, free_port, served
from tests.toys.state import prepared_registry, prepared_store

_MLFLOW = Path(__file__).with_name("mlflow_program.py")


@contextmanager
def zenml_server(folder: Path):
    """Address of a ZenML server that keeps its state below `folder`."""
    port = free_port()
    command = forked_script(
        Path(sys.executable).with_name("zenml"), *("login", "--local", "--blocking", "--port", port), zenml=True
    )
    prepared_store(folder / "server" / "stores")
    store = {
        "ZENML_CONFIG_PATH": str(folder / "server"),
        "ZENML_LOCAL_STORES_PATH": str(folder / "server" / "stores"),
        "ZENML_ANALYTICS_OPT_IN": "false",
    }
    address = f"http://127.0.0.1:{port}"
    with served(command, f"{address}/health", {**CLEAN, **store}, folder / "zenml.log"):
        yield address


@contextmanager
def mlflow_server(folder: Path, *, port: int | None = None, database: str | None = None):
    """Address of an MLflow server that keeps its state below `folder`, or in a database elsewhere."""
    port = port or free_port()
    if not database and not (folder / "mlflow.db").exists():
        prepared_registry(folder / "mlflow.db")
    command = forked_script(
        _MLFLOW, "server",
        *("--backend-store-uri", database or f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", folder / "artifacts", "--host", "127.0.0.1", "--port", port),
        # One process in place of a dozen.
        *("--workers", "1"),
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    environment = {**CLEAN, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with served(command, f"{address}/health", environment, folder / "mlflow.log"):
        yield address
