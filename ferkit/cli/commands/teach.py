"""`ferkit teach`: what a model predicts for the training pictures, as a file that networks can be taught by."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ferkit.cli.progress import network_progress
from ferkit.cli.state.workspace import Workspace

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("teach")(teach)


def teach(
    config: Annotated[Path, typer.Argument(help="A run configuration: its data are read.")],
    *,
    to: Annotated[Path, typer.Option(metavar="FILE.npz", help="Where the answers go.")],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="The teacher: a folder of models, or a model of the registry such as models:/ferkit@champion; "
            "ferkit's own vote if empty.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="K=V", help="Override a setting; repeatable.")
    ] = None,
) -> None:
    """Write what a vote predicts for the training pictures, as a file that networks can be taught by.

    Backbones with `teacher: FILE.npz` learn from it, in runs on any source that holds these pictures. The shipped vote
    takes 31 ms a picture on two cores. Two examples:

    * `ferkit teach configs/fer2013_cpu.yaml --to answers.npz`
    * `ferkit run configs/fer2013_cpu.yaml --set backbones.dlib_resnet.teacher=answers.npz`
    """
    from ferkit.bundles.bundle import load_bundle
    from ferkit.cli.console import quiet_native_libraries
    from ferkit.cli.model_choice import bundle_folder
    from ferkit.config.loading import load_config
    from ferkit.errors import ConfigError
    from ferkit.models.network_progress import NetworkProgress
    from ferkit.sources import load
    from ferkit.training.teacher_file import write_teacher_file

    if to.suffix != ".npz":
        raise ConfigError(f"--to {to}: expected the name of a file that ends with .npz.")
    settings = load_config(config, overrides or ())
    quiet_native_libraries(Workspace.named().native_log)
    teacher = load_bundle(bundle_folder(model) if model else None)
    pictures = load(settings.data).of_split("Training")
    images = teacher.input.read(pictures.images)
    with network_progress() as show:
        predictions = {
            name: teacher.predict_network(name, images, NetworkProgress(name, len(images), show))
            for name in teacher.voters
        }
    # The temperature was found on pictures that no network has learnt; these are what the vote was trained on.
    answers = {target: teacher.vote(predictions, target, model="vote", calibrated=False) for target in teacher.targets}
    write_teacher_file(to, pictures.images, answers)
    Console(highlight=False).print(
        f"{len(pictures):,} pictures of Training, answers for {', '.join(answers)}: {to}", soft_wrap=True, markup=False
    )
