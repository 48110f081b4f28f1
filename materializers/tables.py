"""How tables are stored: parquet, shown as CSV."""

import io
from hashlib import sha256
from typing import Any, ClassVar

import pandas as pd
from zenml.enums import ArtifactType, VisualizationType
from zenml.metadata.metadata_types import MetadataType

from materializers.store import StoreMaterializer

__all__ = ["TableMaterializer"]

_SHOWN = 1000


class TableMaterializer(StoreMaterializer):
    """Stores a `pandas.DataFrame` with string column names as parquet."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (pd.DataFrame,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def load(self, data_type: type[Any]) -> pd.DataFrame:  # noqa: ARG002
        """Read the table."""
        return pd.read_parquet(io.BytesIO(self.read("table.parquet")))

    def save(self, data: pd.DataFrame) -> None:
        """Write the table."""
        self.write("table.parquet", data.to_parquet())

    def save_visualizations(self, data: pd.DataFrame) -> dict[str, VisualizationType]:
        """The first lines as CSV."""
        return self.show({"table.csv": data.head(_SHOWN).to_csv(index=False).encode()})

    def extract_metadata(self, data: pd.DataFrame) -> dict[str, MetadataType]:
        """Size of the table."""
        return {"rows": len(data), "columns": list(map(str, data.columns))}

    def compute_content_hash(self, data: pd.DataFrame) -> str:
        """Equal for equal columns and values."""
        # Through parquet's own bytes: they hold types and values, and neither a date nor a path.
        return sha256(data.to_parquet()).hexdigest()
