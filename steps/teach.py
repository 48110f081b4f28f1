"""Steps: what a teacher predicts for Training, and the training set that its students learn from."""

from pathlib import Path
from typing import Annotated

from zenml import step

from ferkit.data.targets import TargetSettings
from ferkit.data.training_set import TrainingSet
from ferkit.models.ensemble import Ensemble
from ferkit.models.face_model import FaceModel
from ferkit.models.predictions import Predictions
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from ferkit.training import distillation, teacher
from ferkit.training.teacher_file import read_teacher_file
from materializers.faces import TrainingSetMaterializer
from materializers.models import PredictionsMaterializer
from steps.caching import code_of

__all__ = ["distil", "read_teacher", "teach"]


@step(cache_policy=code_of(__name__), output_materializers=PredictionsMaterializer)
def teach(
    models: list[FaceModel], ensemble: Ensemble, training_set: TrainingSet, tta: TestTimeAugmentation
) -> Annotated[Predictions, "{target}_teacher"]:
    """Ask the members about the training pictures, once for all students of a target."""
    return teacher.teach(models, ensemble, training_set, tta)


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
