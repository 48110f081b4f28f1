"""Step: the predictions of a network for PublicTest."""

from typing import Annotated

from zenml import step

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.targets import TargetSettings
from ferkit.models.face_model import FaceModel
from ferkit.models.predictions import Predictions
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from materializers.models import HeadPredictionsMaterializer
from steps.caching import code_of

__all__ = ["predict_public"]


@step(cache_policy=code_of(__name__), output_materializers=HeadPredictionsMaterializer)
def predict_public(
    model: FaceModel, faces: FaceDataset, targets: list[TargetSettings], tta: TestTimeAugmentation
) -> Annotated[dict[Target, Predictions], "{member}_public"]:
    """Predict with every head of the network; apart from training, so that other views train nothing again."""
    return model.predict_heads(faces, targets, "PublicTest", tta)
