"""Step: the training split, balanced for one target."""

from typing import Annotated

from zenml import step

from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import TargetSettings
from ferkit.data.training_set import TrainingSet
from ferkit.preparation import balancing
from materializers.faces import TrainingSetMaterializer
from steps.caching import code_of
from steps.figures import balancing_figures
from steps.tracking import log_files, log_metrics

__all__ = ["oversample"]


@step(experiment_tracker=True, cache_policy=code_of(__name__), output_materializers=TrainingSetMaterializer)
def oversample(
    faces: FaceDataset, target: TargetSettings, settings: balancing.BalancingSettings, seed: int
) -> Annotated[TrainingSet, "{target}_training_set"]:
    """Repeat, make or weigh training pictures so that rare emotions are learned."""
    training_set = balancing.oversample(faces, target, settings, seed)
    figures = balancing_figures(training_set, target.name, seed)
    for when, counts in (("before", training_set.counts_before), ("after", training_set.counts_after)):
        log_metrics(
            dict(zip((f"balancing/{target.name}/{when}/{name}" for name in training_set.classes), counts, strict=True))
        )
    log_files(figures, folder=f"balancing/{target.name}")
    return training_set
