"""`LiteRTNetwork`: an exported network, run without Keras and TensorFlow."""

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferkit.data.input_card import InputCard
from ferkit.data.labels import DECLARED_TARGETS, TARGET_NAME, Target
from ferkit.data.stored_pictures import with_channels
from ferkit.errors import ConfigError, DataError, WeightsError
from ferkit.models.face_model import TargetProbabilities

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

__all__ = ["LiteRTNetwork"]

# Most pictures that are computed at once: more take more memory and are no quicker each.
_MOST_PICTURES = 32


class LiteRTNetwork:
    """A network in a LiteRT file, as `ferkit export` writes it, on the CPU; several threads may call it at a time.

    Parameters
    ----------
    file
        A .tflite file.
    threads
        Number of threads among which one call shares its work. A small network is quickest with one; a server has
        threads of its own.

    Raises
    ------
    ConfigError
        If the package ``ai-edge-litert`` is not installed.
    WeightsError
        If the file cannot be read, or is no network that ferkit exported.
    """

    def __init__(self, file: Path, threads: int = 1) -> None:
        try:
            self._content = file.read_bytes()
        except OSError as error:
            raise WeightsError(f"{file}: {error.strerror}; expected a .tflite file.") from error
        self.file = file
        self.threads = threads
        # An interpreter keeps its input and output: each thread has its own, over the same content.
        self._of_thread = threading.local()
        self.targets: tuple[Target, ...] = tuple(self._session.outputs)
        self.input: InputCard = self._session.taken

    def __call__(self, images: NDArray[np.uint8]) -> TargetProbabilities:
        """Probabilities (N, classes) float32 by target of pictures as `input` says, N from 0.

        Raises
        ------
        DataError
            If the pictures are of another shape or type.
        """
        self.input.require(images)
        session = self._session
        probabilities = {target: np.zeros((len(images), count), np.float32) for target, count in session.counts.items()}
        for start in range(0, len(images), _MOST_PICTURES):
            chunk = images[start : start + _MOST_PICTURES]
            for target, values in session.run(chunk).items():
                probabilities[target][start : start + len(chunk)] = values
        return probabilities

    @property
    def _session(self) -> "_Session":
        if not hasattr(self._of_thread, "session"):
            self._of_thread.session = _Session(self._content, self.file, self.threads)
        session: _Session = self._of_thread.session
        return session


class _Session:
    """One interpreter, for one thread."""

    def __init__(self, content: bytes, file: Path, threads: int) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ConfigError("ai-edge-litert is not installed: pip install ai-edge-litert.") from error
        try:
            self._interpreter: Interpreter = Interpreter(model_content=content, num_threads=threads)
        except (ValueError, RuntimeError) as error:
            raise WeightsError(f"{file}: not a LiteRT file, or cut short ({_line(error)}).") from error
        self._input, self.taken, found = _places(self._interpreter, file)
        self.outputs = {target: place for target, (place, _) in found.items()}
        self.counts = {target: count for target, (_, count) in found.items()}
        # None until memory is allocated for a number of pictures.
        self._allocated: int | None = None

    def run(self, images: NDArray[np.uint8]) -> TargetProbabilities:
        if len(images) != self._allocated:
            self._allocated = None
            self._interpreter.resize_tensor_input(self._input, [len(images), *self.taken.tensor])
            self._interpreter.allocate_tensors()
            self._allocated = len(images)
        self._interpreter.set_tensor(self._input, np.ascontiguousarray(with_channels(images)))
        self._interpreter.invoke()
        return {target: self._interpreter.get_tensor(place) for target, place in self.outputs.items()}


def _places(interpreter: "Interpreter", file: Path) -> tuple[int, InputCard, dict[Target, tuple[int, int]]]:
    """Where the interpreter keeps the pictures, what they are, and where each target's classes are and how many.

    A function, because the interpreter refuses to run as long as its signature runner is there.
    """
    inputs: list[Any] = interpreter.get_input_details()
    signatures = interpreter.get_signature_list()
    if len(signatures) != 1 or len(inputs) != 1 or inputs[0]["dtype"] != np.uint8:
        raise WeightsError(f"{file}: not a network that ferkit exported, its input is no uint8 picture.")
    try:
        taken = InputCard.of_shape([int(side) for side in inputs[0]["shape"][1:]])
    except DataError as error:
        raise WeightsError(f"{file}: not a network that ferkit exported: {error}") from error
    outputs = interpreter.get_signature_runner(next(iter(signatures))).get_output_details()
    places = {name: (int(each["index"]), int(each["shape"][-1])) for name, each in outputs.items()}
    unknown = [
        name
        for name, each in outputs.items()
        if not re.fullmatch(TARGET_NAME, name)
        or len(each["shape"]) != 2
        or (name in DECLARED_TARGETS and each["shape"][-1] != len(DECLARED_TARGETS[name].classes))
    ]
    if not outputs or unknown:
        raise WeightsError(f"{file}: not a network that ferkit exported, its outputs are {', '.join(sorted(unknown))}.")
    return int(inputs[0]["index"]), taken, {name: places[name] for name in sorted(places)}


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
