"""What configurations answered, counted so that folds add up, and the metric of such counts."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ferkit.evaluation.metrics import accuracies, macro_f1s

__all__ = ["Answers", "Metric", "tallied", "values_of"]

Metric = Literal["accuracy", "macro_f1", "log_loss"]


@dataclass(frozen=True, eq=False)
class Answers:
    """What one configuration answered about the pictures that decide.

    Attributes
    ----------
    predicted : (S, P) int8
        The most probable class, by seed and picture.
    log_loss : (S, P) float32
        Cross-entropy with the picture's label, in nats.
    """

    predicted: NDArray[np.int8]
    log_loss: NDArray[np.float32]


def tallied(
    answers: Answers,
    label: NDArray[np.int8],
    classes: int,
    metric: Metric,
    times: NDArray[np.float64],
    fold: NDArray[np.int64],
) -> NDArray[np.float64]:
    """(F, S, R, K): what `values_of` needs of each fold and seed, where picture p counts ``times[r, p]`` times.

    Counts of each label with each answer, or the sum of the losses and how many there are; those of several folds are
    added up.
    """
    folds = []
    for number in np.unique(fold):
        here = fold == number
        counted, truth, seeds = times[:, here], label[here].astype(np.int64), []
        for predicted, log_loss in zip(answers.predicted[:, here], answers.log_loss[:, here], strict=True):
            if metric == "log_loss":
                what = np.stack([log_loss.astype(np.float64), np.ones(len(log_loss))], axis=1)
            else:
                what = np.eye(classes**2)[truth * classes + predicted]
            seeds.append(counted @ what)
        folds.append(np.stack(seeds))
    return np.stack(folds)


def values_of(tallies: NDArray[np.float64], classes: int, metric: Metric) -> NDArray[np.float64]:
    """(...,): the metric of `tallies` (..., K)."""
    if metric == "log_loss":
        return np.asarray(tallies[..., 0] / tallies[..., 1])
    of_confusion = accuracies if metric == "accuracy" else macro_f1s
    # Multiplied as floats, which is many times faster; they are whole numbers all the same.
    counts = np.rint(tallies).astype(np.int64).reshape(-1, classes, classes)
    return of_confusion(counts).reshape(tallies.shape[:-1])
