"""Step: one backbone, trained for one target."""

import os
from pathlib import Path
from typing import Annotated

import pandas as pd
from zenml import step

from ferkit.backbones import BackboneSettings
from ferkit.dataset import FaceDataset
from ferkit.model import FaceModel
from ferkit.predictions import Predictions
from ferkit.targets import TargetSettings
from ferkit.training.member import train_member
from ferkit.training.settings import TrainingSettings
from ferkit.training_set import TrainingSet
from materializers.models import FaceModelMaterializer, PredictionsMaterializer
from materializers.tables import TableMaterializer
from steps import tracking
from steps.caching import code_of

__all__ = ["fine_tune"]


@step(
    experiment_tracker=True,
    cache_policy=code_of(__name__),
    output_materializers={
        "{member}_model": FaceModelMaterializer,
        "{member}_history": TableMaterializer,
        "{member}_validation": PredictionsMaterializer,
    },
)
def fine_tune(
    faces: FaceDataset,
    training_set: TrainingSet,
    target: TargetSettings,
    backbone: BackboneSettings,
    settings: TrainingSettings,
    seed: int,
) -> tuple[
    Annotated[FaceModel, "{member}_model"],
    Annotated[pd.DataFrame, "{member}_history"],
    Annotated[Predictions, "{member}_validation"],
]:
    """Train the head on the frozen backbone, then the network; keep the epoch that PublicTest likes best."""
    workspace = Path(os.environ.get("FERKIT_CHECKPOINTS", ".ferkit/checkpoints"))
    with tracking.member_run(target.name, backbone.label):
        tracking.log_training(backbone, settings, seed, training_set.content_hash())
        member = train_member(
            faces, training_set, target, backbone, settings, seed, workspace=workspace, on_epoch=tracking.log_epoch
        )
        tracking.log_metrics(member.numbers)
        tracking.log_files({"training/history.csv": member.history.to_csv(index=False)})
    return member.model, member.history, member.validation
