"""The teacher of a run's students: what its ensemble says about the training pictures."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ferkit.data.training_set import TrainingSet
from ferkit.models.ensemble import Ensemble, combine
from ferkit.models.face_model import FaceModel
from ferkit.models.predictions import Predictions
from ferkit.models.test_time_augmentation import NO_TTA, TestTimeAugmentation

__all__ = ["teach", "vote"]

_LOG = logging.getLogger(__name__)

# Probabilities (K, classes) of the pictures in K rows of the data.
TeacherPredict = Callable[[NDArray[np.int64]], NDArray[np.float32]]


def teach(
    models: Sequence[FaceModel],
    ensemble: Ensemble,
    training_set: TrainingSet,
    tta: TestTimeAugmentation = NO_TTA,
) -> Predictions:
    """What `ensemble` says about each real picture of `training_set`; those that balancing made are left out.

    Parameters
    ----------
    models
        The networks by whose names the ensemble knows its members; further ones are not asked. A network with a head
        for each of several targets answers for the ensemble's.

    Raises
    ------
    DataError
        If a member of the ensemble is missing.
    """
    images = training_set.images[np.flatnonzero(~training_set.made)]

    def asked(model: FaceModel, row: NDArray[np.int64]) -> NDArray[np.float32]:
        _LOG.info("%s teaches %s: %d pictures", model.name, ensemble.target, len(row))
        # A copy, so that one network after the other is held in memory.
        return replace(model, target=ensemble.target).predict(images, tta)

    return vote({model.name: partial(asked, model) for model in models}, ensemble, training_set)


def vote(voters: Mapping[str, TeacherPredict], ensemble: Ensemble, training_set: TrainingSet) -> Predictions:
    """As `teach`, from the opinions of `voters` on the rows of those pictures; who has no weight is not asked."""
    voting = _without_idle(ensemble)
    row = training_set.row[~training_set.made]
    said = {
        name: Predictions(ensemble.target, "Training", row, voters[name](row), training_set.classes)
        for name in voting.members
        if name in voters
    }
    return combine(said, voting)


def _without_idle(ensemble: Ensemble) -> Ensemble:
    """The same ensemble without members of weight 0: asking them about all of Training would change nothing."""
    counting = [(name, weight) for name, weight in zip(ensemble.members, ensemble.weights, strict=True) if weight]
    members, weights = zip(*counting, strict=True)
    return replace(ensemble, members=members, weights=weights)
