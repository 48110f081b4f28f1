"""Calibration: does a model that is 80 % sure get 80 % right?

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599, section 2.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Reliability", "reliability"]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence and accuracy of the most probable class, in bins of equal width.

    Attributes
    ----------
    edges : (bins + 1,) float64
        From 0 to 1; a bin holds its upper edge, not its lower.
    count : (bins,) int64
        Pictures in each bin.
    confidence : (bins,) float64
        Mean probability of the predicted class in each bin, nan where it is empty.
    accuracy : (bins,) float64
        Share of right predictions in each bin, nan where it is empty.
    """

    edges: NDArray[np.float64]
    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def expected_calibration_error(self) -> float:
        """Mean distance of accuracy from confidence over the pictures: Guo et al., equation 5."""
        gap = np.where(self.count > 0, np.abs(self.accuracy - self.confidence), 0.0)
        return float((self.count * gap).sum() / self.count.sum())


def reliability(probabilities: NDArray[np.float32], label: NDArray[np.int8], bins: int = 15) -> Reliability:
    """Sort predictions into bins by their confidence.

    Parameters
    ----------
    probabilities : (K, classes) float32
        Rows sum to one.
    label : (K,) int8
        The right class of each picture.
    bins
        Guo et al. use 15.

    Examples
    --------
    >>> sure = np.full((10, 2), [0.9, 0.1], np.float32)
    >>> eight_of_ten = np.array([0] * 8 + [1] * 2, np.int8)
    >>> round(reliability(sure, eight_of_ten).expected_calibration_error, 2)
    0.1
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = (probabilities.argmax(axis=1) == label).astype(np.float64)
    at = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(at, minlength=bins)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.bincount(at, weights=values, minlength=bins)
        return np.asarray(np.divide(total, count, out=np.full(bins, np.nan), where=count > 0))

    return Reliability(np.linspace(0, 1, bins + 1), count.astype(np.int64), mean(confidence), mean(right))
