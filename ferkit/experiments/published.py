"""An experiment that repeats a published one: its table as it was published, our numbers beside, and its claims."""

import numpy as np

from ferkit.experiments.answer import Answer
from ferkit.experiments.claims import CheckedClaim
from ferkit.experiments.settings import MeasureSettings

__all__ = ["claim_sentences", "published_rows", "substitute_sentence"]

_NOT_PUBLISHED = "not published"


def published_rows(found: Answer) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and a row for each cell of ``published``: the study's number, ours, and the interval of ours."""
    measure = found.experiment.settings.measure
    rows: list[tuple[str, ...]] = []
    for name, value in found.experiment.settings.published.items():
        ours = found.comparisons[name]
        rows.append(
            (
                name,
                _NOT_PUBLISHED if value is None else _number(value, measure),
                _number(ours.mean, measure),
                f"{_number(ours.mean_low, measure)}..{_number(ours.mean_high, measure)}",
            )
        )
    return ("", "study", "ours", "interval"), rows


def claim_sentences(found: Answer) -> list[str]:
    """Each claim of the experiment, what the runs say about it, and by which numbers."""
    return [_sentence(each, found.experiment.settings.measure) for each in found.claims]


def substitute_sentence(found: Answer) -> str:
    """Which backbone stands in for which; empty if none does."""
    labels = found.experiment.substituted
    if not labels:
        return ""
    pairs = ", ".join(f"{stands_in} for {own}" for own, stands_in in labels.items())
    return f"Another backbone stands in: {pairs}. What the study says is about its own."


def _sentence(checked: CheckedClaim, measure: MeasureSettings) -> str:
    claim = checked.claim
    numbers = (checked.difference, checked.low, checked.high, measure.least_difference)
    difference, low, high, margin = (_difference(value, measure) for value in numbers)
    same = f", and the same means by less than {margin.lstrip('+')}" if claim.expected == "same" else ""
    return (
        f'"{claim.claim}" {checked.verdict}: {claim.cell} less {claim.than} is {difference} '
        f"(between {low} and {high}){same}."
    )


def _number(value: float, measure: MeasureSettings) -> str:
    if np.isnan(value):
        return ""
    return f"{value:.4f}" if measure.metric == "log_loss" else f"{100 * value:.2f}"


def _difference(value: float, measure: MeasureSettings) -> str:
    return f"{value:+.4f} nats" if measure.metric == "log_loss" else f"{100 * value:+.2f} points"
