"""`ferkit run --check`: everything that a run would stop at before its first training, found without running it."""

from collections.abc import Callable, Iterator
from functools import partial

from ferkit.backbones.weight_checks import check_weights
from ferkit.cli.stack_choice import activate
from ferkit.cli.state.workspace import Workspace
from ferkit.config.run_config import RunConfig
from ferkit.data.dataset import FaceDataset
from ferkit.errors import ConfigError, FerkitError
from ferkit.preparation.balancing import BalancingSettings, check_balancing, oversample
from ferkit.preparation.cleaning import drop_non_faces
from ferkit.preparation.validation import validate
from ferkit.sources import load
from ferkit.training.execution import check_execution
from ferkit.training.teacher_file import read_teacher_file

__all__ = ["check_run"]


def check_run(config: RunConfig, stack: str | None) -> None:
    """Check the stack, the stores, the weights, the devices and the data, each as the run will use them.

    Weights and devices are those of this machine: of a stack that runs steps elsewhere they are not looked at.

    Raises
    ------
    ConfigError
        One line for each thing that the run would stop at.
    """
    problems: list[str] = []
    runs_here = True
    try:
        workspace, placement = activate(Workspace.open(), stack)
        runs_here = placement.orchestrator == "local"
        workspace.require_mlflow()
    except FerkitError as error:
        problems.append(str(error))
    for check in (*(_trainings(config) if runs_here else ()), partial(_data, config)):
        try:
            check()
        except FerkitError as error:
            problems.append(str(error))
    if problems:
        # Two trainings may miss the same file.
        raise ConfigError("\n".join(dict.fromkeys(problems)))


def _trainings(config: RunConfig) -> Iterator[Callable[[], object]]:
    """Checks of the weights and devices that each network of the run needs."""
    for training in config.trained():
        settings = config.training_of(training.entry)
        yield partial(check_weights, training.entry.backbone, settings.unfreeze)
        yield partial(check_execution, settings.execution, settings.batch_size)


def _data(config: RunConfig) -> FaceDataset:
    """The data as it comes to the first training."""
    faces = validate(load(config.data), config.validation).faces
    faces = drop_non_faces(faces, config.cleaning).faces
    for target in config.targets:
        check_balancing(faces, target, config.balancing, config.seed)
    _teachers(config, faces)
    return faces


def _teachers(config: RunConfig, faces: FaceDataset) -> None:
    """Whether each stored teacher answers for the training pictures of its networks."""
    plain = BalancingSettings()
    for training in config.trained():
        if file := training.entry.teacher_file:
            teacher = read_teacher_file(file)
            for target in training.targets:
                teacher.predict(oversample(faces, target, plain, config.seed), target.name)
