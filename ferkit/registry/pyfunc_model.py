"""The registered model as MLflow runs it: pictures in, emotions and probabilities out.

MLflow stores this file with the model and runs it where the model is loaded, beside a copy of ``ferkit``: it may import
nothing else of this project. It is code, not a pickle.
"""

import base64
import binascii
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext
from numpy.typing import NDArray

from ferkit.bundles.bundle import Bundle
from ferkit.data.picture_files import decode_picture
from ferkit.detection.base import Detector
from ferkit.detection.loading import load_detector
from ferkit.errors import DataError, FerkitError
from ferkit.inference.predictor import Predictor


class FacesToEmotions(PythonModel):  # type: ignore[misc,unused-ignore]
    """A bundle behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the bundle; Keras waits until the first prediction."""
        self._bundle = Bundle(Path(context.artifacts["bundle"]))

    @cached_property
    def _detector(self) -> Detector:
        return load_detector("blazeface")

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predict the emotions of pictures: one line a face.

        Parameters
        ----------
        model_input
            A column ``picture``: the content of a picture file as bytes or in base64, or pixels, (H, W) grey or
            (H, W, 3) RGB, from 0 to 255, as an array or as nested lists.
        params
            ``target``: one of the bundle's, such as ``fer``; its first by default. ``model``: ``default``, ``vote`` or
            ``tiny``. ``detect``: find the faces of each picture, which is a face and nothing else otherwise.

        Returns
        -------
        picture, x, y, width, height, score, emotion, probabilities
            ``picture`` counts the lines of the input from 0; a picture without a face has no line if faces are looked
            for.
        """
        options = params or {}
        target, model, detect = (
            options.get("target", self._bundle.targets[0]),
            options.get("model", "default"),
            options.get("detect", False),
        )
        try:
            pictures = [_picture(cell, f"picture {at}") for at, cell in enumerate(model_input["picture"])]
            classes = self._bundle.classes(target)
            classify = partial(self._bundle.predict, target=target, model=model)
            detector = self._detector if detect else None
            found = Predictor(classify, classes, detector, self._bundle.input).predict_many(pictures)
        except FerkitError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        columns = ("picture", "x", "y", "width", "height", "score", "emotion", "probabilities")
        lines = [
            (at, *face.box, face.score, face.emotion, dict(zip(classes, map(float, face.probabilities), strict=True)))
            for at, faces in enumerate(found)
            for face in faces
        ]
        return pd.DataFrame(lines, columns=columns)


def _picture(cell: Any, name: str) -> NDArray[np.uint8]:
    """What a line of the input holds, as (H, W, 3) uint8 RGB."""
    if isinstance(cell, str):
        # A browser's data URL, such as data:image/png;base64,...
        text = cell.partition("base64,")[2] or cell
        try:
            cell = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise DataError(
                f"{name}: a text that is not base64 ({error}); expected the content of a picture."
            ) from error
    if isinstance(cell, bytes | bytearray):
        return decode_picture(bytes(cell), name)
    try:
        pixels = np.asarray(cell)
    except ValueError as error:
        raise DataError(f"{name}: rows of different lengths, expected a rectangle of pixels.") from error
    whole = pixels.dtype.kind in "iu" and pixels.size > 0 and pixels.min() >= 0 and pixels.max() <= 255
    if not whole or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3)):
        raise DataError(
            f"{name}: {pixels.dtype} {pixels.shape}, expected whole numbers from 0 to 255, (height, width) grey or "
            "(height, width, 3) RGB, or the content of a picture file as bytes or in base64."
        )
    grey = pixels if pixels.ndim == 3 else pixels[..., None]
    return np.ascontiguousarray(np.broadcast_to(grey, (*grey.shape[:2], 3)), dtype=np.uint8)


set_model(FacesToEmotions())
