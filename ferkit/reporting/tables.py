"""How the report writes numbers and tables."""

import numpy as np
import pandas as pd

from ferkit.evaluation.metrics import Scores
from ferkit.reporting.document import Table, Text

__all__ = ["accuracy", "first_rows", "frame", "percent", "pictures", "with_interval"]

_MOST_ROWS = 20


def percent(value: float) -> str:
    """A share as a percentage; a dash where there is none."""
    return "-" if np.isnan(value) else f"{100 * value:.1f} %"


def with_interval(value: float, low: float, high: float) -> str:
    """A share and its interval as percentages."""
    return f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def accuracy(scores: Scores) -> str:
    """The accuracy of `scores` and its interval, as percentages."""
    return with_interval(scores.accuracy, scores.accuracy_low, scores.accuracy_high)


def pictures(scores: Scores) -> str:
    """Number of pictures that were scored, such as ``3,000`` or ``3,000 of 3,589`` if some were not predicted."""
    return f"{scores.count:,}" if scores.count == scores.available else f"{scores.count:,} of {scores.available:,}"


def first_rows(table: pd.DataFrame) -> tuple[Table | Text, ...]:
    """The first 20 rows of a table, and a line that says how many more there are."""
    if not len(table):
        return (Text("None."),)
    more = len(table) - _MOST_ROWS
    return (frame(table.head(_MOST_ROWS)), *((Text(f"And {more:,} more."),) if more > 0 else ()))


def frame(table: pd.DataFrame) -> Table:
    """A data frame as a table of the report, cells as text."""
    return Table(
        tuple(map(str, table.columns)),
        tuple(tuple(map(_cell, line)) for line in table.itertuples(index=False)),
    )


def _cell(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.4g}"
    return "" if value is None else str(value)
