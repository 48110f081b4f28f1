"""`ferkit backbones`: the networks that a configuration can name."""

import typer
from rich.console import Console
from rich.table import Table

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("backbones")(backbones)


def backbones() -> None:
    """List the backbones: input, parameters, licence, and whether their weights are here.

    Example: `ferkit backbones`
    """
    from ferkit.backbones import describe

    listing = describe()
    table = Table(title="backbones", row_styles=["", "dim"])
    for column in listing.columns:
        table.add_column(str(column).replace("_", " "), overflow="fold")
    for line in listing.itertuples(index=False):
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in line))
    Console().print(table)
