"""A model to files, each of which is held to what the model says."""

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkit.bundles.parity import LIMITS, Agreement, Limits, ParityError, compare, violations
from ferkit.data.input_card import InputCard
from ferkit.data.labels import Target
from ferkit.export.formats import SUFFIXES, Format, Precision
from ferkit.export.latency import SECONDS, Latency, measure_latency
from ferkit.export.litert import litert_graph, write_litert
from ferkit.export.onnx import ONNXNetwork, onnx_graph, write_onnx
from ferkit.export.pictures import ExportPictures
from ferkit.export.source import ExportSource
from ferkit.models.face_model import TargetProbabilities
from ferkit.models.litert import LiteRTNetwork

__all__ = ["KERAS", "ExportReport", "ExportedFile", "export_model"]

# Name of the model itself among the latencies.
KERAS = "keras"
_BATCH = 256


@dataclass
class ExportedFile:
    """A file, beside the model it was made from.

    Attributes
    ----------
    path, size
        Where it is; bytes.
    agreements
        By target.
    latencies
        One for each of `ferkit.export.latency.BATCHES`.
    wrong
        What is beyond the limits; the file is removed then.
    """

    path: Path
    format: Format
    precision: Precision
    size: int
    agreements: dict[Target, Agreement]
    wrong: list[str]
    latencies: list[Latency] = field(default_factory=list)


@dataclass
class ExportReport:
    """All files of a model, and how long Keras takes for what they do."""

    name: str
    classes: dict[Target, tuple[str, ...]]
    input: InputCard
    drawn_pictures: bool
    threads: int
    files: list[ExportedFile]
    keras: list[Latency]

    def write(self, folder: Path) -> Path:
        """Write it as ``<name>.parity.json``, and return where."""
        content = {**dataclasses.asdict(self), "input": self.input.model_dump()}
        for each in content["files"]:
            each["path"] = each["path"].name
        file = folder / f"{self.name}.parity.json"
        file.write_text(json.dumps(content, indent=2) + "\n")
        return file

    def check(self) -> None:
        """Raise the error that names every file that is beyond its limits.

        Raises
        ------
        ParityError
            If there is one.
        """
        lines = [f"{each.path.name}: {'; '.join(each.wrong)}." for each in self.files if each.wrong]
        if lines:
            advice = "Calibrate with pictures of the kind that will come (--data), or leave out the precision."
            raise ParityError("\n".join([*lines, f"removed: {len(lines)} of {len(self.files)} files. {advice}"]))


def export_model(
    source: ExportSource,
    to: Path,
    formats: Sequence[Format],
    precisions: Sequence[Precision],
    pictures: ExportPictures,
    *,
    threads: int = 1,
    seconds: float = SECONDS,
    limits: Mapping[Precision, Limits] = LIMITS,
    on_file: Callable[[str], None] = lambda _name: None,
) -> ExportReport:
    """Write a model in every format and precision, compare each file with the model, and time all in turn.

    Parameters
    ----------
    to
        Folder of the files ``<name>-<precision>.<suffix>`` and of ``<name>.parity.json``; files of the same name are
        replaced, one that is beyond `limits` is removed.
    threads
        Of each runtime; Keras has its own.
    seconds
        That each model is timed for, with each size of a batch.
    on_file
        Called with the name of each file before it is made.

    Returns
    -------
    ExportReport
        Also where files were removed: see `ExportReport.check`.
    """
    expected = _in_batches(source.predict, pictures.compared)
    files, runs = [], {}
    for form in formats:
        write, write_graph = (write_onnx, onnx_graph) if form == "onnx" else (write_litert, litert_graph)
        with tempfile.TemporaryDirectory() as scratch:
            graph = None
            for precision in precisions:
                path = to / f"{source.name}-{precision}{SUFFIXES[form]}"
                on_file(path.name)
                graph = graph or write_graph(source.network, Path(scratch) / "graph")
                write(source.network, path, precision, pictures.representative, graph=graph)
                run = ONNXNetwork(path, threads) if form == "onnx" else LiteRTNetwork(path, threads)
                agreements = compare(expected, _in_batches(run, pictures.compared), pictures.labels)
                wrong = violations(agreements, limits[precision])
                files.append(ExportedFile(path, form, precision, path.stat().st_size, agreements, wrong))
                runs[path.name] = run
    on_file("latency")
    latencies = measure_latency({KERAS: source.predict, **runs}, pictures.compared, seconds)
    for each in files:
        each.latencies = latencies[each.path.name]
        if each.wrong:
            each.path.unlink()
    report = ExportReport(source.name, source.classes, source.input, pictures.drawn, threads, files, latencies[KERAS])
    report.write(to)
    return report


def _in_batches(predict: Callable[[NDArray[np.uint8]], Any], images: NDArray[np.uint8]) -> TargetProbabilities:
    predicted: list[TargetProbabilities] = [
        predict(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)
    ]
    return {target: np.concatenate([each[target] for each in predicted]) for target in predicted[0]}
