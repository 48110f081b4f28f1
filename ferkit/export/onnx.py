"""Keras to ONNX, through tf2onnx; halved and quantised by the tools of ONNX Runtime."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferkit.data.stored_pictures import with_channels
from ferkit.errors import ConfigError, WeightsError
from ferkit.export.formats import PRECISIONS, Precision, require, require_representative, require_tensorflow
from ferkit.export.graph import INPUT, answering, as_function
from ferkit.files import written_whole
from ferkit.models.face_model import TargetProbabilities

if TYPE_CHECKING:
    import keras

__all__ = ["ONNXNetwork", "onnx_graph", "write_onnx"]

# Of 2022, so that older runtimes read it.
_OPSET = 18
# Pictures that are calibrated with at once.
_BATCH = 16
# What a vote computes of probabilities; Max guards the logarithm of 0 by a number that float16 has not.
_FLOAT_OPS = ["Softmax", "ReduceSum", "Max", "Log"]
# Clip and Relu, so that the range of a convolution ends where its activation ends it.
_INT8_OPS = ["Conv", "Gemm", "MatMul", "Add", "Relu", "Clip", "MaxPool"]


def onnx_graph(network: "keras.Model", file: Path) -> Path:
    """Write what every precision of an .onnx file begins with, the float32 graph of `network`, and return `file`.

    Parameters
    ----------
    network
        Pictures (N, side, side, 1 or 3) uint8 to probabilities, see `ferkit.export.graph`.
    file
        In a folder that is there.

    Raises
    ------
    ConfigError
        If Keras does not run on TensorFlow, or a package is missing.
    """
    require_tensorflow()
    require("onnx", "tf2onnx", "onnxruntime")
    import tf2onnx

    traced, pictures = as_function(answering(network))
    tf2onnx.convert.from_function(traced, [pictures], opset=_OPSET, output_path=str(file))
    return file


def write_onnx(
    network: "keras.Model",
    file: Path,
    precision: Precision = "float32",
    representative: NDArray[np.uint8] | None = None,
    *,
    graph: Path | None = None,
) -> None:
    """Write `network` as an .onnx file: ``picture`` (batch, side, side, 1 or 3) uint8 to one float32 output a target.

    Parameters
    ----------
    network
        Pictures (N, side, side, 1 or 3) uint8 to probabilities, see `ferkit.export.graph`.
    file
        Ends with ``.onnx``; its folder is made if missing.
    precision
        ``float16`` stores and computes in float16, which is for GPUs: ONNX Runtime is slower with it on a CPU.
        ``int8`` quantises weights a channel and activations (uint8) a tensor.
    representative : (N, side, side[, 3]) uint8
        Pictures that show which values the activations take; ``int8`` needs some hundred of the kind that will come.
    graph
        What `onnx_graph` wrote of this network; made here if empty, which takes most of the time.

    Raises
    ------
    ConfigError
        If Keras does not run on TensorFlow, a package is missing, or there is no such precision in this format.
    DataError
        If ``int8`` has no representative pictures.
    """
    require_tensorflow()
    require("onnx", "tf2onnx", "onnxruntime")
    require_representative(precision, representative)
    if precision not in PRECISIONS:
        raise ConfigError(f"{precision}: of LiteRT files alone; ONNX has float32, float16 and int8.")
    import onnx

    with written_whole(file) as part:
        if graph is None:
            onnx_graph(network, part)
        else:
            shutil.copyfile(graph, part)
        if precision == "int8":
            _quantise(part, representative)
        model = onnx.load(part)
        if precision == "float16":
            model = _halved(model)
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
        model.producer_name, model.graph.name = "ferkit", network.name
        onnx.checker.check_model(model)
        onnx.save(model, part)


def _halved(model: Any) -> Any:
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    blocked = [*DEFAULT_OP_BLOCK_LIST, *_FLOAT_OPS]
    halved = ONNXModel(convert_float_to_float16(model, keep_io_types=True, op_block_list=blocked))
    # The conversions between the two types were appended, wherever they belong.
    halved.topological_sort()
    return halved.model


def _quantise(file: Path, representative: Any) -> None:
    """Quantise the model in `file`, in place; what it needs in between lies beside it."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches = _batches(representative)

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            return next(self._batches, None)

    prepared = file.with_stem(f"{file.stem}-prepared")
    # Joins convolutions and the BatchNorm after them.
    quant_pre_process(file, prepared, skip_symbolic_shape=True)
    quantization.quantize_static(
        prepared,
        file,
        Pictures(),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=_INT8_OPS,
        nodes_to_exclude=_pixel_nodes(prepared),
        per_channel=True,
        # Weights of 7 bits: a processor without VNNI adds two products of 8 bits in 16, which may be too few.
        reduce_range=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )


def _pixel_nodes(file: Path) -> list[str]:
    """The nodes that make the crops of a picture, which are rounded to pixels again: a network sees them exactly."""
    import onnx

    nodes = onnx.load(file).graph.node
    made_by = {output: node for node in nodes for output in node.output}
    found: dict[str, None] = {}
    waiting = [node for node in nodes if node.op_type == "Round"]
    while waiting:
        node = waiting.pop()
        if node.name not in found:
            found[node.name] = None
            waiting += [made_by[each] for each in node.input if each in made_by]
    return list(found)


def _batches(representative: NDArray[np.uint8]) -> Iterator[dict[str, NDArray[np.uint8]]]:
    for start in range(0, len(representative), _BATCH):
        yield {INPUT: with_channels(representative[start : start + _BATCH])}


# Messages below errors would end up between our own.
_ERRORS_ONLY = 3


class ONNXNetwork:
    """What `ferkit.export.write_onnx` wrote, on the CPU. Several threads may ask it at the same time.

    Parameters
    ----------
    file
        An .onnx file.
    threads
        Among which one call shares its work.

    Raises
    ------
    ConfigError
        If the package ``onnxruntime`` is not installed.
    WeightsError
        If the file cannot be read.
    """

    def __init__(self, file: Path, threads: int = 1) -> None:
        require("onnxruntime")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        # Its own classes of errors have no common one below this.
        except Exception as error:
            raise WeightsError(f"{file}: not an ONNX file that can be run ({' '.join(str(error).split())}).") from error
        self.targets = tuple(each.name for each in self._session.get_outputs())

    def __call__(self, images: NDArray[np.uint8]) -> TargetProbabilities:
        """Probabilities (N, classes) float32 by target of pictures (N, side, side[, 3]) uint8, as it takes them."""
        predicted = self._session.run(None, {INPUT: np.ascontiguousarray(with_channels(images))})
        return dict(zip(self.targets, predicted, strict=True))
