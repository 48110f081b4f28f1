"""Step: everything a person wants to know of the run, on one page."""

from typing import Annotated

import pandas as pd
from zenml import step

from ferkit.config.run_config import RunConfig
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.training_set import TrainingSet
from ferkit.evaluation.evaluate import Evaluation
from ferkit.models.ensemble import Ensemble
from ferkit.reporting.content import ReportContent
from ferkit.reporting.report import Report, build_report
from materializers.reports import ReportMaterializer
from materializers.tables import TableMaterializer
from steps import tracking
from steps.caching import code_of
from steps.judged import in_order
from steps.whole_config import whole_config

__all__ = ["report"]


@step(
    experiment_tracker=True,
    cache_policy=code_of(__name__),
    output_materializers={"report": ReportMaterializer, "results": TableMaterializer},
)
def report(
    config: RunConfig,
    ingested: FaceDataset,
    validated: FaceDataset,
    cleaned: FaceDataset,
    expectations: pd.DataFrame,
    quarantined: pd.DataFrame,
    manifest: pd.DataFrame,
    training_sets: list[TrainingSet],
    histories: list[pd.DataFrame],
    ensembles: list[Ensemble],
    evaluations: list[dict[Target, Evaluation]],
) -> tuple[Annotated[Report, "report"], Annotated[pd.DataFrame, "results"]]:
    """Write the report, and the table of every model that it is about; `config` is without the names of the run."""
    judged = in_order(evaluations, config)
    trained = [("+".join(each.names), each.label) for each in config.trained()]
    content = ReportContent(
        config=config.to_yaml(),
        seed=config.seed,
        data_hash=ingested.content_hash(),
        commit=tracking.git_commit(),
        versions=tracking.versions(),
        stages={"ingest": ingested, "validate": validated, "drop_non_faces": cleaned},
        expectations=expectations,
        quarantined=quarantined,
        manifest=manifest,
        training_sets=dict(zip((target.name for target in config.targets), training_sets, strict=True)),
        histories=dict(zip(trained, histories, strict=True)),
        ensembles={each.target: each for each in ensembles},
        evaluations=judged,
        settings=config.evaluation,
        students=frozenset(entry.label for entry in config.backbones if entry.is_student),
        selection=config.selection,
    )
    written = build_report(content)
    tracking.log_report(written, whole_config())
    return written, pd.concat([each.to_table() for each in judged], ignore_index=True)
