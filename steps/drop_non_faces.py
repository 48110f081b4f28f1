"""Step: pictures that are not a face leave the data."""

from typing import Annotated

import pandas as pd
from zenml import step

from ferkit.data.dataset import FaceDataset
from ferkit.preparation import cleaning
from materializers.faces import FaceDatasetMaterializer
from materializers.tables import TableMaterializer
from steps.caching import code_of
from steps.figures import cleaning_figures
from steps.tracking import log_files, log_made_by, log_metrics

__all__ = ["drop_non_faces"]


@step(
    experiment_tracker=True,
    cache_policy=code_of(__name__),
    output_materializers={"faces_cleaned": FaceDatasetMaterializer, "manifest": TableMaterializer},
)
def drop_non_faces(
    faces: FaceDataset,
    settings: cleaning.CleaningSettings,
    exclude_hash: str,  # noqa: ARG001
) -> tuple[Annotated[FaceDataset, "faces_cleaned"], Annotated[pd.DataFrame, "manifest"]]:
    """Find and drop pictures without a face; `exclude_hash` is the hash of the manifest that overrules the finder."""
    result = cleaning.drop_non_faces(faces, settings)
    manifest = result.manifest.to_csv(index=False)
    log_files({"manifest.csv": manifest, **cleaning_figures(faces, result.manifest)}, folder="cleaning")
    log_metrics({"cleaning/dropped": len(faces) - len(result.faces)})
    log_made_by()
    return result.faces, result.manifest
