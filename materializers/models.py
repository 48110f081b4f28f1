"""How `FaceModel` and `Predictions`, of one head or of all heads of a network, are stored."""

import atexit
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from zenml.enums import ArtifactType
from zenml.metadata.metadata_types import MetadataType

from ferkit.data.labels import Target
from ferkit.models.face_model import FaceModel
from ferkit.models.predictions import Predictions
from materializers.store import StoreMaterializer

__all__ = ["FaceModelMaterializer", "HeadPredictionsMaterializer", "PredictionsMaterializer"]


class FaceModelMaterializer(StoreMaterializer):
    """Stores a `FaceModel` as its .keras archive, which Keras loads in safe mode."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (FaceModel,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL

    _FILES = ("model.json", "network.keras")

    def load(self, data_type: type[Any]) -> FaceModel:  # noqa: ARG002
        """Bring the archive here; the network is read when it is first used, within the step or the process."""
        with self.get_temporary_directory(delete_at_exit=False) as folder:
            # ZenML removes it after a step; outside of one nobody would.
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            for name in self._FILES:
                (Path(folder) / name).write_bytes(self.read(name))
            return FaceModel.read(Path(folder))

    def save(self, data: FaceModel) -> None:
        """Write the archive and what it is."""
        with self.get_temporary_directory(delete_at_exit=True) as folder:
            data.copy_to(Path(folder))
            for name in self._FILES:
                self.write(name, (Path(folder) / name).read_bytes())

    def extract_metadata(self, data: FaceModel) -> dict[str, MetadataType]:
        """Which model it is."""
        return {"model": data.name, "target": data.target}

    def compute_content_hash(self, data: FaceModel) -> str:
        """Equal for equal configuration and weights."""
        return data.content_hash()


class PredictionsMaterializer(StoreMaterializer):
    """Stores `Predictions` as .npz."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Predictions,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def load(self, data_type: type[Any]) -> Predictions:  # noqa: ARG002
        """Read probabilities and rows."""
        about = self.read_json("about.json")
        arrays = self.read_arrays("predictions.npz")
        return Predictions(about["target"], about["split"], **arrays, classes=tuple(about["classes"]))

    def save(self, data: Predictions) -> None:
        """Write probabilities and rows."""
        self.write_json("about.json", {"target": data.target, "split": data.split, "classes": data.classes})
        self.write_arrays("predictions.npz", {"row": data.row, "probabilities": data.probabilities})

    def compute_content_hash(self, data: Predictions) -> str:
        """Equal for equal predictions."""
        return data.content_hash()


class HeadPredictionsMaterializer(StoreMaterializer):
    """Stores the `Predictions` of each head of one network for one split, by target, as one .npz."""

    # Other dictionaries stay with ZenML.
    SKIP_REGISTRATION: ClassVar[bool] = True
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (dict,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def load(self, data_type: type[Any]) -> dict[Target, Predictions]:  # noqa: ARG002
        """Read probabilities and rows of each head."""
        about, arrays = self.read_json("about.json"), self.read_arrays("predictions.npz")
        return {
            target: Predictions(
                target,
                of_head["split"],
                arrays[f"{target}.row"],
                arrays[f"{target}.probabilities"],
                tuple(of_head["classes"]),
            )
            for target, of_head in about.items()
        }

    def save(self, data: dict[Target, Predictions]) -> None:
        """Write probabilities and rows of each head."""
        about = {target: {"split": each.split, "classes": each.classes} for target, each in data.items()}
        self.write_json("about.json", about)
        arrays: dict[str, Any] = {}
        for target, each in data.items():
            arrays |= {f"{target}.row": each.row, f"{target}.probabilities": each.probabilities}
        self.write_arrays("predictions.npz", arrays)

    def compute_content_hash(self, data: dict[Target, Predictions]) -> str:
        """Equal for equal predictions of the same heads."""
        return sha256(" ".join(each.content_hash() for each in data.values()).encode()).hexdigest()
