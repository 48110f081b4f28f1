"""How `FaceDataset` and `TrainingSet` are stored: arrays, with a contact sheet to look at."""

from typing import Any, ClassVar

import numpy as np
from zenml.enums import ArtifactType, VisualizationType
from zenml.metadata.metadata_types import MetadataType

from ferkit.data.dataset import FaceDataset, as_faces
from ferkit.data.labels import SPLITS
from ferkit.data.training_set import TrainingSet
from ferkit.reporting.contact_sheet import contact_sheet, to_png
from materializers.pictures import placed_hash, with_images, without_images
from materializers.store import StoreMaterializer

__all__ = ["FaceDatasetMaterializer", "TrainingSetMaterializer"]

_SHOWN = 96


class FaceDatasetMaterializer(StoreMaterializer):
    """Stores a `FaceDataset` as one .npz; of pictures in files, where they lie."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (FaceDataset,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def load(self, data_type: type[Any]) -> FaceDataset:  # noqa: ARG002
        """Read the pictures and their labels."""
        arrays = with_images(self.read_arrays("faces.npz"))
        return FaceDataset(**{**arrays, "classes": tuple(arrays["classes"].tolist())})

    def save(self, data: FaceDataset) -> None:
        """Write the pictures and their labels."""
        names = ("images", "label", "split", "row", "votes", "subject", "weight", "classes")
        self.write_arrays("faces.npz", without_images({name: getattr(data, name) for name in names}))

    def save_visualizations(self, data: FaceDataset) -> dict[str, VisualizationType]:
        """A sheet of faces, spread evenly over the data."""
        some = data.take(np.linspace(0, len(data) - 1, min(_SHOWN, len(data)), dtype=int))
        captions = [data.classes[label] for label in some.label]
        return self.show({"faces.png": to_png(contact_sheet(as_faces(some.images), captions))})

    def extract_metadata(self, data: FaceDataset) -> dict[str, MetadataType]:
        """Pictures of each split, and whether FER+ is there."""
        counts: dict[str, MetadataType] = {split: int(data.in_split(split).sum()) for split in SPLITS}
        return {"pictures": len(data), "ferplus": data.votes is not None, **counts}

    def compute_content_hash(self, data: FaceDataset) -> str:
        """Equal for equal data in equal places, whichever run made it."""
        return placed_hash(data)


class TrainingSetMaterializer(StoreMaterializer):
    """Stores a `TrainingSet` as one .npz; of pictures in files, where they lie."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (TrainingSet,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    _ARRAYS = ("images", "targets", "row", "indices", "class_weight", "sampling", "weight", "classes")

    def load(self, data_type: type[Any]) -> TrainingSet:  # noqa: ARG002
        """Read the pictures, their labels and what an epoch passes over."""
        arrays = with_images(self.read_arrays("training_set.npz"))
        return TrainingSet(**{**arrays, "classes": tuple(arrays["classes"].tolist())})

    def save(self, data: TrainingSet) -> None:
        """Write the pictures, their labels and what an epoch passes over."""
        self.write_arrays("training_set.npz", without_images({name: getattr(data, name) for name in self._ARRAYS}))

    def extract_metadata(self, data: TrainingSet) -> dict[str, MetadataType]:
        """Size of an epoch, and how many pictures were made."""
        return {"pictures": len(data.images), "epoch": len(data.indices), "made": int((data.row < 0).sum())}

    def compute_content_hash(self, data: TrainingSet) -> str:
        """Equal for equal data in equal places, whichever run made it."""
        return placed_hash(data)
