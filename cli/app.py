"""The `ferkit` command."""

import errno
import os
import sys

import typer

from cli import backbones, data, report, run, ui
from cli.workspace import Workspace
from ferkit.errors import FerkitError

__all__ = ["app", "main"]

app = typer.Typer(
    name="ferkit",
    help="Train, judge, keep and serve facial-expression models.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
run.register(app)
app.add_typer(data.app, name="data")
backbones.register(app)
report.register(app)
ui.register(app)


def main() -> None:
    """Run the command; an expected error ends it with its message and status 1."""
    Workspace.open().set_environment()
    try:
        app()
    except FerkitError as error:
        _end(str(error), 1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _end(
            f"the disk is full ({error.filename or error.strerror}): free some space and run the same command again.", 1
        )


def _end(message: str, status: int) -> None:
    for line in message.splitlines():
        print(f"ferkit: {line}", file=sys.stderr)  # noqa: T201
    sys.stderr.flush()
    # Threads of ZenML and TensorFlow must not keep a command alive that is over.
    os._exit(status)
