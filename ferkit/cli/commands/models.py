"""`ferkit models`: the versions of a registered model."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ferkit.cli.state.workspace import Workspace

if TYPE_CHECKING:
    from ferkit.registry.history import Entry
    from ferkit.registry.listing import ListedVersion

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("models")(models)


def models(
    name: Annotated[str, typer.Argument(help="The registered model.")] = "ferkit",
    most: Annotated[int, typer.Option(min=1, help="Show at most this many versions, the newest.")] = 20,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every number.")] = False,
) -> None:
    """List the versions of a registered model: aliases, numbers, who registered and judged them, and when.

    Examples: `ferkit models`, `ferkit models ferkit-vggface --most 5`, `ferkit models --json`
    """
    from ferkit.registry.history import History
    from ferkit.registry.listing import list_versions, model_names

    Workspace.named().require_mlflow(writable=False)
    versions = list_versions(name, most)
    history = History(name).read()[-most:]
    others = [each for each in model_names(name) if each != name]
    if as_json:
        typer.echo(_to_json(name, versions, history, others))
        return
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for line in _lines(name, versions):
        console.print(line)
    for entry in history:
        was = f", {entry.previous} was" if entry.previous else ""
        console.print(f"{entry.when[:16]}  {entry.action} {entry.version}{was}  {entry.who}  {entry.reason}")
    if others:
        console.print(f"also   {', '.join(others)}")


def _lines(name: str, versions: "Sequence[ListedVersion]") -> list[str]:
    """Two lines a version, of at most 80 columns if the aliases are not longer than "challenger, champion"."""
    targets = sorted({key.partition("/")[0] for each in versions for key in each.numbers if "/PrivateTest/" in key})
    rows = [("version", "alias", *targets, "registered (UTC)")]
    for each in versions:
        numbers = (
            ", ".join(
                f"{each.numbers[key]:.4f}"
                for key in (f"{target}/PrivateTest/accuracy", f"{target}/PrivateTest/macro_f1")
                if key in each.numbers
            )
            for target in targets
        )
        rows.append((each.version, ", ".join(each.aliases), *numbers, f"{each.registered:%Y-%m-%d %H:%M}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    authors = [f"    by {each.registered_by}{f'; {each.verdict}' if each.verdict else ''}" for each in versions]
    both = [line for pair in zip(lines[1:], authors, strict=True) for line in pair]
    return [f"{name}: accuracy, macro-F1 on PrivateTest", lines[0], *both]


def _to_json(name: str, versions: "Sequence[ListedVersion]", history: "Sequence[Entry]", others: Sequence[str]) -> str:
    from dataclasses import asdict

    content = {
        "name": name,
        "versions": [{**asdict(each), "registered": each.registered.isoformat()} for each in versions],
        "history": [asdict(each) for each in history],
        "others": list(others),
    }
    return json.dumps(content, indent=2)
