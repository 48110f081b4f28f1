"""Keras to LiteRT, the format and runtime that was TensorFlow Lite."""

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferkit.data.stored_pictures import with_channels
from ferkit.export.formats import Precision, require_representative, require_tensorflow
from ferkit.export.graph import answering, as_function
from ferkit.export.litert_weights import with_small_weights
from ferkit.files import written_whole

if TYPE_CHECKING:
    import keras

__all__ = ["SIGNATURE", "litert_graph", "write_litert"]

SIGNATURE = "serving_default"
# What a vote does with the probabilities of its networks. Quantised, they would be multiples of 1/256, and the
# logarithm of a small one nothing.
_FLOAT_OPS = ["SOFTMAX", "RESHAPE", "CONCATENATION", "MUL", "SUM", "MAXIMUM", "LOG"]


def write_litert(
    network: "keras.Model",
    file: Path,
    precision: Precision = "float32",
    representative: NDArray[np.uint8] | None = None,
    *,
    graph: Path | None = None,
) -> None:
    """Write `network` as a .tflite file that `LiteRTNetwork` and every other LiteRT runtime can run.

    Parameters
    ----------
    network
        Pictures (N, side, side, 1 or 3) uint8 to probabilities, see `ferkit.export.graph`.
    file
        Ends with ``.tflite``; its folder is made if missing.
    precision
        ``float16`` halves the weights, which the runtime enlarges to float32 again when it loads them; so does
        ``int8_weights``, which quarters them, and ``mixed_weights``, which quarters the largest and halves the others
        (`ferkit.export.litert_weights`). ``int8_dynamic`` has weights a channel in 8 bits, too, and quantises the
        activations of each picture as it comes: several times quicker where the processor multiplies in 8 bits.
        ``int8`` quantises weights a channel and activations a tensor, whose range it sees in `representative` (Jacob
        et al., CVPR 2018, arXiv:1712.05877).
    representative : (N, side, side[, 3]) uint8
        Pictures that show which values the activations take; ``int8`` needs some hundred of the kind that will come.
    graph
        What `litert_graph` wrote of this network; made here if empty, which takes most of the time.

    Raises
    ------
    ConfigError
        If Keras does not run on TensorFlow.
    DataError
        If ``int8`` has no representative pictures.
    """
    require_tensorflow()
    require_representative(precision, representative)
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        # That the interpreter within TensorFlow will move to ai-edge-litert, which is the one that ferkit uses.
        warnings.simplefilter("ignore")
        saved = graph or litert_graph(network, Path(scratch) / "graph")
        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved), signature_keys=[SIGNATURE])
        if precision in ("float16", "int8_dynamic", "int8"):
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        content = converter.convert() if precision != "int8" else _quantised(converter, representative)
    if precision in ("mixed_weights", "int8_weights"):
        content = with_small_weights(content, precision)
    with written_whole(file) as part:
        part.write_bytes(content)


def litert_graph(network: "keras.Model", folder: Path) -> Path:
    """Write what every precision of a .tflite file begins with, a SavedModel of `network`, and return its folder.

    Its graph holds the weights: of Keras's own, which keeps them beside it, a conversion takes five times as long.

    Parameters
    ----------
    network
        Pictures (N, side, side, 1 or 3) uint8 to probabilities, see `ferkit.export.graph`.
    folder
        Made if missing.

    Raises
    ------
    ConfigError
        If Keras does not run on TensorFlow.
    """
    require_tensorflow()
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    traced, pictures = as_function(answering(network))
    answers = traced.get_concrete_function()
    frozen = convert_variables_to_constants_v2(answers)
    module = tf.Module()
    module.serve = tf.function(
        lambda picture: tf.nest.pack_sequence_as(answers.structured_outputs, frozen(picture)),
        input_signature=[pictures], autograph=False,
    )  # fmt: skip
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.serve})
    return folder


def _quantised(converter: Any, representative: Any) -> bytes:
    import tensorflow as tf

    def pictures() -> Iterator[list[NDArray[np.uint8]]]:
        for picture in with_channels(representative):
            yield [picture[None]]

    converter.representative_dataset = pictures
    lite = tf.lite.experimental
    # Of all of the converter, only what finds bad layers lets some stay float32:
    # https://ai.google.dev/edge/litert/models/quantization_debugger#selective_quantization
    options = lite.QuantizationDebugOptions(denylisted_ops=_FLOAT_OPS)
    debugger = lite.QuantizationDebugger(converter=converter, debug_dataset=pictures, debug_options=options)
    return bytes(debugger.get_nondebug_quantized_model())
