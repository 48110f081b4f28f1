"""The teacher of a run's students: the vote of its ensemble on the training pictures."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.targets import TargetSettings
from ferkit.data.training_set import TrainingSet
from ferkit.models.ensemble import Ensemble, combine
from ferkit.models.face_model import FaceModel, predict_targets
from ferkit.models.predictions import Predictions
from ferkit.models.test_time_augmentation import NO_TTA, TestTimeAugmentation

__all__ = ["predict_training", "teach"]

_LOG = logging.getLogger(__name__)


def predict_training(
    model: FaceModel,
    faces: FaceDataset,
    targets: Sequence[TargetSettings],
    ensembles: Sequence[Ensemble],
    tta: TestTimeAugmentation = NO_TTA,
) -> dict[Target, Predictions]:
    """Predictions of one voter for every picture of Training, by target; each picture is seen once.

    Parameters
    ----------
    model
        A network with a head for each of `targets`.
    faces
        The data after cleaning.
    targets, ensembles
        Targets that it teaches, and the ensemble of each, which knows it by the name of `model`. Where its weight is 0
        it predicts nothing: that would take all of Training and change nothing.
    tta
        Views of each picture that the predictions are averaged over.
    """
    voting = zip(targets, ensembles, strict=True)
    classes = {
        target.name: target.class_names(faces.classes)
        for target, ensemble in voting
        if model.name in _without_idle(ensemble).members
    }
    if not classes:
        return {}
    pictures = faces.of_split("Training")
    _LOG.info("%s predicts %d training pictures for %s", model.name, len(pictures), ", ".join(classes))
    found = predict_targets(model.network, pictures.images, classes, tta)
    return {name: Predictions(name, "Training", pictures.row, found[name], names) for name, names in classes.items()}


def teach(predictions: Mapping[str, Predictions], ensemble: Ensemble, training_set: TrainingSet) -> Predictions:
    """The vote of `ensemble` on each real picture of `training_set`; those that balancing made are left out.

    Parameters
    ----------
    predictions
        Those of the voters on Training, by the names by which the ensemble knows them; of who has no weight, none are
        needed.

    Raises
    ------
    DataError
        If a voter, or a picture in the predictions of one, is missing.
    """
    rows = training_set.row[~training_set.made]
    voting = _without_idle(ensemble)
    return combine({name: predictions[name].of_rows(rows) for name in voting.members if name in predictions}, voting)


def _without_idle(ensemble: Ensemble) -> Ensemble:
    """The same ensemble without members of weight 0."""
    counting = [(name, weight) for name, weight in zip(ensemble.members, ensemble.weights, strict=True) if weight]
    members, weights = zip(*counting, strict=True)
    return replace(ensemble, members=members, weights=weights)
