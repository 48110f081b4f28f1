"""What our materializers share: arrays and JSON in the artifact store, pictures beside them for the dashboard."""

import io
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, ClassVar

import numpy as np
from zenml.enums import VisualizationType
from zenml.materializers.base_materializer import BaseMaterializer

__all__ = ["StoreMaterializer"]

_KINDS = {
    ".png": VisualizationType.IMAGE,
    ".html": VisualizationType.HTML,
    ".md": VisualizationType.MARKDOWN,
    ".csv": VisualizationType.CSV,
    ".json": VisualizationType.JSON,
}


class StoreMaterializer(BaseMaterializer):
    """Reads and writes the files of one artifact through the stack's artifact store, never through pickle."""

    SKIP_REGISTRATION: ClassVar[bool] = True

    def path(self, name: str) -> str:
        """Where the file `name` of this artifact is."""
        return f"{self.uri}/{name}"

    def write(self, name: str, content: bytes) -> None:
        """Store the file `name`."""
        with self.artifact_store.open(self.path(name), "wb") as file:
            file.write(content)

    def read(self, name: str) -> bytes:
        """Content of the file `name`."""
        with self.artifact_store.open(self.path(name), "rb") as file:
            return bytes(file.read())

    def write_json(self, name: str, content: Any) -> None:
        """Store `content` as the JSON file `name`."""
        self.write(name, json.dumps(content, indent=1).encode())

    def read_json(self, name: str) -> Any:
        """Content of the JSON file `name`."""
        return json.loads(self.read(name))

    def write_arrays(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Store the arrays that are there as the file `name`."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{key: value for key, value in arrays.items() if value is not None})
        self.write(name, buffer.getvalue())

    def read_arrays(self, name: str) -> dict[str, Any]:
        """The arrays in the file `name`."""
        with np.load(io.BytesIO(self.read(name)), allow_pickle=False) as stored:
            return dict(stored)

    def show(self, files: Mapping[str, bytes]) -> dict[str, VisualizationType]:
        """Store `files` and tell the dashboard to show them; the suffix says how."""
        for name, content in files.items():
            self.write(name, content)
        return {self.path(name): _KINDS[PurePosixPath(name).suffix] for name in files}
