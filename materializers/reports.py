"""How a `Report` is stored: as the files that it is."""

import json
from hashlib import sha256
from typing import Any, ClassVar

from zenml.enums import ArtifactType, VisualizationType

from ferkit.reporting.report import Report
from materializers.store import StoreMaterializer

__all__ = ["ReportMaterializer"]


class ReportMaterializer(StoreMaterializer):
    """Stores a `Report` as report.md, report.html and its figures."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Report,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA_ANALYSIS

    def load(self, data_type: type[Any]) -> Report:  # noqa: ARG002
        """Read both forms and the figures."""
        figures = {name: self.read(f"figures/{name}") for name in self.read_json("figures.json")}
        return Report(self.read("report.md").decode(), self.read("report.html").decode(), figures)

    def save(self, data: Report) -> None:
        """Write both forms and the figures."""
        self.artifact_store.makedirs(self.path("figures"))
        for name, content in data.figures.items():
            self.write(f"figures/{name}", content)
        self.write("report.md", data.markdown.encode())
        self.write("report.html", data.html.encode())
        self.write_json("figures.json", list(data.figures))

    def save_visualizations(self, data: Report) -> dict[str, VisualizationType]:  # noqa: ARG002
        """The page itself."""
        return {self.path("report.html"): VisualizationType.HTML}

    def compute_content_hash(self, data: Report) -> str:
        """Equal for equal text and figures."""
        figures = {name: sha256(content).hexdigest() for name, content in sorted(data.figures.items())}
        return sha256(json.dumps([data.markdown, figures]).encode()).hexdigest()
