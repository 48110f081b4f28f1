"""Step: how the members of a target vote together."""

from typing import Annotated

from zenml import step

from ferkit.dataset import FaceDataset
from ferkit.ensemble import Ensemble, EnsembleSettings, fit_ensemble
from ferkit.predictions import Predictions
from ferkit.targets import TargetSettings, labelled
from materializers.evaluations import EnsembleMaterializer
from steps import tracking
from steps.caching import code_of

__all__ = ["ensemble"]


@step(experiment_tracker=True, cache_policy=code_of(__name__), output_materializers=EnsembleMaterializer)
def ensemble(
    validations: list[Predictions],
    names: list[str],
    faces: FaceDataset,
    target: TargetSettings,
    settings: EnsembleSettings,
) -> Annotated[Ensemble, "{target}_ensemble"]:
    """Find the weights of the members' votes on PublicTest."""
    _, labels = labelled(faces.of_split("PublicTest"), target.name, target.protocol)
    found = fit_ensemble(dict(zip(names, validations, strict=True)), labels, settings)
    with tracking.member_run(target.name, "ensemble"):
        tracking.log_ensemble(found)
    return found
