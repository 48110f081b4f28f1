"""`ferkit backbones`: the networks that a configuration can name."""

import typer
from rich.console import Console
from rich.padding import Padding

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("backbones")(backbones)


def backbones() -> None:
    """List the backbones: input, parameters, licence, and whether their weights are here.

    Example: `ferkit backbones`
    """
    from ferkit.backbones import describe

    console = Console(highlight=False)
    for card in describe().to_dict("records"):
        console.print(f"[bold]{card['name']}[/]  {card['input']} pixels, {card['parameters']:,} parameters")
        for about in ("summary", "weights", "licence"):
            console.print(Padding(f"{about:8} {card[about]}", (0, 0, 0, 4)))
