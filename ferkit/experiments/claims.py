"""What an experiment says about sentences such as "SMOTE is better than repeating pictures"."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ferkit.experiments.comparison import Answers, CellComparison, compare_cells
from ferkit.experiments.settings import ClaimSettings, MeasureSettings

__all__ = ["CheckedClaim", "check_claims"]

Verdict = Literal["holds", "is refuted", "is not decided"]


@dataclass(frozen=True)
class CheckedClaim:
    """A claim and what the runs say about it.

    Attributes
    ----------
    claim
        As the file says.
    difference, low, high
        Metric of its cell less that of the other, and the interval of it over pictures and seeds.
    verdict
        ``holds``: the whole interval lies where the claim says; ``is refuted``: none of it; else ``is not decided``.
    """

    claim: ClaimSettings
    difference: float
    low: float
    high: float
    verdict: Verdict


def check_claims(
    claims: tuple[ClaimSettings, ...],
    answers: Mapping[str, Answers],
    label: NDArray[np.int8],
    classes: int,
    measure: MeasureSettings,
    seed: int,
    fold: NDArray[np.int64] | None = None,
) -> tuple[CheckedClaim, ...]:
    """Judge each claim by the interval of its difference, as `ferkit.experiments.comparison.compare_cells` draws it.

    Parameters
    ----------
    answers, label, classes, seed, fold
        As of `compare_cells`.
    """
    checked = []
    for claim in claims:
        pair = {name: answers[name] for name in (claim.than, claim.cell)}
        found = compare_cells(
            pair, label, classes, claim.than, measure.metric,
            least_difference=measure.least_difference, draws=measure.bootstrap, confidence=measure.confidence,
            seed=seed, fold=fold,
        )[claim.cell]  # fmt: skip
        checked.append(CheckedClaim(claim, found.difference, found.low, found.high, _verdict(claim, found, measure)))
    return tuple(checked)


def _verdict(claim: ClaimSettings, found: CellComparison, measure: MeasureSettings) -> Verdict:
    low, high = found.low, found.high
    if claim.expected == "better":
        if measure.metric == "log_loss":
            low, high = -high, -low
        return "holds" if low > 0 else "is refuted" if high <= 0 else "is not decided"
    margin = measure.least_difference
    if -margin < low and high < margin:
        return "holds"
    return "is refuted" if low >= margin or high <= -margin else "is not decided"
