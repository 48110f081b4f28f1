"""`ferkit run`: the pipeline on one configuration."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ferkit.cli.commands.report import export_new, results_table
from ferkit.cli.next_steps import next_steps
from ferkit.cli.no_cache import NoCacheCommand, uncached
from ferkit.cli.pipeline_run import start
from ferkit.cli.stack_choice import activate, stack_file
from ferkit.cli.state.workspace import Workspace
from ferkit.config.loading import load_config, load_settings
from ferkit.config.named_files import NamedFiles
from ferkit.config.repetitions import repetitions, varied
from ferkit.config.run_config import RunConfig
from ferkit.errors import ConfigError
from ferkit.stacks.settings import StackSettings
from ferkit.standalone.import_member import MemberImport

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["register", "run_and_report"]


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
    seeds: Annotated[
        int | None,
        typer.Option(
            min=2, help="Run with this many seeds, counted up from the configuration's, and say how they spread."
        ),
    ] = None,
    no_cache: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[STEP]",
            help="Run this step whatever the cache holds, or every step if none is named; may be repeated.",
        ),
    ] = None,
) -> None:
    """Run the pipeline: ingest, validate, drop non-faces, oversample, fine-tune, ensemble, evaluate, report.

    Steps whose input, settings and code did not change are taken from the cache. Data with folds is a run of each, and
    a table of how they spread. Examples:

    * `ferkit run configs/quickstart.yaml`
    * `ferkit run configs/fer2013.yaml --set data.path=/data/fer --set training.network.epochs=3`
    * `ferkit run configs/fer2013.yaml --set backbones.vggface.training.batch_size=32`
    * `ferkit run configs/fer2013.yaml --stack kubernetes`
    * `ferkit run configs/fer2013.yaml --plan --no-cache fine_tune`
    * `ferkit run configs/quickstart.yaml --seeds 3`
    """
    if check and (plan or no_cache):
        raise ConfigError("--check runs nothing and asks no cache: leave out --plan and --no-cache, or --check.")
    if seeds and (check or plan):
        raise ConfigError("--seeds runs something: leave out --check and --plan, or --seeds.")
    settings = load_config(config, overrides or [])
    if file := stack_file(stack) if stack else None:
        load_settings(file, StackSettings)
    if check:
        from ferkit.cli.console import hush_zenml, quiet_native_libraries
        from ferkit.cli.run_check import check_run

        hush_zenml()
        quiet_native_libraries(Workspace.named().native_log)
        check_run(repetitions(settings)[0].config, stack)
        Console().print(f"{config}: a valid configuration; its data, weights and stack are there.", soft_wrap=True)
        return
    if plan:
        with Workspace.named().file_hashes() as sha256:
            files = NamedFiles.of(settings, sha256)
        _show_plan(settings, files, no_cache or [], stack)
        return
    runs = repetitions(settings, range(settings.seed, settings.seed + seeds) if seeds else ())
    # All are looked at before the first one runs.
    with Workspace.named().file_hashes() as sha256:
        named = [NamedFiles.of(each.config, sha256) for each in runs]
    tables = [
        run_and_report(each.config, files, stack=stack, no_cache=no_cache or [])
        for each, files in zip(runs, named, strict=True)
    ]
    if len(runs) > 1:
        _print_spread(settings.name, tables, varied(runs))


def _print_spread(name: str, tables: "Sequence[pd.DataFrame]", runs: str) -> None:
    """Mean and standard deviation over the seeds, or the folds, of every model and set of pictures."""
    from ferkit.evaluation.over_seeds import over_seeds

    page = Console(highlight=False)
    page.print(f"\n{name}: mean and standard deviation over {len(tables)} {runs}")
    page.print(over_seeds(tables, runs=runs).to_string(index=False, float_format="{:.4f}".format), soft_wrap=True)


def run_and_report(
    settings: RunConfig,
    files: NamedFiles,
    imported: MemberImport | None = None,
    origin: str = "",
    stack: str | None = None,
    no_cache: Sequence[str] = (),
) -> "pd.DataFrame":
    """Run the pipeline on a stack, print its results and where they are, and return them as a table."""
    # The environment is read when ZenML and MLflow are imported, and an error in a config should not wait for them.
    from ferkit.cli.console import RunConsole, quiet_native_libraries

    begin = time.monotonic()
    workspace = Workspace.open()
    console = RunConsole(quiet_native_libraries(workspace.native_log))
    console.attach()
    what = f"members trained on {origin}" if imported else f"{len(settings.trained())} trainings"
    console.write_event(f"{settings.name}: {what}; state in {workspace.root}")
    workspace, placement = activate(workspace, stack)
    finished = start(settings, files, workspace, placement, console, imported, origin, no_cache)
    folder, results = export_new(finished, workspace.root / "reports")
    page = Console(highlight=False)
    page.print(results_table(results, f"{settings.name}: results"))
    steps = finished.steps.values()
    executed = sum(step.status.value != "cached" for step in steps)
    minutes, seconds = divmod(round(time.monotonic() - begin), 60)
    page.print(
        f"\nrun     {finished.name}: {executed} of {len(steps)} steps executed, {minutes}:{seconds:02d} min\n"
        f"report  {folder / 'report.html'}\n"
        f"MLflow  experiment {settings.experiment} in {workspace.tracking_uri}",
        soft_wrap=True,
    )
    for line in next_steps(settings, workspace.tracking_uri):
        page.print(line, soft_wrap=True, markup=False)
    return results


def _show_plan(settings: RunConfig, files: NamedFiles, no_cache: Sequence[str], stack: str | None) -> None:
    """Print what a run would do."""
    from ferkit.cli.console import hush_zenml
    from ferkit.cli.lost_registrations import forget_lost_registrations
    from ferkit.cli.plan import plan, plan_table

    hush_zenml()
    activate(Workspace.open(), stack)
    # ZenML asks for the root of the sources, which is told with the stack.
    from pipelines.train import train

    arguments = {"config": settings, "files": files, "imported": None}
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
