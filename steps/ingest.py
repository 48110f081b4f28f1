"""Step: a source to faces."""

from typing import Annotated

from zenml import step

from ferkit.data.dataset import FaceDataset
from ferkit.sources import SourceSettings, read
from ferkit.sources.cropping import NO_FACE
from materializers.faces import FaceDatasetMaterializer
from steps.caching import code_of
from steps.tracking import log_files

__all__ = ["ingest"]


@step(experiment_tracker=True, cache_policy=code_of(__name__), output_materializers=FaceDatasetMaterializer)
def ingest(
    settings: SourceSettings,
    fingerprint: str,  # noqa: ARG001
) -> Annotated[FaceDataset, "faces_ingested"]:
    """Read the data; `fingerprint` is the hash of its files, so that other files are other inputs."""
    faces, left_out = read(settings)
    without = left_out["reason"] == NO_FACE
    for name, part in {"damaged.csv": left_out[~without], "no_face.csv": left_out[without]}.items():
        if len(part):
            log_files({name: part.to_csv(index=False)}, folder="ingest")
    return faces
