"""Step: a source to faces."""

from typing import Annotated

from zenml import step

from ferkit.dataset import FaceDataset
from ferkit.sources import SourceSettings, load
from materializers.faces import FaceDatasetMaterializer
from steps.caching import code_of
from steps.tracking import log_params

__all__ = ["ingest"]


@step(experiment_tracker=True, cache_policy=code_of(__name__), output_materializers=FaceDatasetMaterializer)
def ingest(settings: SourceSettings, fingerprint: str) -> Annotated[FaceDataset, "faces_ingested"]:
    """Read the data; `fingerprint` is the hash of its files, so that other files are other inputs."""
    faces = load(settings)
    log_params({"data": {**settings.model_dump(mode="json"), "fingerprint": fingerprint, "hash": faces.content_hash()}})
    return faces
