"""Distillation: a student learns from the probabilities that a teacher predicts for the training pictures."""

from dataclasses import replace

import numpy as np
from pydantic import Field

from ferkit.data.training_set import TrainingSet, equal_shares
from ferkit.errors import DataError
from ferkit.models.predictions import Predictions
from ferkit.models.temperature import apply_temperature
from ferkit.settings import Settings

__all__ = ["DistillationSettings", "distil"]


class DistillationSettings(Settings):
    """What networks that have a teacher learn from.

    Attributes
    ----------
    weight
        Share of the teacher's probabilities in the labels; the rest is the label itself.
    temperature
        The teacher's probabilities are raised to 1 / temperature and normalised: above 1 it is less sure (Hinton et al.
        2015, arXiv:1503.02531, section 2).
    """

    weight: float = Field(0.7, gt=0, le=1)
    temperature: float = Field(1.0, gt=0)


def distil(training_set: TrainingSet, teacher: Predictions, settings: DistillationSettings) -> TrainingSet:
    """The training set with the teacher's predictions in its labels: soft targets.

    Cross-entropy is linear in the labels, so that this is the usual sum of two losses, at the student's temperature of
    one. Pictures that balancing made keep their labels: the teacher has not seen them.

    Raises
    ------
    DataError
        If the teacher has no prediction for a picture, or one of other classes.
    """
    if teacher.probabilities.shape[1] != training_set.targets.shape[1]:
        raise DataError(
            f"distillation: the teacher has {teacher.probabilities.shape[1]} classes, the training set "
            f"{training_set.targets.shape[1]}."
        )
    place = {int(row): index for index, row in enumerate(teacher.row)}
    known = np.flatnonzero(~training_set.made)
    if missing := [int(row) for row in training_set.row[known] if int(row) not in place]:
        raise DataError(
            f"distillation: the teacher has no prediction for {len(missing)} training pictures, such as row "
            f"{missing[0]}."
        )
    predicted = teacher.probabilities[[place[int(row)] for row in training_set.row[known]]]
    soft = apply_temperature(predicted, settings.temperature)
    targets = training_set.targets.astype(np.float64)
    targets[known] += settings.weight * (soft - targets[known])
    distilled = replace(training_set, targets=targets.astype(np.float32))
    if training_set.class_weight is None:
        return distilled
    # The teacher's classes are not as frequent as those of the labels.
    weight = equal_shares(distilled.weighted_targets[training_set.indices], training_set.sampling)
    return replace(distilled, class_weight=weight)
