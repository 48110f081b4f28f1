"""Steps: a single model, and the ensemble, judged on PublicTest and, if the settings say so, on PrivateTest."""

from dataclasses import replace
from typing import Annotated

from zenml import step

from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import TargetSettings
from ferkit.evaluation.evaluate import Evaluation, EvaluationSettings
from ferkit.evaluation.evaluate import evaluate as judge
from ferkit.models.ensemble import Ensemble, combine
from ferkit.models.face_model import FaceModel
from ferkit.models.predictions import Predictions
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from materializers.evaluations import EvaluationMaterializer
from steps import tracking
from steps.caching import code_of
from steps.figures import evaluation_figures

__all__ = ["evaluate", "evaluate_ensemble"]


@step(experiment_tracker=True, cache_policy=code_of(__name__), output_materializers=EvaluationMaterializer)
def evaluate(
    model: FaceModel,
    validation: Predictions,
    faces: FaceDataset,
    ingested: FaceDataset,
    target: TargetSettings,
    tta: TestTimeAugmentation,
    settings: EvaluationSettings,
    seed: int,
) -> Annotated[Evaluation, "{member}_evaluation"]:
    """Ask the model about PrivateTest, the one time in a run; `ingested` knows every duplicate."""
    asked = replace(model, target=target.name)
    predictions = [validation]
    if settings.private_test:
        predictions.append(asked.predict_split(faces, target, "PrivateTest", tta))
    evaluation = judge(model.name, predictions, ingested, target, settings, seed)
    with tracking.member_run(target.name, model.name):
        tracking.log_evaluation(evaluation)
        tracking.log_files(evaluation_figures(evaluation, ingested, settings, seed), folder="evaluation")
    return evaluation


@step(experiment_tracker=True, cache_policy=code_of(__name__), output_materializers=EvaluationMaterializer)
def evaluate_ensemble(
    members: list[Evaluation],
    ensemble: Ensemble,
    ingested: FaceDataset,
    target: TargetSettings,
    settings: EvaluationSettings,
    seed: int,
) -> Annotated[Evaluation, "{member}_evaluation"]:
    """Combine what the members said, with the weights that PublicTest chose."""
    predictions = [
        combine({member.model: member.predictions[split] for member in members}, ensemble)
        for split in members[0].predictions
    ]
    evaluation = judge("ensemble", predictions, ingested, target, settings, seed)
    with tracking.member_run(target.name, "ensemble"):
        tracking.log_evaluation(evaluation)
        tracking.log_files(evaluation_figures(evaluation, ingested, settings, seed), folder="evaluation")
    return evaluation
