"""`Scores`: accuracy, macro-F1, calibration and log loss of predictions, with bootstrap intervals."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ferkit.errors import DataError
from ferkit.evaluation.reliability import reliability
from ferkit.settings import Settings

__all__ = ["EvaluationSettings", "Scores", "accuracies", "cross_entropies", "macro_f1s", "score"]

_TINY = float(np.finfo(np.float32).tiny)


class EvaluationSettings(Settings):
    """How models are judged.

    Attributes
    ----------
    bootstrap
        Times that the pictures are drawn anew, with replacement, for the intervals.
    confidence
        Share of the bootstrap's values that an interval holds.
    ece_bins
        Bins of equal width for the expected calibration error.
    grid
        Most pictures in a grid of right or of wrong predictions.
    private_test
        Whether PrivateTest is read; without, PublicTest alone is judged, and nothing can be registered.
    """

    bootstrap: int = Field(2000, ge=100)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    ece_bins: int = Field(15, ge=2)
    grid: int = Field(24, ge=1)
    private_test: bool = True


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one model on one set of pictures.

    Attributes
    ----------
    count
        Pictures judged.
    available
        Pictures of the subset that have a label under the protocol; more than `count` only if some, such as those
        that cleaning dropped, were not predicted.
    accuracy, accuracy_low, accuracy_high
        Share of right predictions, and its percentile bootstrap interval.
    macro_f1, macro_f1_low, macro_f1_high
        Mean F1 of the classes that occur among the labels, and its interval.
    recall
        One a class, nan where no picture has the label.
    confusion : (classes, classes) int64
        Pictures by label (rows) and prediction (columns).
    expected_calibration_error
        Of the most probable class, see `ferkit.evaluation.reliability`.
    log_loss
        Mean cross-entropy of the predictions with the labels' distribution, in nats.
    """

    count: int
    available: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    macro_f1: float
    macro_f1_low: float
    macro_f1_high: float
    recall: tuple[float, ...]
    confusion: NDArray[np.int64]
    expected_calibration_error: float
    log_loss: float

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, for JSON; `from_dict` reads them. A missing recall becomes None."""
        recall = [None if np.isnan(value) else value for value in self.recall]
        return {**asdict(self), "recall": recall, "confusion": self.confusion.tolist()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """The scores in a dictionary that `to_dict` made."""
        recall = tuple(np.nan if value is None else value for value in content["recall"])
        return cls(**{**content, "recall": recall, "confusion": np.array(content["confusion"], dtype=np.int64)})


def score(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.float32],
    settings: EvaluationSettings,
    seed: int,
    *,
    available: int | None = None,
) -> Scores:
    """Score predictions, with percentile bootstrap intervals of accuracy and macro-F1.

    Parameters
    ----------
    probabilities : (K, classes) float32
        Of the model, K at least 1.
    labels : (K, classes) float32
        Label distributions; the label of a picture is its most probable class.
    seed
        Seed of the bootstrap.
    available
        Pictures of the subset that have a label, predicted or not; K if not given.

    Raises
    ------
    DataError
        If the shapes differ, or there is no picture.
    """
    count, classes = labels.shape
    if probabilities.shape != labels.shape or not count:
        raise DataError(
            f"predictions {probabilities.shape} for labels {labels.shape}: expected equal shapes, not empty."
        )
    label = labels.argmax(axis=1).astype(np.int8)
    cells = label.astype(np.int64) * classes + probabilities.argmax(axis=1)
    confusion = np.bincount(cells, minlength=classes * classes).reshape(classes, classes)
    support = confusion.sum(axis=1)
    # Both metrics depend on a picture through its cell of the confusion matrix alone, so drawing the pictures anew is
    # drawing the cells' counts from a multinomial distribution.
    drawn = np.random.default_rng(seed).multinomial(count, confusion.ravel() / count, size=settings.bootstrap)
    drawn = drawn.reshape(-1, classes, classes)
    tails = [(1 - settings.confidence) / 2, (1 + settings.confidence) / 2]
    accuracy_low, accuracy_high = np.quantile(accuracies(drawn), tails)
    f1_low, f1_high = np.quantile(macro_f1s(drawn), tails)
    recall = np.divide(np.diag(confusion), support, out=np.full(classes, np.nan), where=support > 0)
    return Scores(
        count=count,
        available=count if available is None else available,
        accuracy=float(accuracies(confusion[None])[0]),
        accuracy_low=float(accuracy_low),
        accuracy_high=float(accuracy_high),
        macro_f1=float(macro_f1s(confusion[None])[0]),
        macro_f1_low=float(f1_low),
        macro_f1_high=float(f1_high),
        recall=tuple(recall.tolist()),
        confusion=confusion.astype(np.int64),
        expected_calibration_error=reliability(probabilities, label, settings.ece_bins).expected_calibration_error,
        log_loss=float(cross_entropies(probabilities, labels).mean()),
    )


def cross_entropies(probabilities: NDArray[np.float32], labels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cross-entropy (K,) of each prediction with the distribution of its label, both (K, classes), in nats."""
    return np.asarray(-(labels * np.log(np.maximum(probabilities, _TINY))).sum(axis=1, dtype=np.float64))


def accuracies(confusions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Accuracy (R,) of confusion matrices (R, classes, classes)."""
    return np.asarray(np.trace(confusions, axis1=1, axis2=2) / confusions.sum(axis=(1, 2)))


def macro_f1s(confusions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Macro-F1 (R,) of confusion matrices (R, classes, classes), of the classes that have a label in each."""
    right = np.diagonal(confusions, axis1=1, axis2=2)
    support, predicted = confusions.sum(axis=2), confusions.sum(axis=1)
    f1 = np.divide(2.0 * right, support + predicted, out=np.zeros(right.shape), where=support > 0)
    return np.asarray(f1.sum(axis=1) / (support > 0).sum(axis=1))
