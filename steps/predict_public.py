"""Step: what a network says about PublicTest."""

from dataclasses import replace
from typing import Annotated

from zenml import step

from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import TargetSettings
from ferkit.models.face_model import FaceModel
from ferkit.models.predictions import Predictions
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from materializers.models import PredictionsMaterializer
from steps.caching import code_of

__all__ = ["predict_public"]


@step(cache_policy=code_of(__name__), output_materializers=PredictionsMaterializer)
def predict_public(
    model: FaceModel, faces: FaceDataset, target: TargetSettings, tta: TestTimeAugmentation
) -> Annotated[Predictions, "{member}_validation"]:
    """Ask the network's head of `target`; apart from training, so that other views train nothing again."""
    return replace(model, target=target.name).predict_split(faces, target, "PublicTest", tta)
