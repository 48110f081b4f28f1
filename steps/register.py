"""Steps: what a run made becomes versions of registered models, and one of them champion if the gate lets it pass."""

from typing import Annotated

import pandas as pd
from zenml import get_step_context, step

from ferkit.config.run_config import RunConfig
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.evaluation.evaluate import Evaluation, EvaluationSettings
from ferkit.models.ensemble import Ensemble
from ferkit.models.face_model import FaceModel
from ferkit.models.selection import SelectionSettings
from ferkit.promotion.settings import GateSettings
from ferkit.registry.promote import Pictures, promote_run
from ferkit.registry.register import Lineage, register_run
from ferkit.release.run_bundle import TrainedRun
from materializers.tables import TableMaterializer
from steps import tracking
from steps.caching import code_of
from steps.judged import in_order
from steps.whole_config import whole_config

__all__ = ["promote", "register"]


@step(experiment_tracker=True, cache_policy=code_of(__name__), output_materializers=TableMaterializer)
def register(
    config: RunConfig,
    models: list[FaceModel],
    ensembles: list[Ensemble],
    evaluations: list[dict[Target, Evaluation]],
    faces: FaceDataset,
    ingested: FaceDataset,
    registry: str,  # noqa: ARG001
) -> Annotated[pd.DataFrame, "registered"]:
    """Make the ensemble, and the single networks if `config` says so, challengers in the registry named `registry`."""
    context = get_step_context()
    lineage = Lineage(
        pipeline_run=context.pipeline_run.name,
        data_hash=ingested.content_hash(),
        commit=tracking.git_commit(),
        artifacts={each.name: str(each.id) for inputs in context.inputs.values() for each in inputs},
    )
    judged = in_order(evaluations, config)
    return register_run(TrainedRun(whole_config(), models, ensembles, judged, faces, ingested), lineage)


@step(experiment_tracker=True, enable_cache=False, output_materializers=TableMaterializer)
def promote(
    versions: pd.DataFrame,
    ingested: FaceDataset,
    gate: GateSettings,
    evaluation: EvaluationSettings,
    selection: SelectionSettings,
    seed: int,
) -> Annotated[pd.DataFrame, "verdict"]:
    """Put the ensemble before the gate; never from the cache, because the champion may be another one by now."""
    return promote_run(versions, Pictures(ingested, evaluation, seed, selection), gate)
