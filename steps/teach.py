"""Steps: what the ensemble says about Training, and the training set that its students learn from."""

from typing import Annotated

from zenml import step

from ferkit.data.training_set import TrainingSet
from ferkit.models.ensemble import Ensemble
from ferkit.models.face_model import FaceModel
from ferkit.models.predictions import Predictions
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from ferkit.training import distillation, teacher
from materializers.faces import TrainingSetMaterializer
from materializers.models import PredictionsMaterializer
from steps.caching import code_of

__all__ = ["distil", "teach"]


@step(cache_policy=code_of(__name__), output_materializers=PredictionsMaterializer)
def teach(
    models: list[FaceModel], ensemble: Ensemble, training_set: TrainingSet, tta: TestTimeAugmentation
) -> Annotated[Predictions, "{target}_teacher"]:
    """Ask the members about the training pictures, once for all students of a target."""
    return teacher.teach(models, ensemble, training_set, tta)


@step(cache_policy=code_of(__name__), output_materializers=TrainingSetMaterializer)
def distil(
    training_set: TrainingSet, teacher: Predictions, settings: distillation.DistillationSettings
) -> Annotated[TrainingSet, "{target}_distilled_set"]:
    """Put what the ensemble says into the labels."""
    return distillation.distil(training_set, teacher, settings)
