"""How `Ensemble` and `Evaluation` are stored: JSON and arrays, with the figures that a person asks for first."""

from typing import Any, ClassVar

from zenml.enums import ArtifactType, VisualizationType
from zenml.metadata.metadata_types import MetadataType

from ferkit.evaluation.evaluate import Evaluation
from ferkit.evaluation.metrics import Scores
from ferkit.models.ensemble import Ensemble
from ferkit.models.predictions import Predictions
from ferkit.reporting import plots
from materializers.store import StoreMaterializer

__all__ = ["EnsembleMaterializer", "EvaluationMaterializer"]


class EnsembleMaterializer(StoreMaterializer):
    """Stores an `Ensemble` as JSON."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Ensemble,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA_ANALYSIS

    def load(self, data_type: type[Any]) -> Ensemble:  # noqa: ARG002
        """Read members and weights."""
        return Ensemble.from_json(self.read("ensemble.json").decode())

    def save(self, data: Ensemble) -> None:
        """Write members and weights."""
        self.write("ensemble.json", data.to_json().encode())

    def save_visualizations(self, data: Ensemble) -> dict[str, VisualizationType]:
        """The weights as bars."""
        return self.show({"weights.png": plots.ensemble_weights(data, f"{data.target}: votes of the ensemble")})

    def extract_metadata(self, data: Ensemble) -> dict[str, MetadataType]:
        """The weight of each member."""
        return {
            "method": data.method,
            **{f"weight_{name}": value for name, value in zip(data.members, data.weights, strict=True)},
        }

    def compute_content_hash(self, data: Ensemble) -> str:
        """Equal for equal members and weights."""
        return data.to_json()


class EvaluationMaterializer(StoreMaterializer):
    """Stores an `Evaluation`: scores as JSON, predictions and labels as .npz."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Evaluation,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA_ANALYSIS

    def load(self, data_type: type[Any]) -> Evaluation:  # noqa: ARG002
        """Read scores, predictions and labels."""
        about = self.read_json("scores.json")
        arrays = self.read_arrays("predictions.npz")
        predictions, labels = {}, {}
        for split in about["splits"]:
            row, probabilities = arrays[f"{split}.row"], arrays[f"{split}.probabilities"]
            predictions[split] = Predictions(about["target"], split, row, probabilities, tuple(about["classes"]))
            labels[split] = arrays[f"{split}.labels"]
        scores = {name: Scores.from_dict(content) for name, content in about["scores"].items()}
        return Evaluation(about["model"], about["target"], about["protocol"], scores, predictions, labels)

    def save(self, data: Evaluation) -> None:
        """Write scores, predictions and labels."""
        about = {name: getattr(data, name) for name in ("model", "target", "protocol", "classes")}
        scores = {name: scores.to_dict() for name, scores in data.scores.items()}
        self.write_json("scores.json", {**about, "splits": list(data.predictions), "scores": scores})
        arrays: dict[str, Any] = {}
        for split, each in data.predictions.items():
            arrays |= {f"{split}.row": each.row, f"{split}.probabilities": each.probabilities}
            arrays[f"{split}.labels"] = data.labels[split]
        self.write_arrays("predictions.npz", arrays)

    def save_visualizations(self, data: Evaluation) -> dict[str, VisualizationType]:
        """The confusion matrix on PrivateTest, and every score."""
        title = f"{data.target}/{data.model}: PrivateTest"
        matrix = plots.confusion_matrix(data.scores["PrivateTest"].confusion, data.classes, title)
        return self.show({"confusion.png": matrix, "scores.csv": data.to_table().to_csv(index=False).encode()})

    def extract_metadata(self, data: Evaluation) -> dict[str, MetadataType]:
        """Accuracy and number of pictures of each subset."""
        numbers: dict[str, MetadataType] = {}
        for subset, scores in data.scores.items():
            numbers |= {f"accuracy, {subset}": scores.accuracy, f"pictures, {subset}": scores.count}
        return numbers

    def compute_content_hash(self, data: Evaluation) -> str:
        """Equal for equal scores and predictions."""
        return data.content_hash()
