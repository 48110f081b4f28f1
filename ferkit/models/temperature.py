"""Temperature scaling: one number that makes a model as sure as it is right, and changes no decision.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599, section 4.2.
"""

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import TargetSettings
from ferkit.errors import DataError
from ferkit.models.predictions import Predictions
from ferkit.models.selection import SelectionSettings, selection_predictions

__all__ = ["TINY", "apply_temperature", "fit_temperature", "selection_temperature"]

# Least probability, whose logarithm is a number.
TINY = float(np.finfo(np.float32).tiny)
# A model that is right about every picture would be made infinitely sure, one that guesses infinitely unsure.
_LEAST, _MOST = 0.05, 20.0


def apply_temperature(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """``softmax(log(p) / temperature)`` of each row p of (N, classes): Guo et al., equation 9.

    The logits of a softmax and the logarithms of its probabilities differ by a constant a row, which the next softmax
    takes out again: no logits are needed, and a mean of several models can be scaled too.

    Examples
    --------
    A temperature above one makes a model less sure and changes no decision.

    >>> apply_temperature(np.array([[0.9, 0.1]], np.float32), 2.0).round(2).tolist()
    [[0.75, 0.25]]
    """
    logits = np.log(np.maximum(probabilities, TINY, dtype=np.float64)) / temperature
    odds = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float32)


def fit_temperature(predictions: Predictions, labels: NDArray[np.float32]) -> float:
    """The temperature of the least log loss on PublicTest, from 0.05 to 20.

    Parameters
    ----------
    predictions
        Predictions of PublicTest.
    labels : (K, classes) float32
        Label distribution of each of these pictures.

    Raises
    ------
    DataError
        If the predictions are of another split than PublicTest, of no picture, or of others than the labels.

    Examples
    --------
    A model that is 97 % sure and right of three pictures in four is too sure.

    >>> named, right = np.array([0, 1, 2, 3]), np.array([0, 1, 2, 4])
    >>> probabilities = (0.965 * np.eye(7)[named] + 0.005).astype(np.float32)
    >>> predictions = Predictions("fer", "PublicTest", np.arange(4), probabilities)
    >>> fit_temperature(predictions, np.eye(7, dtype=np.float32)[right]) > 1
    True
    """
    if predictions.split != "PublicTest":
        raise DataError(f"temperature: predictions of {predictions.split}; it may be found on PublicTest only.")
    if labels.shape != predictions.probabilities.shape or not len(labels):
        raise DataError(
            f"temperature: labels of shape {labels.shape} for predictions {predictions.probabilities.shape}, expected "
            "equal shapes, not empty."
        )
    from scipy.optimize import minimize_scalar

    logits = np.log(np.maximum(predictions.probabilities, TINY, dtype=np.float64))

    def log_loss(log_temperature: float) -> float:
        """Convex in the inverse temperature, so it has one minimum."""
        scaled = logits / np.exp(log_temperature)
        highest = scaled.max(axis=1)
        normalizer = highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=1))
        return float((normalizer - (labels * scaled).sum(axis=1)).mean())

    found = minimize_scalar(log_loss, bounds=(np.log(_LEAST), np.log(_MOST)), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def selection_temperature(
    predictions: Predictions, faces: FaceDataset, target: TargetSettings, selection: SelectionSettings
) -> float:
    """Fit a model's temperature on the pictures of PublicTest that `selection` lets choose.

    Parameters
    ----------
    predictions
        Predictions of the whole of PublicTest.
    faces
        The data, with every split that networks learned from.
    target
        What the model predicts, and how its labels are made.
    selection
        Which pictures of PublicTest choose.

    Raises
    ------
    DataError
        If no picture is left to choose by, or the predictions are of another split or lack one of the pictures.
    """
    return fit_temperature(*selection_predictions(predictions, faces, target, selection))
