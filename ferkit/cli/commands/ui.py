"""`ferkit ui`: MLflow's own page on the runs of this checkout."""

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from ferkit.cli.ports import require_free
from ferkit.cli.state.open_runs import close_abandoned
from ferkit.cli.state.workspace import Workspace

__all__ = ["register", "show"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("ui")(ui)


def ui(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
) -> None:
    """Open the MLflow UI: every run, its curves, figures, report and models.

    Example: `ferkit ui --port 5001`
    """
    show(Workspace.open(), host, port)


def show(workspace: Workspace, host: str, port: int, part: str | None = None) -> None:
    """Serve MLflow's page until it is interrupted, or say where the server is that has it.

    Parameters
    ----------
    part
        What follows MLflow's own address; the newest run's experiment if empty.
    """
    uri = workspace.tracking_uri
    if uri.startswith("http"):
        Console().print(
            f"{uri.rstrip('/')}/{part}" if part else f"MLFLOW_TRACKING_URI names a server, its page is {uri}",
            soft_wrap=True,
        )
        return
    workspace.require_mlflow()
    close_abandoned(workspace)
    require_free(host, port, "ui")
    from mlflow import MlflowClient
    from mlflow.cli import cli

    from ferkit.tracking.saved_pages import view_address

    address = f"http://{host}:{port}/{part or view_address(MlflowClient(uri))}"
    Console().print(f"MLflow's page: {address}  (Ctrl-C stops it)", soft_wrap=True)
    sys.stdout.flush()
    # One person looks at it, and nothing of ours runs MLflow's jobs: without this eight processes start.
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    where = ["--backend-store-uri", uri, "--host", host, "--port", str(port), "--workers", "1"]
    # In this process, which has imported MLflow already; its server is another one that imports it again.
    cli(["ui", *where])
