"""`ONNXNetwork`: an exported network, run by ONNX Runtime."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import WeightsError
from ferkit.export.formats import require
from ferkit.export.graph import INPUT
from ferkit.model import Answers

__all__ = ["ONNXNetwork"]

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

    def __call__(self, images: NDArray[np.uint8]) -> Answers:
        """Probabilities (N, classes) float32 by target of pictures (N, 48, 48) uint8."""
        said = self._session.run(None, {INPUT: np.ascontiguousarray(images)[..., None]})
        return dict(zip(self.targets, said, strict=True))
