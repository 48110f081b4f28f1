"""`ferkit run`: the pipeline on one configuration."""

import hashlib
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.report import export, results_table
from cli.workspace import Workspace
from ferkit.checkpoint import remove_finished
from ferkit.config import RunConfig, load_config
from ferkit.errors import DataError
from ferkit.sources import fingerprint

__all__ = ["register", "start"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("run")(run)


def run(
    config: Annotated[Path, typer.Argument(help="A run configuration, such as configs/quickstart.yaml.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting; may be repeated.")
    ] = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Check the configuration and the data's files, run nothing.")
    ] = False,
) -> None:
    """Run the pipeline: ingest, validate, drop non-faces, oversample, fine-tune, ensemble, evaluate, report.

    Steps whose input, settings and code did not change are taken from the cache. Examples:

    * `ferkit run configs/quickstart.yaml`
    * `ferkit run configs/fer2013.yaml --set data.path=/data/fer --set training.network.epochs=3`
    * `ferkit run configs/fer2013.yaml --set backbones.vggface.training.batch_size=32`
    """
    settings = load_config(config, overrides or [])
    if check:
        fingerprint(settings.data)
        Console().print(f"{config}: a valid configuration; its data is there.")
        return
    begin = time.monotonic()
    finished = start(settings, Workspace.open())
    folder, results = export(finished, Workspace.open().root / "reports" / finished.name)
    console = Console()
    console.print(results_table(results, f"{settings.name}: results, with 95 % intervals"))
    executed = [name for name, step in finished.steps.items() if step.status.value != "cached"]
    minutes, seconds = divmod(round(time.monotonic() - begin), 60)
    for name, text in (
        (
            "run",
            f"{finished.name}: {len(executed)} of {len(finished.steps)} steps executed in {minutes}:{seconds:02d} min",
        ),
        ("report", f"{folder / 'report.html'}"),
        ("next", "make ui              MLflow's page on every run, its curves, figures and models"),
        ("", "ferkit run configs/fer2013.yaml   the study on FER-2013 (ferkit data download brings it)"),
    ):
        console.print(f"{name:8}{text}", soft_wrap=True, highlight=False)


def start(config: RunConfig, workspace: Workspace) -> Any:
    """Run the pipeline to its end; the ZenML run.

    Raises
    ------
    Exception
        What the first step that failed raised.
    """
    # ZenML and MLflow read the environment when they are imported, and an error in a config should not wait for them.
    from cli.console import RunConsole, quiet_native_libraries
    from cli.experiment import experiment_settings

    found, excluded = fingerprint(config.data), _exclude_hash(config)
    console = RunConsole(quiet_native_libraries(workspace.root / "native.log"))
    workspace.activate_stack()
    from pipelines.train import train

    console.attach()
    configured = train.with_options(
        run_name=f"{config.name}-{{date}}-{{time}}",
        settings={"experiment_tracker.mlflow": experiment_settings(config, found, workspace)},
    )
    try:
        run = configured(config=config, fingerprint=found, exclude_hash=excluded)
    except RuntimeError as error:
        # ZenML goes on with the steps that do not depend on the one that failed, and then raises an error of its own.
        raise console.failure or error from None
    remove_finished(workspace.checkpoints)
    return run


def _exclude_hash(config: RunConfig) -> str:
    path = config.cleaning.exclude
    if path is None:
        return ""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"cleaning.exclude {path}: cannot be read ({error.strerror}).") from error
