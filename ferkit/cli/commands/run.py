"""`ferkit run`: the pipeline on one configuration."""

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ferkit.cli.commands.report import export, results_table
from ferkit.cli.next_steps import next_steps
from ferkit.cli.no_cache import NoCacheCommand, uncached
from ferkit.cli.stack_choice import activate, stack_file
from ferkit.cli.state.open_runs import open_run
from ferkit.cli.state.workspace import Workspace
from ferkit.config.loading import load_config, load_settings
from ferkit.config.named_files import NamedFiles
from ferkit.config.run_config import RunConfig
from ferkit.environment import git_commit
from ferkit.errors import ConfigError, FerkitError
from ferkit.stacks.placement import Placement
from ferkit.stacks.settings import StackSettings
from ferkit.standalone.import_member import MemberImport
from ferkit.training.checkpoint import clean_up

if TYPE_CHECKING:
    import pandas as pd

    from ferkit.cli.console import RunConsole

__all__ = ["experiment_settings", "register", "run_and_tell", "start"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("run", cls=NoCacheCommand)(run)


def run(
    config: Annotated[Path, typer.Argument(help="A run configuration, such as configs/quickstart.yaml.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting; may be repeated.")
    ] = None,
    *,
    stack: Annotated[
        str | None,
        typer.Option(help="Where to run: a file of configs/stacks by its name, a path, or a stack that ZenML knows."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Look for all that the run would stop at before its first training, run nothing."),
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show which steps would run and why, run nothing.")] = False,
    no_cache: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[STEP]",
            help="Run this step whatever the cache holds, or every step if none is named; may be repeated.",
        ),
    ] = None,
) -> None:
    """Run the pipeline: ingest, validate, drop non-faces, oversample, fine-tune, ensemble, evaluate, report.

    Steps whose input, settings and code did not change are taken from the cache. Examples:

    * `ferkit run configs/quickstart.yaml`
    * `ferkit run configs/fer2013.yaml --set data.path=/data/fer --set training.network.epochs=3`
    * `ferkit run configs/fer2013.yaml --set backbones.vggface.training.batch_size=32`
    * `ferkit run configs/fer2013.yaml --stack kubernetes`
    * `ferkit run configs/fer2013.yaml --plan --no-cache fine_tune`
    """
    if check and (plan or no_cache):
        raise ConfigError("--check runs nothing and asks no cache: leave out --plan and --no-cache, or --check.")
    settings = load_config(config, overrides or [])
    if file := stack_file(stack) if stack else None:
        load_settings(file, StackSettings)
    if check:
        from ferkit.cli.console import hush_zenml, quiet_native_libraries
        from ferkit.cli.run_check import check_run

        hush_zenml()
        quiet_native_libraries(Workspace.named().native_log)
        check_run(settings, stack)
        Console().print(f"{config}: a valid configuration; its data, weights and stack are there.", soft_wrap=True)
        return
    with Workspace.named().file_hashes() as sha256:
        files = NamedFiles.of(settings, sha256)
    if plan:
        _show_plan(settings, files, no_cache or [], stack)
        return
    run_and_tell(settings, files, stack=stack, no_cache=no_cache or [])


def run_and_tell(
    settings: RunConfig,
    files: NamedFiles,
    adoption: MemberImport | None = None,
    origin: str = "",
    stack: str | None = None,
    no_cache: Sequence[str] = (),
) -> "pd.DataFrame":
    """Run the pipeline as `start` does, and print its results and where they are; the results."""
    # The environment is read when ZenML and MLflow are imported, and an error in a config should not wait for them.
    from ferkit.cli.console import RunConsole, quiet_native_libraries

    begin = time.monotonic()
    workspace = Workspace.open()
    console = RunConsole(quiet_native_libraries(workspace.native_log))
    console.attach()
    what = f"members trained on {origin}" if adoption else f"{len(settings.trained())} trainings"
    console.say(f"{settings.name}: {what}; state in {workspace.root}")
    workspace, placement = activate(workspace, stack)
    finished = start(settings, files, workspace, placement, console, adoption, origin, no_cache)
    folder, results = export(finished, workspace.root / "reports" / finished.name)
    page = Console(highlight=False)
    page.print(results_table(results, f"{settings.name}: results"))
    executed = sum(step.status.value != "cached" for step in finished.steps.values())
    minutes, seconds = divmod(round(time.monotonic() - begin), 60)
    page.print(
        f"\nrun     {finished.name}: {executed} of {len(finished.steps)} steps executed, {minutes}:{seconds:02d} min\n"
        f"report  {folder / 'report.html'}\n"
        f"MLflow  experiment {settings.experiment} in {workspace.tracking_uri}",
        soft_wrap=True,
    )
    for line in next_steps(settings, workspace.tracking_uri):
        page.print(line, soft_wrap=True, markup=False)
    return results


def start(
    config: RunConfig,
    files: NamedFiles,
    workspace: Workspace,
    placement: Placement,
    console: "RunConsole",
    adoption: MemberImport | None = None,
    origin: str = "",
    no_cache: Sequence[str] = (),
) -> Any:
    """Run the pipeline to its end on the active stack.

    Parameters
    ----------
    files
        What the files hold that `config` names: an input of the pipeline, too.
    placement
        How the active stack gives steps what they ask for.
    console
        Attached; it tells how far the run is.
    adoption, origin
        Members to read in place of training them, and where they were trained.
    no_cache
        Steps that run whatever the cache holds, see `ferkit.cli.no_cache.uncached`.

    Returns
    -------
    zenml.models.PipelineRunResponse

    Raises
    ------
    FerkitError
        What the first step that failed had to say.
    """
    from zenml.client import Client
    from zenml.exceptions import StackValidationError
    from zenml.orchestrators.exceptions import PipelineSubmissionError

    from ferkit.cli.lost_registrations import forget_lost_registrations
    from ferkit.stacks.placement import placed
    from pipelines.train import train

    tracker = experiment_settings(config, files.data, workspace)
    if adoption:
        tracker["tags"]["ferkit.imported_from"] = origin
    arguments = {"config": config, "files": files, "adoption": adoption}
    name = f"{config.name}-{datetime.now(UTC):%Y_%m_%d-%H_%M_%S_%f}"
    configured = placed(
        train.with_options(run_name=name, settings={"experiment_tracker.mlflow": tracker}),
        placement,
        arguments,
        {step: {"enable_cache": False} for step in uncached(train, arguments, no_cache)},
    )
    if config.registry.register_:
        forget_lost_registrations()
    elsewhere = placement.orchestrator != "local"
    try:
        with open_run(workspace, name, config.experiment, elsewhere=elsewhere):
            run = configured(**arguments)
    except PipelineSubmissionError as error:
        raise ConfigError(f"not submitted: {error}") from None
    except RuntimeError as error:
        # ZenML goes on with the steps that do not depend on the one that failed, and then raises an error of its own.
        raise console.failure or error from None
    except StackValidationError as error:
        raise ConfigError(" ".join(str(error).split())) from error
    finished = Client().get_pipeline_run(run.id)
    _require_success(finished)
    clean_up(workspace.checkpoints, finished.name)
    return finished


def _show_plan(settings: RunConfig, files: NamedFiles, no_cache: Sequence[str], stack: str | None) -> None:
    """Print what a run would do."""
    from ferkit.cli.console import hush_zenml
    from ferkit.cli.lost_registrations import forget_lost_registrations
    from ferkit.cli.plan import plan, plan_table

    hush_zenml()
    activate(Workspace.open(), stack)
    # ZenML asks for the root of the sources, which is told with the stack.
    from pipelines.train import train

    arguments = {"config": settings, "files": files, "adoption": None}
    if settings.registry.register_:
        forget_lost_registrations()
    planned = plan(train, arguments, uncached(train, arguments, no_cache))
    page = Console(highlight=False)
    page.print(plan_table(planned))
    count = Counter(each.action for each in planned)
    page.print(
        f"\n{settings.name}: {count['runs']} steps run, {count['follows']} follow unless those make the same again, "
        f"{count['cached']} come from the cache. Nothing was run.",
        soft_wrap=True,
    )


def _require_success(run: Any) -> None:
    """A run elsewhere may fail, or go on, without an error here."""
    if run.status.is_successful:
        return
    if not run.status.is_finished:
        raise FerkitError(f"run {run.name} is {run.status.value}; once it has completed: ferkit report {run.name}")
    failed = ", ".join(name for name, step in run.steps.items() if step.status.is_failed) or "none of its steps"
    raise FerkitError(f"run {run.name} is {run.status.value}: {failed} failed; ferkit dashboard shows their logs.")


def experiment_settings(config: RunConfig, fingerprint: str, workspace: Workspace) -> dict[str, Any]:
    """Settings of ZenML's MLflow tracker for one run; makes the experiment if it is missing."""
    if workspace.tracking_uri.startswith("sqlite"):
        _keep_artifacts_here(config.experiment, workspace)
    text = config.to_yaml()
    return {
        "experiment_name": config.experiment,
        "tags": {
            "ferkit.config.run_config": config.name,
            "ferkit.config_hash": hashlib.sha256(text.encode()).hexdigest()[:16],
            "ferkit.data_hash": fingerprint[:16],
            "ferkit.git_commit": git_commit() or "unknown",
            "ferkit.seed": str(config.seed),
        },
    }


def _keep_artifacts_here(experiment: str, workspace: Workspace) -> None:
    """MLflow would put the artifacts of a database store into the current folder."""
    import mlflow

    with workspace.making():
        client = mlflow.MlflowClient(workspace.tracking_uri)
        if client.get_experiment_by_name(experiment) is None:
            place = workspace.root / "mlartifacts" / experiment
            client.create_experiment(experiment, artifact_location=place.as_uri())
