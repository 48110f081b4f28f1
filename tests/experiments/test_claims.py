"""Claims about two cells, judged by the interval of their difference."""

import numpy as np
import pytest

from ferkit.experiments.claims import check_claims
from ferkit.experiments.comparison import Answers, compare_cells
from ferkit.experiments.settings import ClaimSettings, MeasureSettings

LABEL = np.arange(2000, dtype=np.int8) % 4


def answers(wrong):
    """Three seeds that are wrong about the first pictures, as many as `wrong` says."""
    predicted = np.stack([LABEL] * 3)
    predicted[:, :wrong] = (predicted[:, :wrong] + 1) % 4
    return Answers(predicted, np.where(predicted == LABEL, 0.1, 2.0).astype(np.float32))


def judge(expected, wrong, than, least_difference=0.02, metric="accuracy"):
    claim = ClaimSettings(claim="c", cell="a", than="b", expected=expected)
    measure = MeasureSettings(least_difference=least_difference, metric=metric, bootstrap=400)
    cells = {"a": answers(wrong), "b": answers(than), "unrelated": answers(3)}
    (checked,) = check_claims((claim,), cells, LABEL, 4, measure, 0)
    found = compare_cells(
        {"b": cells["b"], "a": cells["a"]}, LABEL, 4, "b", metric,
        least_difference=least_difference, draws=400, confidence=0.95, seed=0,
    )["a"]  # fmt: skip
    assert (checked.difference, checked.low, checked.high) == (found.difference, found.low, found.high)
    return checked.verdict


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "log_loss"])
def test_better_holds_where_the_whole_interval_is_on_its_side(metric):
    assert judge("better", 100, 300, metric=metric) == "holds"
    assert judge("better", 300, 100, metric=metric) == "is refuted"
    assert judge("better", 100, 101, metric=metric) == "is not decided"


def test_the_same_holds_where_no_difference_that_matters_is_left():
    assert judge("same", 100, 101) == "holds"
    assert judge("same", 101, 100) == "holds"
    assert judge("same", 100, 300) == "is refuted"
    assert judge("same", 300, 100) == "is refuted"
    assert judge("same", 100, 140) == "is not decided", "0.02 lies within the interval"
