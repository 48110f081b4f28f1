"""Do two models that predicted the same pictures differ, or is it chance?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import DataError
from ferkit.evaluation.metrics import accuracies, macro_f1s

__all__ = ["PairedComparison", "compare_paired", "mcnemar"]


@dataclass(frozen=True)
class PairedComparison:
    """Differences of a second model from a first one on the same pictures, with tests.

    Attributes
    ----------
    pictures
        Number of them.
    only_first, only_second
        Pictures that one of the two gets right and the other wrong.
    p_value
        Of McNemar's test, see `mcnemar`: how often equally good models would differ as much.
    accuracy, accuracy_low, accuracy_high
        Difference of the accuracies and its percentile bootstrap interval.
    macro_f1, macro_f1_low, macro_f1_high
        The same of the macro-F1.
    """

    pictures: int
    only_first: int
    only_second: int
    p_value: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    macro_f1: float
    macro_f1_low: float
    macro_f1_high: float


def mcnemar(only_first: int, only_second: int) -> float:
    """Mid-p value of McNemar's test, two-sided.

    Fagerland, Lydersen and Laake, "The McNemar test for binary matched-pairs data: mid-p and asymptotic are better
    than exact conditional", BMC Medical Research Methodology 13:91, 2013, section "The McNemar mid-p test": the exact
    test without half of the probability of what was observed, which is less conservative and keeps its level.

    Parameters
    ----------
    only_first, only_second
        Pictures that only the first, only the second model gets right. Pictures on which both are right, or both
        wrong, say nothing about which is better.

    Examples
    --------
    >>> round(mcnemar(1, 9), 4)
    0.0117
    """
    from scipy.stats import binom

    count = only_first + only_second
    if not count:
        return 1.0
    fewer = min(only_first, only_second)
    observed = float(binom.pmf(fewer, count, 0.5))
    if only_first == only_second:
        return 1.0 - 0.5 * observed
    return float(2 * binom.cdf(fewer, count, 0.5) - observed)


def compare_paired(
    first: NDArray[np.int8],
    second: NDArray[np.int8],
    label: NDArray[np.int8],
    classes: int,
    *,
    draws: int,
    confidence: float,
    seed: int,
) -> PairedComparison:
    """Compare the predictions of two models for the same pictures: McNemar's test and a paired bootstrap.

    Parameters
    ----------
    first, second : (K,) int8
        Predicted classes of both models.
    label : (K,) int8
        True classes.
    classes
        Number of classes.
    draws
        Times that the pictures are drawn anew, with replacement and together with both predictions.
    confidence
        Share of the draws that an interval holds.

    Raises
    ------
    DataError
        If there is no picture, or not one prediction of each model for each.

    Examples
    --------
    >>> label = np.repeat(np.arange(2, dtype=np.int8), 50)
    >>> second = label.copy()
    >>> first = np.where(np.arange(100) % 5 == 0, 1 - label, label).astype(np.int8)
    >>> comparison = compare_paired(first, second, label, 2, draws=1000, confidence=0.95, seed=0)
    >>> round(comparison.accuracy, 2), comparison.only_first, comparison.only_second, comparison.p_value < 0.01
    (0.2, 0, 20, True)
    """
    if not len(label) or not len(first) == len(second) == len(label):
        raise DataError(
            f"comparison of {len(first)} and {len(second)} answers with {len(label)} labels: expected equally many, "
            "and at least one."
        )
    # Everything depends on a picture through its label and both answers alone, so drawing the pictures anew is drawing
    # the counts of these cells from a multinomial distribution.
    cells = (label.astype(np.int64) * classes + first) * classes + second
    counts = np.bincount(cells, minlength=classes**3)
    drawn = np.random.default_rng(seed).multinomial(len(label), counts / len(label), size=draws)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    observed = _differences(counts.reshape(1, classes, classes, classes))
    low, high = np.quantile(_differences(drawn.reshape(-1, classes, classes, classes)), tails, axis=0)
    right_first, right_second = first == label, second == label
    only_first, only_second = int((right_first & ~right_second).sum()), int((right_second & ~right_first).sum())
    return PairedComparison(
        pictures=len(label),
        only_first=only_first,
        only_second=only_second,
        p_value=mcnemar(only_first, only_second),
        accuracy=float(observed[0, 0]),
        accuracy_low=float(low[0]),
        accuracy_high=float(high[0]),
        macro_f1=float(observed[0, 1]),
        macro_f1_low=float(low[1]),
        macro_f1_high=float(high[1]),
    )


def _differences(cells: NDArray[np.int64]) -> NDArray[np.float64]:
    """(R, 2) differences of accuracy and macro-F1, from counts (R, labels, first, second)."""
    numbers = [
        np.stack([accuracies(confusions), macro_f1s(confusions)], axis=1)
        for confusions in (cells.sum(axis=3), cells.sum(axis=2))
    ]
    return np.asarray(numbers[1] - numbers[0])
