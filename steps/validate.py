"""Step: data that no model may be trained on stops the run here."""

from typing import Annotated

import pandas as pd
from zenml import step
from zenml.types import HTMLString

from ferkit.data.dataset import FaceDataset
from ferkit.preparation.validation import UnfitDataError
from ferkit.preparation.validation import validate as check
from ferkit.preparation.validation_settings import ValidationSettings
from materializers.faces import FaceDatasetMaterializer
from materializers.tables import TableMaterializer
from steps.caching import code_of
from steps.tracking import log_files, log_made_by, log_metrics

__all__ = ["validate"]


@step(
    experiment_tracker=True,
    cache_policy=code_of(__name__),
    output_materializers={
        "faces_validated": FaceDatasetMaterializer,
        "expectations": TableMaterializer,
        "quarantined": TableMaterializer,
    },
)
def validate(
    faces: FaceDataset, settings: ValidationSettings
) -> tuple[
    Annotated[FaceDataset, "faces_validated"],
    Annotated[pd.DataFrame, "expectations"],
    Annotated[pd.DataFrame, "quarantined"],
    Annotated[HTMLString, "data_docs"],
]:
    """Hold the data to the expectations of `settings`; quarantine rows that can be left out."""
    try:
        result = check(faces, settings)
    except UnfitDataError as error:
        log_files({"data_docs.html": error.data_docs}, folder="validation")
        raise
    quarantined = result.quarantined.to_csv(index=False)
    log_files({"data_docs.html": result.data_docs, "quarantined.csv": quarantined}, folder="validation")
    log_metrics(
        {"validation/passed": result.expectations.passed.sum(), "validation/quarantined": len(result.quarantined)}
    )
    log_made_by()
    return result.faces, result.expectations, result.quarantined, HTMLString(result.data_docs)
