"""Step: how the members of a target vote together."""

from typing import Annotated

from zenml import step

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.targets import TargetSettings
from ferkit.models.ensemble import Ensemble, EnsembleSettings, selection_ensemble
from ferkit.models.predictions import Predictions
from ferkit.models.selection import SelectionSettings
from materializers.evaluations import EnsembleMaterializer
from steps import tracking
from steps.caching import code_of

__all__ = ["ensemble"]


@step(experiment_tracker=True, cache_policy=code_of(__name__), output_materializers=EnsembleMaterializer)
def ensemble(
    public: list[dict[Target, Predictions]],
    names: list[str],
    faces: FaceDataset,
    target: TargetSettings,
    selection: SelectionSettings,
    settings: EnsembleSettings,
) -> Annotated[Ensemble, "{target}_ensemble"]:
    """Find the weights of the votes of the members called `names`, from their predictions for PublicTest."""
    predictions = {name: each[target.name] for name, each in zip(names, public, strict=True)}
    found = selection_ensemble(predictions, faces, target, selection, settings)
    with tracking.member_run(target.name, "ensemble"):
        tracking.log_ensemble(found)
    return found
