"""The `ferkit` command."""

import os
import sys

import typer

from cli import (
    backbones,
    dashboard,
    data,
    drift,
    evaluate,
    export,
    export_reference,
    import_run,
    predict,
    promote,
    report,
    run,
    serve,
    stacks,
    ui,
)
from cli.expected import expected_error
from cli.workspace import Workspace

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
import_run.register(app)
app.add_typer(stacks.app, name="stack")
app.add_typer(data.app, name="data")
backbones.register(app)
app.add_typer(evaluate.app, name="evaluate")
export_reference.register(app)
predict.register(app)
drift.register(app)
serve.register(app)
promote.register(app)
export.register(app)
report.register(app)
ui.register(app)
dashboard.register(app)


def main() -> None:
    """Run the command; an expected error ends it with its message and status 1."""
    Workspace.open().set_environment()
    try:
        app()
    except Exception as error:
        told = expected_error(error)
        if told is None:
            raise
        _end(str(told), 1)


def _end(message: str, status: int) -> None:
    for line in message.splitlines():
        print(f"ferkit: {line}", file=sys.stderr)  # noqa: T201
    sys.stderr.flush()
    # Threads of ZenML and TensorFlow must not keep a command alive that is over.
    os._exit(status)
