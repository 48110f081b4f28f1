"""Which class of a data set is which of a model's, where the two were not made for each other."""

from collections.abc import Mapping

from ferkit.data.class_names import class_key
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import DECLARED_TARGETS, Target
from ferkit.data.targets import TargetSettings
from ferkit.errors import DataError

__all__ = ["ClassMap", "fitting_targets"]

# By the name that the data has the class of the model, or None to leave such pictures out.
ClassMap = Mapping[str, str | None]


def fitting_targets(
    model: str,
    answers: Mapping[Target, tuple[str, ...]],
    settings: Mapping[Target, TargetSettings],
    faces: FaceDataset,
    class_map: ClassMap,
    wanted: Target | None = None,
) -> dict[Target, TargetSettings]:
    """What of a model can be judged on a data set, and how the labels for that are made.

    Labels that are votes of FER+ serve the targets that were trained on them. Others serve the first target that knows
    every class of the data: ``fer`` if all are FER-2013's emotions, ``ferplus`` if contempt is among them.

    Parameters
    ----------
    model
        Its name, for errors.
    answers
        Names of the classes of each target that it answers for.
    settings
        Of its targets, with the protocol of FER+'s votes.
    faces
        The data.
    class_map
        What classes of the data are called otherwise. A name of the data that the map leaves alone stands for the class
        that is called like it, see `ferkit.data.class_names.class_key`.
    wanted
        The one target that is judged; if None, all that can be.

    Returns
    -------
    dict
        By the name of a head of the model the target that it is judged as.

    Raises
    ------
    DataError
        If there is no such target, or a class of the data is none of the model's; the line names those that are.
    """
    if wanted is not None and wanted not in answers:
        raise DataError(f"--target {wanted}: {model} answers for {', '.join(answers)}.")
    judged = [wanted] if wanted is not None else list(answers)
    by_votes = [name for name in judged if faces.votes is not None and settings[name].from_votes]
    found = {name: settings[name] for name in by_votes}
    problem: DataError | None = None
    for name in judged:
        if name in found:
            continue
        target = _of_labels(name, answers[name], settings[name], class_map)
        try:
            _check(model, target, answers[name], faces, class_map)
        except DataError as error:
            problem = problem or error
            continue
        # By the order of the model, so that what it is asked for elsewhere comes first.
        return {name: target, **found}
    if found:
        return found
    raise problem or DataError(f"{model}: nothing to judge.")


def _of_labels(name: Target, classes: tuple[str, ...], settings: TargetSettings, class_map: ClassMap) -> TargetSettings:
    """The target whose labels are those of the data: with FER+'s classes, but not its votes, under another name."""
    if name in DECLARED_TARGETS and not settings.from_votes:
        return settings.model_copy(update={"map": dict(class_map)})
    return TargetSettings(name=f"{name}_classes" if settings.from_votes else name, classes=classes, map=dict(class_map))


def _check(
    model: str, target: TargetSettings, classes: tuple[str, ...], faces: FaceDataset, class_map: ClassMap
) -> None:
    """Raise a DataError unless each class of the data is one of the model's, or is left out."""
    known = {class_key(name) for name in classes}
    meant = {class_key(name): value for name, value in class_map.items()}
    wrong = {name: value for name, value in class_map.items() if value is not None and class_key(value) not in known}
    if wrong:
        name, value = next(iter(wrong.items()))
        raise DataError(f"--map {name}={value}: {model} has no class {value!r}, it has {', '.join(classes)}.")
    there = {class_key(name) for name in faces.classes}
    if absent := [name for name in class_map if class_key(name) not in there]:
        raise DataError(f"--map {absent[0]}: the data has no such class, it has {', '.join(faces.classes)}.")
    unknown = [name for name in faces.classes if class_key(name) not in {*known, *meant}]
    if unknown:
        raise DataError(
            f"{model} ({target.name}): the data has the class {unknown[0]!r}, which is none of {', '.join(classes)}: "
            f"say which of them it is, --map {unknown[0]}=CLASS, or leave its pictures out, --map {unknown[0]}="
        )
