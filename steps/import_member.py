"""Step: one member that was trained elsewhere, in place of training it."""

from pathlib import Path
from typing import Annotated

import pandas as pd
from zenml import step

from ferkit.backbones import BackboneSettings
from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import TargetSettings
from ferkit.data.training_set import TrainingSet
from ferkit.models.face_model import FaceModel
from ferkit.models.selection import SelectionSettings
from ferkit.standalone.import_member import read_member
from ferkit.standalone.member_folder import MemberFolder
from ferkit.standalone.records import MemberRecord
from ferkit.training.settings import TrainingSettings
from materializers.models import FaceModelMaterializer
from materializers.tables import TableMaterializer
from steps import tracking
from steps.caching import code_of

__all__ = ["import_member"]


@step(
    experiment_tracker=True,
    cache_policy=code_of(__name__),
    output_materializers={"{member}_model": FaceModelMaterializer, "{member}_history": TableMaterializer},
)
def import_member(
    faces: FaceDataset,
    training_sets: list[TrainingSet],
    targets: list[TargetSettings],
    backbone: BackboneSettings,
    settings: TrainingSettings,
    seed: int,
    selection: SelectionSettings,
    folder: str,
    folder_hash: str,  # noqa: ARG001
) -> tuple[Annotated[FaceModel, "{member}_model"], Annotated[pd.DataFrame, "{member}_history"]]:
    """Read the network in `folder`, whose content `folder_hash` stands for, and log it as `fine_tune` does."""
    learned = {target.name: each for target, each in zip(targets, training_sets, strict=True)}
    member, record = read_member(
        MemberFolder(Path(folder)), faces, learned, targets, backbone, settings, seed, selection
    )
    with tracking.member_run("+".join(learned), backbone.label):
        _log_origin(record)
        for epoch in member.history.to_dict("index").values():
            tracking.log_epoch({str(name): value for name, value in epoch.items()})
        tracking.log_metrics(member.numbers)
        tracking.log_files({"training/history.csv": member.history.to_csv(index=False)})
        tracking.log_training_data(targets)
        model = member.models[targets[0].name]
        tracking.log_model(model, backbone)
    return model, member.history


def _log_origin(record: MemberRecord) -> None:
    """Write what a training here writes, and where this one ran."""
    hashes = ", ".join(record.training_sets.values())
    tracking.log_training(record.backbone, record.training, record.seed, hashes, record.environment.versions)
    tracking.log_params(
        {
            "trained_on": {
                **record.environment.model_dump(mode="json", exclude={"versions"}),
                "precision": record.precision,
                "seconds": round(record.seconds, 1),
            },
        }
    )
