"""`ferkit stack`: the places that a pipeline can run on."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ferkit.cli.stack_choice import STACK_FILES, components_of
from ferkit.cli.state.open_runs import close_abandoned
from ferkit.cli.state.workspace import CHECKOUT, Workspace
from ferkit.config.loading import load_settings
from ferkit.stacks.settings import StackSettings

__all__ = ["register"]

commands = typer.Typer(help="Register and list the places that a pipeline can run on.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(commands, name="stack")


@commands.command("apply")
def apply_file(
    file: Annotated[Path, typer.Argument(help="A stack file, such as configs/stacks/kubernetes.yaml.")],
) -> None:
    """Register the stack of a file and its components with ZenML, or bring them up to date.

    Example: `ferkit stack apply configs/stacks/local.yaml`
    """
    from ferkit.cli.console import hush_zenml

    settings = load_settings(file, StackSettings)
    hush_zenml()
    table = Table("component", "name", "flavor", "", box=None, padding=(0, 2, 0, 0))
    for change in Workspace.open().apply(settings):
        table.add_row(change.kind.replace("_", " "), change.name, change.flavor, change.what)
    Console().print(table)


@commands.command("list")
def list_stacks(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the stacks that ZenML knows, and the files that can be applied.

    Examples: `ferkit stack list`, `ferkit stack list --json`
    """
    from ferkit.cli.console import hush_zenml

    hush_zenml()
    workspace = Workspace.open()
    workspace.activate_stack()
    close_abandoned(workspace)
    from zenml.client import Client

    zenml_stacks = [
        _described(stack) for stack in Client().list_stacks(size=100, sort_by="asc:created", hydrate=True).items
    ]
    known = {stack["name"] for stack in zenml_stacks}
    files = {path.stem: path.relative_to(CHECKOUT) for path in sorted(STACK_FILES.glob("*.yaml"))}
    left = {name: str(path) for name, path in files.items() if name not in known}
    if as_json:
        typer.echo(json.dumps({"stacks": zenml_stacks, "not_registered": left}, indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    for stack in zenml_stacks:
        console.print(f"[bold]{stack['name']}[/]  orchestrator {stack['orchestrator']}")
        console.print(f"    artifacts  {stack['artifacts'] or 'of this machine'}")
        if stack["mlflow"]:
            console.print(f"    MLflow     {stack['mlflow']}")
    for name, path in left.items():
        console.print(f"[bold]{name}[/]  not registered: ferkit stack apply {path}")


def _described(stack: Any) -> dict[str, str | None]:
    """What tells a stack apart from others."""
    parts = components_of(stack)
    tracker = parts.get("experiment_tracker")
    return {
        "name": stack.name,
        "orchestrator": parts["orchestrator"].flavor_name,
        "artifacts": parts["artifact_store"].configuration.get("path"),
        "mlflow": tracker.configuration.get("tracking_uri") if tracker else None,
    }
