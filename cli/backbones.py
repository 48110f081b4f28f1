"""`ferkit backbones`: the networks that a configuration can name."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("backbones")(backbones)


def backbones(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the backbones: input, parameters, licence, and whether their weights are here.

    Examples: `ferkit backbones`, `ferkit backbones --json`
    """
    from ferkit.backbones import describe

    cards = describe().to_dict("records")
    if as_json:
        typer.echo(json.dumps(cards, indent=2))
        return
    console = Console(highlight=False)
    for card in cards:
        console.print(f"[bold]{card['name']}[/]  {card['input']} pixels, {card['parameters']:,} parameters")
        for about in ("summary", "weights", "licence"):
            console.print(Padding(f"{about:8} {card[about]}", (0, 0, 0, 4)))
