"""How `Ensemble` and `Evaluation` are stored: JSON and arrays, with the figures that a person asks for first."""

from hashlib import sha256
from typing import Any, ClassVar

from zenml.enums import ArtifactType, VisualizationType
from zenml.metadata.metadata_types import MetadataType

from ferkit.data.labels import Target
from ferkit.evaluation.evaluate import Evaluation
from ferkit.evaluation.metrics import Scores
from ferkit.models.ensemble import Ensemble
from ferkit.models.predictions import Predictions
from ferkit.reporting import plots
from materializers.store import StoreMaterializer

__all__ = ["EnsembleMaterializer", "EvaluationsMaterializer"]


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
        """The weights as bars, where there are several."""
        if data.of_one:
            return {}
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


class EvaluationsMaterializer(StoreMaterializer):
    """Stores an `Evaluation` of each head of a model, by target: scores as JSON, predictions and labels as .npz."""

    # Other dictionaries stay with ZenML.
    SKIP_REGISTRATION: ClassVar[bool] = True
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (dict,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA_ANALYSIS

    def load(self, data_type: type[Any]) -> dict[Target, Evaluation]:  # noqa: ARG002
        """Read scores, predictions and labels of each head."""
        return {target: self._load(target) for target in self.read_json("targets.json")}

    def _load(self, target: Target) -> Evaluation:
        about = self.read_json(f"{target}-scores.json")
        arrays = self.read_arrays(f"{target}-predictions.npz")
        predictions, labels = {}, {}
        for split in about["splits"]:
            row, probabilities = arrays[f"{split}.row"], arrays[f"{split}.probabilities"]
            predictions[split] = Predictions(target, split, row, probabilities, tuple(about["classes"]))
            labels[split] = arrays[f"{split}.labels"]
        scores = {name: Scores.from_dict(content) for name, content in about["scores"].items()}
        return Evaluation(about["model"], target, about["protocol"], scores, predictions, labels)

    def save(self, data: dict[Target, Evaluation]) -> None:
        """Write scores, predictions and labels of each head."""
        self.write_json("targets.json", list(data))
        for target, evaluation in data.items():
            about = {name: getattr(evaluation, name) for name in ("model", "protocol", "classes")}
            scores = {name: scores.to_dict() for name, scores in evaluation.scores.items()}
            self.write_json(
                f"{target}-scores.json", {**about, "splits": list(evaluation.predictions), "scores": scores}
            )
            arrays: dict[str, Any] = {}
            for split, each in evaluation.predictions.items():
                arrays |= {f"{split}.row": each.row, f"{split}.probabilities": each.probabilities}
                arrays[f"{split}.labels"] = evaluation.labels[split]
            self.write_arrays(f"{target}-predictions.npz", arrays)

    def save_visualizations(self, data: dict[Target, Evaluation]) -> dict[str, VisualizationType]:
        """The confusion matrix on the last split that was judged, and every score, of each head."""
        shown = {}
        for target, each in data.items():
            last = list(each.predictions)[-1]
            shown[f"{target}-confusion.png"] = plots.confusion_matrix(
                each.scores[last].confusion, each.classes, f"{target}/{each.model}: {last}"
            )
            shown[f"{target}-scores.csv"] = each.to_table().to_csv(index=False).encode()
        return self.show(shown)

    def extract_metadata(self, data: dict[Target, Evaluation]) -> dict[str, MetadataType]:
        """Accuracy and number of pictures of each subset, of each head."""
        numbers: dict[str, MetadataType] = {}
        for target, each in data.items():
            for subset, scores in each.scores.items():
                numbers |= {
                    f"{target}, accuracy, {subset}": scores.accuracy,
                    f"{target}, pictures, {subset}": scores.count,
                }
        return numbers

    def compute_content_hash(self, data: dict[Target, Evaluation]) -> str:
        """Equal for equal scores and predictions of the same heads."""
        return sha256(" ".join(each.content_hash() for each in data.values()).encode()).hexdigest()
