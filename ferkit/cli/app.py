"""The `ferkit` command."""

import io
import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Annotated, ClassVar

import typer

from ferkit.cli.errors import expected_error
from ferkit.cli.garbage import collect_seldom
from ferkit.cli.lazy_group import CommandSource, LazyGroup
from ferkit.cli.quick_exit import quick_exit
from ferkit.cli.state.workspace import Workspace

__all__ = ["app", "main"]


class Commands(LazyGroup):
    """The group of all commands of ``ferkit``, in the order of the help."""

    sources: ClassVar[Mapping[str, CommandSource]] = {
        "run": CommandSource(
            "ferkit.cli.commands.run",
            "Run the pipeline: ingest, validate, drop non-faces, oversample, fine-tune, ensemble, evaluate, report.",
            runs_pipeline=True,
        ),
        "experiment": CommandSource(
            "ferkit.cli.commands.experiment",
            "Run every cell of an experiment with every seed, and say which differ from the baseline and how sure "
            "that is.",
            runs_pipeline=True,
        ),
        "import-run": CommandSource(
            "ferkit.cli.commands.import_run",
            "Run the pipeline with members that were trained elsewhere, in place of training them here.",
            runs_pipeline=True,
        ),
        "stack": CommandSource(
            "ferkit.cli.commands.stacks", "Register and list the places that a pipeline can run on.", runs_pipeline=True
        ),
        "data": CommandSource(
            "ferkit.cli.commands.data", "Bring FER-2013 and FER+, write shards, and look at what a configuration reads."
        ),
        "backbones": CommandSource(
            "ferkit.cli.commands.backbones",
            "List the backbones: input, parameters, licence, and whether their weights are here.",
        ),
        "teach": CommandSource(
            "ferkit.cli.commands.teach",
            "Write what a vote predicts for the training pictures, as a file that networks can be taught by.",
        ),
        "evaluate": CommandSource(
            "ferkit.cli.commands.evaluate",
            "Judge models on any labelled pictures: scores with intervals, confusion, and whether two models differ.",
        ),
        "export-reference": CommandSource(
            "ferkit.cli.commands.export_reference",
            "Make the shipped models: small weights, votes chosen on PublicTest, the published table, the model card.",
        ),
        "predict": CommandSource(
            "ferkit.cli.commands.predict", "Find the faces of pictures, and say which emotion each shows."
        ),
        "drift": CommandSource(
            "ferkit.cli.commands.drift", "Say what of a batch of pictures differs from what the model was trained on."
        ),
        "serve": CommandSource(
            "ferkit.cli.commands.serve",
            "Open the page and the API on the champion of the registry, or on the shipped models if there is none.",
        ),
        "promote": CommandSource(
            "ferkit.cli.commands.promote",
            "Make the challenger the champion, if the gate lets it pass: floors, and a paired test against the "
            "champion.",
        ),
        "rollback": CommandSource(
            "ferkit.cli.commands.promote", "Bring back the champion before this one; done again, the one before that."
        ),
        "models": CommandSource(
            "ferkit.cli.commands.models",
            "List the versions of a registered model: aliases, numbers, who registered and judged them, and when.",
        ),
        "export": CommandSource(
            "ferkit.cli.commands.export",
            "Write a model as ONNX and LiteRT, and compare each file with the Keras model.",
        ),
        "runs": CommandSource(
            "ferkit.cli.commands.runs", "List, compare, open and remove the runs of the pipeline.", runs_pipeline=True
        ),
        "report": CommandSource(
            "ferkit.cli.commands.report", "Write the report of a run as Markdown and HTML, and print its results."
        ),
        "ui": CommandSource(
            "ferkit.cli.commands.ui", "Open the MLflow UI: every run, its curves, figures, report and models."
        ),
        "dashboard": CommandSource(
            "ferkit.cli.commands.dashboard",
            "Open the ZenML dashboard: runs, steps, and every artifact with its contact sheet, matrix or report.",
        ),
    }


app = typer.Typer(
    name="ferkit",
    cls=Commands,
    help="Train, judge, keep and serve facial-expression models.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _show_version(*, requested: bool) -> None:
    if requested:
        print(f"ferkit {version('ferkit')}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command; an expected error ends it with its message and status 1."""
    collect_seldom()
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot show must not end the command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with quick_exit():
            Workspace.named().set_environment()
            app()
    except Exception as error:
        expected = expected_error(error)
        if expected is None:
            raise
        _end(str(expected), 1)


def _end(message: str, status: int) -> None:
    for line in message.splitlines():
        print(f"ferkit: {line}", file=sys.stderr)  # noqa: T201
    sys.stderr.flush()
    # Threads of ZenML and TensorFlow must not keep a command alive that is over.
    os._exit(status)
