"""One member of a run: a backbone, trained for a target to a file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ferkit.backbones import BackboneSettings
from ferkit.dataset import FaceDataset
from ferkit.model import FaceModel
from ferkit.predictions import Predictions
from ferkit.targets import TargetSettings, labelled
from ferkit.training.fine_tuning import EpochRecord, fine_tune
from ferkit.training.settings import TrainingSettings
from ferkit.training_set import TrainingSet

__all__ = ["Member", "train_member"]


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
    return Member(model, trained.history, model.predict_split(faces, target, "PublicTest"), numbers)
