"""`ferkit run`: the pipeline on one configuration."""

import hashlib
import time
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console

from cli.report import export, results_table
from cli.workspace import Workspace
from ferkit.config import RunConfig, load_config
from ferkit.errors import DataError
from ferkit.sources import fingerprint
from ferkit.training.checkpoint import remove_finished

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
    * `ferkit run configs/fer2013.yaml --set data.path=/data/fer --set training.epochs=3`
    * `ferkit run configs/fer2013.yaml --set backbones.vggface.training.batch_size=32`
    """
    settings = load_config(config, overrides or [])
    hashes = fingerprint(settings.data), _exclude_hash(settings)
    if check:
        Console().print(f"{config}: a valid configuration; its data is there.")
        return
    # The environment is read when ZenML and MLflow are imported, and an error in a config should not wait for them.
    from cli.console import quiet_native_libraries

    begin = time.monotonic()
    workspace = Workspace.open()
    finished = start(settings, *hashes, workspace, quiet_native_libraries(workspace.root / "native.log"))
    folder, results = export(finished, workspace.root / "reports" / finished.name)
    console = Console(highlight=False)
    console.print(results_table(results, f"{settings.name}: results"))
    executed = sum(step.status.value != "cached" for step in finished.steps.values())
    minutes, seconds = divmod(round(time.monotonic() - begin), 60)
    console.print(
        f"\nrun     {finished.name}: {executed} of {len(finished.steps)} steps executed, {minutes}:{seconds:02d} min\n"
        f"report  {folder / 'report.html'}\n"
        f"MLflow  experiment {settings.experiment} in {workspace.tracking_uri}\n"
        "next    make ui                           MLflow's page: every run, its curves, figures and report\n"
        "        ferkit run configs/fer2013.yaml   the study on FER-2013; ferkit data download brings the data",
        soft_wrap=True,
    )


def start(config: RunConfig, data_hash: str, exclude_hash: str, workspace: Workspace, terminal: TextIO) -> Any:
    """Run the pipeline to its end, telling `terminal` how far it is.

    Parameters
    ----------
    data_hash, exclude_hash
        Of the files that `config` names: what they hold is an input of the pipeline, too.

    Returns
    -------
    zenml.models.PipelineRunResponse

    Raises
    ------
    FerkitError
        What the first step that failed had to say.
    """
    from cli.console import RunConsole
    from cli.experiment import experiment_settings

    console = RunConsole(terminal)
    console.attach()
    console.say(f"{config.name}: {len(config.trained())} trainings; state in {workspace.root}")
    workspace.activate_stack()
    from pipelines.train import train

    configured = train.with_options(
        run_name=f"{config.name}-{{date}}-{{time}}",
        settings={"experiment_tracker.mlflow": experiment_settings(config, data_hash, workspace)},
    )
    try:
        run = configured(config=config, fingerprint=data_hash, exclude_hash=exclude_hash)
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
