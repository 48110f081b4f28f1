"""Step: one backbone, trained for one target or for several together."""

import os
from pathlib import Path
from typing import Annotated

import pandas as pd
from zenml import get_step_context, step

from ferkit.backbones import BackboneSettings
from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import TargetSettings
from ferkit.data.training_set import TrainingSet
from ferkit.models.face_model import FaceModel
from ferkit.models.selection import SelectionSettings
from ferkit.training.checkpoint import mark_finished
from ferkit.training.member import train_member
from ferkit.training.settings import TrainingSettings
from materializers.models import FaceModelMaterializer
from materializers.tables import TableMaterializer
from steps import tracking
from steps.caching import code_of

__all__ = ["fine_tune"]


@step(
    experiment_tracker=True,
    cache_policy=code_of(__name__),
    output_materializers={"{member}_model": FaceModelMaterializer, "{member}_history": TableMaterializer},
)
def fine_tune(
    faces: FaceDataset,
    training_sets: list[TrainingSet],
    targets: list[TargetSettings],
    backbone: BackboneSettings,
    settings: TrainingSettings,
    seed: int,
    selection: SelectionSettings,
    weights_hash: str,  # noqa: ARG001
) -> tuple[Annotated[FaceModel, "{member}_model"], Annotated[pd.DataFrame, "{member}_history"]]:
    """Train the head, then the network from weights that `weights_hash` stands for; keep PublicTest's best epoch."""
    workspace = Path(os.environ.get("FERKIT_CHECKPOINTS", ".ferkit/checkpoints"))
    learned = {target.name: each for target, each in zip(targets, training_sets, strict=True)}
    hashes = ", ".join(each.content_hash() for each in training_sets)
    with tracking.member_run("+".join(learned), backbone.label, system=True):
        tracking.log_training(backbone, settings, seed, hashes, tracking.versions())
        tracking.log_training_data(targets)
        member = train_member(
            faces, learned, targets, backbone, settings, seed,
            workspace=workspace, selection=selection, on_epoch=tracking.log_epoch,
        )  # fmt: skip
        tracking.log_metrics(member.numbers)
        tracking.log_files({"training/history.csv": member.history.to_csv(index=False)})
        # The file of a joint training has a head for each target; the steps after this predict with all of them.
        model = member.models[targets[0].name]
        tracking.log_model(model, backbone)
    mark_finished(model.file.parent, get_step_context().pipeline_run.name)
    return model, member.history
