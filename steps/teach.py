"""Steps: what a teacher predicts for Training, and the training set that its students learn from."""

from pathlib import Path
from typing import Annotated

from zenml import step

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.targets import TargetSettings
from ferkit.data.training_set import TrainingSet
from ferkit.models.ensemble import Ensemble
from ferkit.models.face_model import FaceModel
from ferkit.models.predictions import Predictions
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from ferkit.training import distillation, teacher
from ferkit.training.teacher_file import read_teacher_file
from materializers.faces import TrainingSetMaterializer
from materializers.models import HeadPredictionsMaterializer, PredictionsMaterializer
from steps.caching import code_of

__all__ = ["distil", "predict_training", "read_teacher", "teach"]


@step(cache_policy=code_of(__name__), output_materializers=HeadPredictionsMaterializer)
def predict_training(
    model: FaceModel,
    faces: FaceDataset,
    targets: list[TargetSettings],
    ensembles: list[Ensemble],
    tta: TestTimeAugmentation,
) -> Annotated[dict[Target, Predictions], "{member}_training"]:
    """Predict Training with every head of a voter that has a weight in one of `ensembles`."""
    return teacher.predict_training(model, faces, targets, ensembles, tta)


@step(cache_policy=code_of(__name__), output_materializers=PredictionsMaterializer)
def teach(
    predictions: list[dict[Target, Predictions]], names: list[str], ensemble: Ensemble, training_set: TrainingSet
) -> Annotated[Predictions, "{target}_teacher"]:
    """Combine the predictions of the voters called `names`, once for all students of a target."""
    of_target = {
        name: each[ensemble.target] for name, each in zip(names, predictions, strict=True) if ensemble.target in each
    }
    return teacher.teach(of_target, ensemble, training_set)


@step(cache_policy=code_of(__name__), output_materializers=PredictionsMaterializer)
def read_teacher(
    file: str,
    file_hash: str,  # noqa: ARG001
    target: TargetSettings,
    training_set: TrainingSet,
) -> Annotated[Predictions, "{member}_teacher"]:
    """Find the training pictures among the stored answers of a teacher; `file_hash` stands for what the file holds."""
    return read_teacher_file(Path(file)).predict(training_set, target.name)


@step(cache_policy=code_of(__name__), output_materializers=TrainingSetMaterializer)
def distil(
    training_set: TrainingSet, teacher: Predictions, settings: distillation.DistillationSettings
) -> Annotated[TrainingSet, "{member}_distilled_set"]:
    """Put what the teacher predicts into the labels."""
    return distillation.distil(training_set, teacher, settings)
