"""Sheets of faces that show what a metric hides: right and wrong predictions, and pictures that balancing made."""

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import FaceDataset, as_faces
from ferkit.data.labels import Split
from ferkit.data.training_set import TrainingSet
from ferkit.evaluation.evaluate import Evaluation
from ferkit.reporting.contact_sheet import contact_sheet, to_png

__all__ = ["made_faces", "prediction_grid"]

# At three times its size a picture is wide enough for "happiness / surprise 98%".
_COLUMNS, _SCALE = 8, 3


def prediction_grid(
    evaluation: Evaluation, faces: FaceDataset, split: Split, *, right: bool, most: int, seed: int
) -> bytes:
    """Right or wrong predictions, captioned "predicted / labelled" and the probability of the predicted class.

    Parameters
    ----------
    evaluation
        Whose predictions are shown.
    faces
        Where the pictures are; of any splits.
    right
        Show the right predictions, else the wrong ones.
    most
        Pictures to show, if there are as many; drawn at random, evenly over the labels.
    seed
        Seed of the random choice.

    Returns
    -------
    bytes
        A PNG file.
    """
    predictions, label = evaluation.predictions[split], evaluation.labels[split]
    chosen = _evenly(label, np.flatnonzero((predictions.label == label) == right), most, seed)
    of_row = {int(row): at for at, row in enumerate(faces.row)}
    images = as_faces(faces.images[[of_row[int(row)] for row in predictions.row[chosen]]])
    names = evaluation.classes
    captions = [
        f"{names[predictions.label[at]]} / {names[label[at]]} {predictions.probabilities[at].max():.0%}"
        for at in chosen
    ]
    return to_png(contact_sheet(images, captions, columns=_COLUMNS, scale=_SCALE))


def made_faces(training_set: TrainingSet, names: tuple[str, ...], *, most: int, seed: int) -> bytes:
    """Pictures that balancing made, drawn at random, evenly over the classes: a PNG file.

    Parameters
    ----------
    training_set
        After `ferkit.preparation.balancing.oversample`.
    names
        Names of the classes.
    most
        Pictures to show, if as many were made.
    seed
        Seed of the random choice.
    """
    chosen = _evenly(training_set.label, np.flatnonzero(training_set.made), most, seed)
    captions = [names[training_set.label[at]] for at in chosen]
    return to_png(contact_sheet(training_set.images[chosen], captions, columns=_COLUMNS, scale=_SCALE))


def _evenly(label: NDArray[np.int8], among: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """Up to `most` of `among`, as many of each label as there are, ordered by label."""
    shuffled = np.random.default_rng(seed).permutation(among)
    # How many of its label come before each: the first of every label, then the second of every label...
    turn = np.zeros(len(shuffled), dtype=np.int64)
    for value in np.unique(label[shuffled]):
        of_label = label[shuffled] == value
        turn[of_label] = np.arange(of_label.sum())
    chosen = shuffled[np.argsort(turn, kind="stable")[:most]]
    return np.asarray(chosen[np.argsort(label[chosen], kind="stable")])
