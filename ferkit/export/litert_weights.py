"""The weights of a LiteRT file in 8 or 16 bits, computing in float32 as before: smaller, and no slower."""

from collections import Counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ferkit.bundles.weights import quantised

__all__ = ["with_small_weights"]

# Values of an array that is worth making smaller, as in the bundle's own files.
_FEWEST = 10_000
_HALF = np.finfo(np.float16)
# Values of a kernel that has 8 bits where others have 16. Rounding adds up from layer to layer: of MobileNet's 13 large
# kernels the last one alone has so many, a third of all weights, and it costs a tenth of the answers that all cost.
_LARGE = 1_000_000
# Since this version of the operation, each channel may have a scale of its own.
_PER_CHANNEL = 5


def with_small_weights(content: bytes, precision: Literal["mixed_weights", "int8_weights"]) -> bytes:
    """A model as .tflite whose kernels of convolutions and dense layers are stored in fewer bits.

    A ``DEQUANTIZE`` behind each makes float32 of it. XNNPACK, the delegate that computes on processors, does that once,
    when it loads the file, and then computes as with a float32 file. (The converter's own dynamic range quantisation
    quantises activations as well: quicker, but it rounds more than some networks bear.)

    Parameters
    ----------
    content
        A model in float32.
    precision
        ``int8_weights``: kernels from 10,000 values as int8, with a scale a channel. ``mixed_weights``: so those from a
        million values, or with a value that float16 does not hold; the others as float16.
    """
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    builtin = schema.BuiltinOperator
    # Where the kernel is among the inputs; its first axis is that of the channels that come out.
    kernels = {builtin.CONV_2D: 1, builtin.FULLY_CONNECTED: 1}
    model.operatorCodes.append(_operation(schema, builtin.DEQUANTIZE))
    shared = Counter(tensor.buffer for graph in model.subgraphs for tensor in graph.tensors)
    for graph in model.subgraphs:
        floats: dict[int, int] = {}
        before: list[Any] = []
        for operator in graph.operators:
            place = kernels.get(model.operatorCodes[operator.opcodeIndex].builtinCode)
            if place is None:
                continue
            at = int(operator.inputs[place])
            tensor = graph.tensors[at]
            data = model.buffers[tensor.buffer].data
            is_own = shared[tensor.buffer] == 1 and tensor.type == schema.TensorType.FLOAT32
            if at not in floats and is_own and data is not None and len(data) >= 4 * _FEWEST:
                values = np.frombuffer(bytes(data), np.float32).reshape(tensor.shape)
                is_int8 = precision == "int8_weights" or values.size >= _LARGE or np.abs(values).max() > _HALF.max
                floats[at] = _enlarged(schema, graph, tensor)
                stored = _quantised(schema, tensor, values) if is_int8 else _halved(schema, tensor, values)
                model.buffers[tensor.buffer].data = np.frombuffer(stored.tobytes(), np.uint8)
                dequantise = schema.OperatorT()
                dequantise.opcodeIndex = len(model.operatorCodes) - 1
                dequantise.inputs, dequantise.outputs = [at], [floats[at]]
                before.append(dequantise)
            operator.inputs[place] = floats.get(at, at)
        graph.operators = before + graph.operators
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _operation(schema: Any, code: int) -> Any:
    operation = schema.OperatorCodeT()
    operation.builtinCode = operation.deprecatedBuiltinCode = code
    operation.version = _PER_CHANNEL
    return operation


def _enlarged(schema: Any, graph: Any, tensor: Any) -> int:
    """Add a float32 tensor of the shape of `tensor`; where that is."""
    enlarged = schema.TensorT()
    enlarged.shape, enlarged.type, enlarged.name = tensor.shape, schema.TensorType.FLOAT32, tensor.name + b"_float32"
    enlarged.buffer = 0
    graph.tensors.append(enlarged)
    return len(graph.tensors) - 1


def _quantised(schema: Any, tensor: Any, values: NDArray[np.float32]) -> NDArray[np.int8]:
    """Make `tensor` int8; its values."""
    codes, scale = quantised(np.moveaxis(values, 0, -1))
    tensor.type = schema.TensorType.INT8
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = scale
    tensor.quantization.zeroPoint = np.zeros(len(scale), np.int64)
    tensor.quantization.quantizedDimension = 0
    return np.ascontiguousarray(np.moveaxis(codes, -1, 0))


def _halved(schema: Any, tensor: Any, values: NDArray[np.float32]) -> NDArray[np.float16]:
    """Make `tensor` float16; its values."""
    tensor.type = schema.TensorType.FLOAT16
    return values.astype(np.float16)
