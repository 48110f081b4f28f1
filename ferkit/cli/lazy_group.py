"""A group of commands that imports the module of a command when that is called, and not to list it."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from ferkit.cli.state.workspace import require_checkout

__all__ = ["CommandSource", "LazyGroup"]


class CommandSource(NamedTuple):
    """Module of a command, and its line in the list of commands.

    Attributes
    ----------
    module
        Name of a module whose ``register`` adds the command to a `typer.Typer`.
    summary
        First paragraph of the command's help.
    runs_pipeline
        Whether it needs the pipeline, which lies in a checkout alone.
    """

    module: str
    summary: str
    runs_pipeline: bool = False


class LazyGroup(TyperGroup):
    """The commands that `sources` names.

    Attributes
    ----------
    sources
        Of each command, by its name; a list of the commands keeps the order.
    """

    sources: ClassVar[Mapping[str, CommandSource]] = {}

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        for name, source in self.sources.items():
            # Enough for lists, completion and what is suggested for a misspelt name.
            self.add_command(TyperCommand(name, short_help=source.summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first of `args` names, imported, and the arguments after it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, self._load(name) if name and name in self.sources else command, rest

    def _load(self, name: str) -> Any:
        if self.sources[name].runs_pipeline:
            require_checkout()
        part = typer.Typer(rich_markup_mode=self.rich_markup_mode, pretty_exceptions_enable=False)
        # typer makes a single command of a part that has one, and a group of one that has a callback.
        part.callback()(lambda: None)
        import_module(self.sources[name].module).register(part)
        return get_group(part).commands[name]
