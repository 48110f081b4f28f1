"""Finds the stack that `ferkit run --stack` names, and makes it ready to be run on."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferkit.cli.state.open_runs import close_abandoned
from ferkit.cli.state.workspace import CHECKOUT, STACK, Workspace
from ferkit.config.loading import load_settings
from ferkit.errors import ConfigError
from ferkit.stacks.placement import Placement
from ferkit.stacks.register import PLACEMENT_LABEL
from ferkit.stacks.settings import ComponentSettings, StackSettings

__all__ = ["STACK_FILES", "activate", "components_of", "stack_file"]

STACK_FILES = CHECKOUT / "configs" / "stacks"


def stack_file(name: str) -> Path | None:
    """The stack file that `name` means: a path, or the name of one in ``configs/stacks``; None if it means neither.

    Raises
    ------
    ConfigError
        If a path leads nowhere.
    """
    if not name.endswith((".yaml", ".yml")):
        path = STACK_FILES / f"{name}.yaml"
        return path if path.is_file() else None
    if not Path(name).is_file():
        raise ConfigError(f"--stack {name}: no such file. Stacks in configs/stacks/: {', '.join(_names())}.")
    return Path(name)


def activate(workspace: Workspace, name: str | None) -> tuple[Workspace, Placement]:
    """Make the stack `name` the active one, updated from its file if it has one; without a name, the workspace's.

    Returns
    -------
    Workspace
        With MLflow's store as the stack has it, which the environment names from now on.
    Placement
        How its steps get their resources.

    Raises
    ------
    ConfigError
        If there is no such stack, or it cannot be registered.
    StoreError
        If ZenML's or MLflow's store cannot be used.
    """
    from zenml.client import Client

    path = stack_file(name) if name else None
    if path:
        settings = load_settings(path, StackSettings)
        workspace.apply(settings)
        name = settings.name
    else:
        workspace.activate_stack()
    client = Client()
    found = client.list_stacks(name=name or STACK, hydrate=True).items
    if not found:
        known = sorted({*_names(), *(stack.name for stack in client.list_stacks(size=100).items)})
        raise ConfigError(f"--stack {name}: no stack of this name, and no file; known: {', '.join(known)}.")
    with workspace.making():
        client.activate_stack(found[0].id)
    workspace = _with_tracker(workspace, found[0])
    workspace.require_mlflow()
    close_abandoned(workspace)
    return workspace, _placement(found[0])


def _names() -> list[str]:
    return sorted(path.stem for path in STACK_FILES.glob("*.yaml"))


def components_of(stack: Any) -> dict[str, Any]:
    """The first component of each type of a stack, by ZenML's word for the type."""
    return {kind.value: found[0] for kind, found in stack.components.items() if found}


def _with_tracker(workspace: Workspace, stack: Any) -> Workspace:
    tracker = components_of(stack).get("experiment_tracker")
    if tracker is None:
        raise ConfigError(f"stack {stack.name} has no experiment tracker; the steps write to MLflow.")
    uri = tracker.configuration.get("tracking_uri") or workspace.tracking_uri
    os.environ["MLFLOW_TRACKING_URI"] = uri
    return replace(workspace, tracking_uri=uri)


def _placement(stack: Any) -> Placement:
    """The placement that the stack's file gave it; without a file, one made of its orchestrator's settings."""
    kept = (stack.labels or {}).get(PLACEMENT_LABEL)
    if kept:
        return Placement.model_validate_json(kept)
    components = components_of(stack)
    orchestrator, operator = components["orchestrator"], components.get("step_operator")
    return Placement(
        orchestrator=orchestrator.flavor_name,
        pod=orchestrator.configuration.get("pod_settings") or {},
        step_operator=operator
        and ComponentSettings(flavor=operator.flavor_name, configuration=dict(operator.configuration)),
        alerts="alerter" in components,
    )
