"""Export: a network, or a whole vote, as ONNX and LiteRT files that say what the Keras model says."""

from ferkit.bundles.parity import LIMITS, Limits, ParityError
from ferkit.export.export_model import ExportReport, export_model
from ferkit.export.litert import litert_graph, write_litert
from ferkit.export.onnx import ONNXNetwork, onnx_graph, write_onnx
from ferkit.export.pictures import ExportPictures
from ferkit.export.source import ExportSource
from ferkit.export.student import write_litert_of
from ferkit.models.litert import LiteRTNetwork

__all__ = [
    "LIMITS",
    "ExportPictures",
    "ExportReport",
    "ExportSource",
    "Limits",
    "LiteRTNetwork",
    "ONNXNetwork",
    "ParityError",
    "export_model",
    "litert_graph",
    "onnx_graph",
    "write_litert",
    "write_litert_of",
    "write_onnx",
]
