"""One member of a run, a backbone trained for a target: trained to a file, and asked about pictures."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ferkit.backbones import BackboneSettings
from ferkit.balancing import TrainingSet
from ferkit.dataset import FaceDataset
from ferkit.labels import Split
from ferkit.model import FaceModel
from ferkit.predictions import Predictions
from ferkit.schedule import TrainingSettings
from ferkit.targets import TargetSettings, labelled
from ferkit.training import EpochRecord, fine_tune

__all__ = ["Member", "predict_split", "train_member"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Member:
    """A trained member.

    Attributes
    ----------
    model
        The network of the best epoch.
    history
        One line an epoch, see `ferkit.training.Trained`.
    validation
        What the model says about PublicTest.
    numbers
        best_epoch, pictures_per_second, and ``trainable_parameters/<phase>``.
    """

    model: FaceModel
    history: pd.DataFrame
    validation: Predictions
    numbers: dict[str, float]


def train_member(
    faces: FaceDataset,
    training_set: TrainingSet,
    target: TargetSettings,
    backbone: BackboneSettings,
    settings: TrainingSettings,
    seed: int,
    *,
    workspace: Path,
    on_epoch: Callable[[EpochRecord], None] = lambda _record: None,
) -> Member:
    """Fine-tune `backbone` for `target`, PublicTest of `faces` choosing the epoch.

    Parameters
    ----------
    workspace
        Folder for checkpoints and the trained network; a training that was killed goes on from what it finds there.

    Raises
    ------
    TrainingError, WeightsError, DataError
        As `ferkit.training.fine_tune`, `ferkit.backbones.build_network` and `ferkit.targets.labelled` do.
    """
    validation = labelled(faces.of_split("PublicTest"), target.name, target.protocol)
    folder = workspace / f"{target.name}-{backbone.label}"
    trained = fine_tune(
        training_set,
        (validation[0].images, validation[1]),
        backbone,
        settings,
        seed,
        checkpoint=folder,
        on_epoch=on_epoch,
    )
    model = FaceModel.save(trained.network, backbone.label, target.name, folder / "network.keras")
    numbers = {
        "best_epoch": float(trained.best_epoch),
        "pictures_per_second": trained.pictures_per_second,
        **{f"trainable_parameters/{phase}": float(count) for phase, count in trained.trainable.items()},
    }
    return Member(model, trained.history, predict_split(model, faces, target, "PublicTest"), numbers)


def predict_split(model: FaceModel, faces: FaceDataset, target: TargetSettings, split: Split) -> Predictions:
    """What `model` says about the pictures of `split` that have a label for `target`."""
    pictures, _ = labelled(faces.of_split(split), target.name, target.protocol)
    return Predictions(target.name, split, pictures.row, model.predict(pictures.images))
