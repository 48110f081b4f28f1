"""Steps: a single model, and the ensemble, judged on PublicTest and, if the settings say so, on PrivateTest."""

from typing import Annotated

from zenml import step

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.targets import TargetSettings
from ferkit.evaluation.evaluate import Evaluation, EvaluationSettings
from ferkit.evaluation.evaluate import evaluate as judge
from ferkit.models.ensemble import Ensemble, combine
from ferkit.models.face_model import FaceModel
from ferkit.models.predictions import Predictions
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from materializers.evaluations import EvaluationsMaterializer
from steps import tracking
from steps.caching import code_of
from steps.figures import evaluation_figures

__all__ = ["evaluate", "evaluate_ensemble"]


@step(experiment_tracker=True, cache_policy=code_of(__name__), output_materializers=EvaluationsMaterializer)
def evaluate(
    model: FaceModel,
    public: dict[Target, Predictions],
    faces: FaceDataset,
    ingested: FaceDataset,
    targets: list[TargetSettings],
    tta: TestTimeAugmentation,
    settings: EvaluationSettings,
    seed: int,
) -> Annotated[dict[Target, Evaluation], "{member}_evaluation"]:
    """Predict PrivateTest, the one time in a run, and judge every head; `ingested` knows every duplicate."""
    private = model.predict_heads(faces, targets, "PrivateTest", tta) if settings.private_test else {}
    evaluations: dict[Target, Evaluation] = {}
    for target in targets:
        predictions = [split[target.name] for split in (public, private) if split]
        evaluation = judge(model.name, predictions, ingested, target, settings, seed)
        _log(evaluation, ingested, settings, seed)
        evaluations[target.name] = evaluation
    return evaluations


@step(experiment_tracker=True, cache_policy=code_of(__name__), output_materializers=EvaluationsMaterializer)
def evaluate_ensemble(
    members: list[dict[Target, Evaluation]],
    ensemble: Ensemble,
    ingested: FaceDataset,
    target: TargetSettings,
    settings: EvaluationSettings,
    seed: int,
) -> Annotated[dict[Target, Evaluation], "{member}_evaluation"]:
    """Combine the predictions of the members, with the weights that PublicTest chose, and judge them."""
    single = [each[target.name] for each in members]
    predictions = [
        combine({each.model: each.predictions[split] for each in single}, ensemble) for split in single[0].predictions
    ]
    evaluation = judge("ensemble", predictions, ingested, target, settings, seed)
    _log(evaluation, ingested, settings, seed, alone=ensemble.of_one)
    return {target.name: evaluation}


def _log(
    evaluation: Evaluation, faces: FaceDataset, settings: EvaluationSettings, seed: int, *, alone: bool = False
) -> None:
    """Write the numbers of an evaluation to the MLflow run of its model, and the figures, which the vote of one
    network, `alone`, has from that.
    """
    with tracking.member_run(evaluation.target, evaluation.model):
        tracking.log_evaluation(evaluation)
        if not alone:
            tracking.log_files(evaluation_figures(evaluation, faces, settings, seed), folder="evaluation")
