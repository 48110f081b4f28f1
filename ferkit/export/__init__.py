"""Export: a network, or a whole vote, as ONNX and LiteRT files that say what the Keras model says."""

from ferkit.export.exporting import ExportReport, export_model
from ferkit.export.litert_file import write_litert
from ferkit.export.litert_network import LiteRTNetwork
from ferkit.export.onnx_file import write_onnx
from ferkit.export.onnx_network import ONNXNetwork
from ferkit.export.parity import LIMITS, Limits, ParityError
from ferkit.export.pictures import ExportPictures
from ferkit.export.source import ExportSource
from ferkit.export.student_file import write_litert_of

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
    "write_litert",
    "write_litert_of",
    "write_onnx",
]
