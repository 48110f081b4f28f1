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
    fetch: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Bring the pretrained weights of NAME into the cache; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the backbones: input, parameters, licence, and whether their weights are here.

    Examples: `ferkit backbones`, `ferkit backbones --json`, `ferkit backbones --fetch dlib_resnet`
    """
    from ferkit.backbones import describe

    for name in fetch or ():
        typer.echo(f"{name}: {_fetched(name)}")
    if fetch:
        return
    cards = describe().to_dict("records")
    if as_json:
        typer.echo(json.dumps(cards, indent=2))
        return
    console = Console(highlight=False)
    for card in cards:
        console.print(f"[bold]{card['name']}[/]  {card['input']} pixels, {card['parameters']:,} parameters")
        for about in ("summary", "weights", "licence"):
            console.print(Padding(f"{about:8} {card[about]}", (0, 0, 0, 4)))


def _fetched(name: str) -> str:
    from ferkit.backbones import get
    from ferkit.backbones.weights import find_or_download

    weights = get(name).weights
    return str(find_or_download(weights)) if weights else "trained from scratch, there is nothing to fetch"
