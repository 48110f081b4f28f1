"""`ferkit promote` and `ferkit rollback`: which registered model is the one in use."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ferkit.cli.progress import network_progress
from ferkit.cli.state.workspace import Workspace
from ferkit.errors import ConfigError

if TYPE_CHECKING:
    from ferkit.promotion.gate import Verdict
    from ferkit.registry.promote import Outcome

__all__ = ["REFUSED", "register"]

# Exit status of a promotion that the gate refused.
REFUSED = 3

Name = Annotated[str, typer.Option(help="The registered model.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("promote")(promote)
    app.command("rollback")(rollback)


def promote(
    version: Annotated[
        int | None, typer.Option(min=1, help="The version to promote; the one with the alias challenger if empty.")
    ] = None,
    name: Name = "ferkit",
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override a setting of its run, such as data.path or the gate."
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Of --force; it is written down.")] = "",
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what the gate says, change and write nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Promote in spite of the gate; needs --reason.")] = False,
) -> None:
    """Make the challenger the champion, if the gate lets it pass: floors, and a paired test against the champion.

    Both models are asked anew about PublicTest of the data that the challenger's run names, by default without the
    pictures that other splits have, too. The status is 3 if the challenger is refused. Examples:

    * `ferkit promote --dry-run`
    * `ferkit promote --set data.path=/data/fer --set registry.gate.floors.accuracy=0.7`
    * `ferkit promote --version 4 --force --reason "the champion fails on dark pictures"`
    """
    if force and not reason.strip():
        raise ConfigError('--force needs a reason that can be read later: --reason "...".')
    from ferkit.cli.console import quiet_native_libraries
    from ferkit.config.loading import load_stored_config
    from ferkit.registry.promote import Pictures, find_challenger
    from ferkit.registry.promote import promote as ask_gate
    from ferkit.sources import load

    workspace = Workspace.open()
    workspace.require_mlflow(writable=not dry_run)
    quiet_native_libraries(workspace.native_log)
    cache = workspace.root / "models"
    challenger = find_challenger(name, str(version) if version else None, cache)
    config = load_stored_config(challenger.folder / "config.yaml", overrides or [])
    pictures = Pictures(load(config.data), config.evaluation, config.seed, config.selection)
    with network_progress() as on_pictures:
        outcome = ask_gate(
            challenger, pictures, config.registry.gate, cache, dry_run=dry_run, force=reason if force else None,
            on_pictures=on_pictures,
        )  # fmt: skip
    console = Console(highlight=False)
    console.print(_numbers_table(outcome.verdict))
    for check in outcome.verdict.checks:
        result = check.result if check.passed else check.result.upper()
        console.print(f"{result:<8}  {check.reason}", soft_wrap=True, markup=False)
    console.print(_decision(outcome, f"{name} version {challenger.version}", dry_run=dry_run), soft_wrap=True)
    if not outcome.verdict.passed and not outcome.entry:
        raise typer.Exit(REFUSED)


def rollback(
    reason: Annotated[str, typer.Option(help="Why; it is written down.")] = "",
    name: Name = "ferkit",
) -> None:
    """Bring back the champion before this one; done again, the one before that.

    Example: `ferkit rollback --reason "fails on dark pictures"`
    """
    from ferkit.registry.promote import roll_back

    Workspace.open().require_mlflow()
    entry = roll_back(name, reason)
    Console(highlight=False).print(
        f"{name} version {entry.version} is the champion again, version {entry.previous} was."
    )


def _decision(outcome: "Outcome", what: str, *, dry_run: bool) -> str:
    if outcome.entry:
        was = f", version {outcome.entry.previous} was" if outcome.entry.previous else ""
        despite = " in spite of the gate" if outcome.entry.action == "force" else ""
        return f"{what} is the champion now{despite}{was}."
    if dry_run:
        return f"{what} would be {'promoted' if outcome.verdict.passed else 'refused'}; nothing was changed."
    return f"{what} is refused and stays challenger."


def _numbers_table(verdict: "Verdict") -> Table:
    """Both models' numbers side by side."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(verdict.challenger.subset)
    table.add_column(verdict.challenger.name, justify="right")
    champion = verdict.champion.numbers() if verdict.champion else {}
    if verdict.champion:
        table.add_column(f"{verdict.champion.name}, champion", justify="right")
    for name, value in verdict.challenger.numbers().items():
        digits = 1 if name == "latency_ms" else 4
        others = [f"{champion[name]:.{digits}f}" if name in champion else "-"] if verdict.champion else []
        table.add_row(name, f"{value:.{digits}f}", *others)
    return table
