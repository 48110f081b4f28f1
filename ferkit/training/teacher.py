"""The teacher of a run's students: what its ensemble says about the training pictures."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ferkit.ensemble import Ensemble, combine
from ferkit.model import FaceModel
from ferkit.predictions import Predictions
from ferkit.training_set import TrainingSet
from ferkit.views import NO_VIEWS, TestTimeAugmentation

__all__ = ["teach", "without_idle"]

_LOG = logging.getLogger(__name__)


def teach(
    models: Sequence[FaceModel],
    ensemble: Ensemble,
    training_set: TrainingSet,
    views: TestTimeAugmentation = NO_VIEWS,
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
    voting = without_idle(ensemble)
    real = np.flatnonzero(~training_set.made)
    images, row = training_set.images[real], training_set.row[real]
    said = {}
    for model in models:
        if model.name in voting.members:
            _LOG.info("%s teaches %s: %d pictures", model.name, ensemble.target, len(real))
            # A copy, so that one network after the other is held in memory.
            probabilities = replace(model, target=ensemble.target).predict(images, views)
            said[model.name] = Predictions(ensemble.target, "Training", row, probabilities)
    return combine(said, voting)


def without_idle(ensemble: Ensemble) -> Ensemble:
    """The same ensemble without members of weight 0: asking them about all of Training would change nothing."""
    counting = [(name, weight) for name, weight in zip(ensemble.members, ensemble.weights, strict=True) if weight]
    members, weights = zip(*counting, strict=True)
    return replace(ensemble, members=members, weights=weights)
