"""`ferkit stack`: the places that a pipeline can run on."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.stack_choice import STACK_FILES, components_of
from cli.workspace import CHECKOUT, Workspace
from ferkit.config_file import load_settings
from stacks.settings import StackSettings

__all__ = ["app"]

app = typer.Typer(help="Register and list the places that a pipeline can run on.", no_args_is_help=True)


@app.command("apply")
def apply_file(
    file: Annotated[Path, typer.Argument(help="A stack file, such as configs/stacks/kubernetes.yaml.")],
) -> None:
    """Register the stack of a file and its components with ZenML, or bring them up to date.

    Example: `ferkit stack apply configs/stacks/local.yaml`
    """
    from cli.console import hush_zenml

    settings = load_settings(file, StackSettings)
    hush_zenml()
    table = Table("component", "name", "flavor", "", box=None, padding=(0, 2, 0, 0))
    for change in Workspace.open().apply(settings):
        table.add_row(change.kind.replace("_", " "), change.name, change.flavor, change.what)
    Console().print(table)


@app.command("list")
def list_stacks() -> None:
    """List the stacks that ZenML knows, and the files that can be applied.

    Example: `ferkit stack list`
    """
    from cli.console import hush_zenml

    hush_zenml()
    workspace = Workspace.open()
    workspace.activate_stack()
    from zenml.client import Client

    console = Console(highlight=False, soft_wrap=True)
    registered = Client().list_stacks(size=100, sort_by="asc:created", hydrate=True).items
    for stack in registered:
        parts = components_of(stack)
        console.print(f"[bold]{stack.name}[/]  orchestrator {parts['orchestrator'].flavor_name}")
        console.print(f"    artifacts  {parts['artifact_store'].configuration.get('path') or 'of this machine'}")
        if tracker := parts.get("experiment_tracker"):
            console.print(f"    MLflow     {tracker.configuration.get('tracking_uri')}")
    known = {stack.name for stack in registered}
    for path in sorted(STACK_FILES.glob("*.yaml")):
        if path.stem not in known:
            console.print(f"[bold]{path.stem}[/]  not registered: ferkit stack apply {path.relative_to(CHECKOUT)}")
