"""Several models judged on the same pictures: scores of each, and whether they differ or it is chance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ferkit.data.class_names import class_key
from ferkit.data.dataset import FaceDataset
from ferkit.data.input_card import InputCard
from ferkit.data.labels import SPLITS, Split, Target
from ferkit.data.stored_pictures import Images
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import DataError
from ferkit.evaluation.evaluate import Evaluation, evaluate
from ferkit.evaluation.metrics import EvaluationSettings
from ferkit.evaluation.paired_tests import PairedComparison, compare_paired
from ferkit.evaluation.target_fit import ClassMap, fitting_targets
from ferkit.models.face_model import TargetProbabilities
from ferkit.models.network_progress import NetworkProgress
from ferkit.models.predictions import Predictions

__all__ = ["JudgedModel", "ModelComparison", "SideBySide", "judge_models", "splits_to_judge"]


_FER_2013 = InputCard()

# Asks a model about pictures, for some of its targets; the last argument is told how many are done since the last time.
Predict = Callable[[Images, Sequence[Target], Callable[[int], None]], TargetProbabilities]


@dataclass(frozen=True, eq=False)
class JudgedModel:
    """A trained model as one that can be judged on any data.

    Attributes
    ----------
    name
        What a person called it.
    classes
        Names of the classes of each target that it answers for, the first target the one that it is asked for first.
    settings
        Of its targets, with the protocol of FER+'s votes.
    predict
        Asks it: probabilities (N, classes) of N pictures by target.
    networks
        How many networks see each picture.
    input
        The pictures that it takes.
    """

    name: str
    classes: Mapping[Target, tuple[str, ...]]
    settings: Mapping[Target, TargetSettings]
    predict: Predict
    networks: int = 1
    input: InputCard = _FER_2013


@dataclass(frozen=True)
class ModelComparison:
    """A model beside the first one, on the pictures that both were judged on.

    Attributes
    ----------
    first, second
        Names of the models.
    target
        Target of the second.
    subset
        The pictures.
    result
        Differences of the second from the first, and their tests.
    """

    first: str
    second: str
    target: Target
    subset: str
    result: PairedComparison


@dataclass(frozen=True, eq=False)
class SideBySide:
    """What came of judging models on the same pictures.

    Attributes
    ----------
    evaluations
        Of each model and target.
    comparisons
        Of each further model with the first, where both tell the same classes apart.
    notes
        What a reader has to know, a line each.
    """

    evaluations: tuple[Evaluation, ...]
    comparisons: tuple[ModelComparison, ...]
    notes: tuple[str, ...]


def splits_to_judge(faces: FaceDataset) -> tuple[Split, ...]:
    """The splits to judge a model on: those for tests that have pictures; of data without any, the whole, Training."""
    found = tuple(split for split in SPLITS[1:] if faces.in_split(split).any())
    return found or ("Training",)


def judge_models(
    models: Sequence[JudgedModel],
    faces: FaceDataset,
    splits: Sequence[Split],
    settings: EvaluationSettings,
    seed: int,
    *,
    class_map: ClassMap | None = None,
    target: Target | None = None,
    labels: str | None = None,
    on_pictures: Callable[[str, int, int], None] = lambda _model, _done, _all: None,
) -> SideBySide:
    """Judge each model on the pictures of some splits, and compare the further ones with the first.

    Parameters
    ----------
    models
        At least one, of different names.
    faces
        The data.
    splits
        Which of its pictures.
    settings, seed
        Of the intervals.
    class_map, target
        As of `ferkit.evaluation.target_fit.fitting_targets`.
    labels
        What tables call the labels of the data; if None, as `ferkit.data.targets.TargetSettings.labels` says. Votes of
        FER+ are called by their protocol.
    on_pictures
        Called with the name of a model, how many pictures it has predicted (each counted once a network), and how many
        it will.

    Raises
    ------
    DataError
        If a class of the data is none of a model's, a split is empty, or a class map leaves nothing.
    """
    names = [model.name for model in models]
    if twice := [name for name, other in pairwise(sorted(names)) if name == other]:
        raise DataError(f"{twice[0]} is named twice; each model once.")
    if empty := [split for split in splits if not faces.in_split(split).any()]:
        raise DataError(f"the data has no picture of {empty[0]}.")
    # Each is looked at before any is asked, which takes minutes.
    fitted = [
        fitting_targets(each.name, each.classes, each.settings, faces, class_map or {}, target) for each in models
    ]
    evaluations: list[Evaluation] = []
    for model, targets in zip(models, fitted, strict=True):
        for judged, predictions in _predictions(model, targets, faces, splits, on_pictures):
            found = evaluate(model.name, predictions, faces, judged, settings, seed)
            evaluations.append(replace(found, protocol=labels) if labels and not judged.from_votes else found)
    comparisons, notes = _compare(evaluations, names, settings, seed)
    left_out = [name for name, meant in (class_map or {}).items() if meant is None]
    if left_out:
        notes.append(f"Pictures of {', '.join(left_out)} are left out.")
    return SideBySide(tuple(evaluations), tuple(comparisons), tuple(notes))


def _predictions(
    model: JudgedModel,
    targets: Mapping[Target, TargetSettings],
    faces: FaceDataset,
    splits: Sequence[Split],
    on_pictures: Callable[[str, int, int], None],
) -> list[tuple[TargetSettings, list[Predictions]]]:
    """For each target that is judged the predictions by split; no picture is seen that has no label for any."""
    pictures: dict[Split, FaceDataset] = {}
    for split in splits:
        of_split = faces.of_split(split)
        rows = np.concatenate([labelled(of_split, each)[0].row for each in targets.values()])
        pictures[split] = of_split.take(np.isin(of_split.row, rows))
        if not len(pictures[split]):
            raise DataError(f"{model.name}: no picture of {split} has a label that it knows.")
    report = NetworkProgress(model.name, model.networks * sum(map(len, pictures.values())), on_pictures)
    predicted = {
        split: model.predict(model.input.read(each.images), list(targets), report) for split, each in pictures.items()
    }
    return [
        (
            target,
            [
                Predictions.of_labelled(each, split, target, predicted[split][head])
                for split, each in pictures.items()
                if len(labelled(each, target)[0])
            ],
        )
        for head, target in targets.items()
    ]


def _compare(
    evaluations: Sequence[Evaluation], names: Sequence[str], settings: EvaluationSettings, seed: int
) -> tuple[list[ModelComparison], list[str]]:
    """Each further model with the first, target by target; a note for those that tell other classes apart."""
    found, notes = [], []
    of_first = [each for each in evaluations if each.model == names[0]]
    for other in (each for each in evaluations if each.model != names[0]):
        first = next((each for each in of_first if _keys(each) == _keys(other)), None)
        if first is None:
            notes.append(f"{other.model} ({other.target}) tells other classes apart than {names[0]}: not compared.")
            continue
        for split in other.predictions:
            if split in first.predictions:
                result = _paired(first, other, split, settings, seed)
                found.append(ModelComparison(first.model, other.model, other.target, split, result))
    return found, notes


def _keys(evaluation: Evaluation) -> frozenset[str]:
    return frozenset(map(class_key, evaluation.classes))


def _paired(
    first: Evaluation, second: Evaluation, split: Split, settings: EvaluationSettings, seed: int
) -> PairedComparison:
    """The test on the pictures of `split` that both have predicted; classes are those of the first, in its order."""
    order = [class_key(name) for name in first.classes]
    place = np.array([order.index(class_key(name)) for name in second.classes], dtype=np.int8)
    _, here, there = np.intersect1d(first.predictions[split].row, second.predictions[split].row, return_indices=True)
    label: NDArray[np.int8] = first.labels[split][here]
    return compare_paired(
        first.predictions[split].label[here],
        place[second.predictions[split].label[there]],
        label,
        len(order),
        draws=settings.bootstrap,
        confidence=settings.confidence,
        seed=seed,
    )
