"""`ferkit dashboard`: ZenML's own page on the pipelines, steps and artifacts of this checkout."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ferkit.cli.ports import require_free
from ferkit.cli.state.open_runs import close_abandoned
from ferkit.cli.state.workspace import Workspace

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("dashboard")(dashboard)


def dashboard(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8237,
) -> None:
    """Open the ZenML dashboard: runs, steps, and every artifact with its contact sheet, matrix or report.

    Example: `ferkit dashboard --port 8238`
    """
    server = os.environ.get("ZENML_STORE_URL", "")
    if server.startswith("http"):
        Console().print(f"ZENML_STORE_URL names a server, its page is {server}")
        return
    require_free("127.0.0.1", port, "dashboard")
    workspace = Workspace.open()
    workspace.require_zenml()
    close_abandoned(workspace)
    Console().print(f"ZenML's page: http://127.0.0.1:{port}, user default, no password  (Ctrl-C stops it)")
    sys.stdout.flush()
    zenml = str(Path(sys.executable).with_name("zenml"))
    os.execv(zenml, [zenml, "login", "--local", "--blocking", "--port", str(port)])  # noqa: S606
