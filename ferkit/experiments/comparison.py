"""How sure is a difference between two configurations, each trained with several seeds and judged on the same pictures?

Two sources of chance: which pictures were judged, and which seeds were trained with. The bootstrap draws both anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import DataError
from ferkit.experiments.tallies import Answers, Metric, tallied, values_of

__all__ = ["Answers", "CellComparison", "Metric", "compare_cells", "holm", "metric_of_seeds", "seeds_needed"]

# Draws that are in memory at a time.
_CHUNK = 250


@dataclass(frozen=True)
class CellComparison:
    """One configuration, and what it has over the baseline.

    Attributes
    ----------
    values
        The metric of each seed.
    mean, spread
        Mean over the seeds, and standard deviation between them, with folds between the units; nan of a single one.
    mean_low, mean_high
        The interval of the mean over pictures and seeds.
    difference, low, high
        Mean less the baseline's, and the interval of it over pictures and seeds; nan for the baseline itself.
    p_value
        Two-sided, of no difference, from the bootstrap; nan for the baseline.
    adjusted_p_value
        The same, adjusted for the number of comparisons, see `holm`.
    seeds_needed
        How many seeds of each would be needed to see the smallest difference of interest, see `seeds_needed`; None
        where no number of seeds would do with these pictures, or where one seed tells nothing about the spread.
    units
        With folds, the metric of each training on the pictures of its own fold: of each fold with the first seed, then
        with the next. Else nothing.
    units_better
        In how many of the units it is better than the baseline is in the same fold with the same seed; None for the
        baseline, and without folds.
    """

    values: tuple[float, ...]
    mean: float
    spread: float
    mean_low: float
    mean_high: float
    difference: float
    low: float
    high: float
    p_value: float
    adjusted_p_value: float
    seeds_needed: int | None
    units: tuple[float, ...] = ()
    units_better: int | None = None


def compare_cells(
    answers: Mapping[str, Answers],
    label: NDArray[np.int8],
    classes: int,
    baseline: str,
    metric: Metric,
    *,
    least_difference: float,
    draws: int,
    confidence: float,
    seed: int,
    fold: NDArray[np.int64] | None = None,
) -> dict[str, CellComparison]:
    """Compare configurations with a baseline.

    Parameters
    ----------
    answers
        Of each configuration by its name; all about the same P pictures, each with S seeds of its own number.
    label : (P,) int8
        The right class of each picture.
    classes
        Number of classes.
    baseline
        Which of `answers` the others are compared with.
    metric
        ``accuracy``, ``macro_f1`` (over the classes that have a label among the pictures) or ``log_loss``.
    least_difference
        Smallest difference of the metric that one wants to see.
    draws
        Times that pictures and seeds are drawn anew, with replacement. The pictures are drawn for all configurations
        together, the seeds for each on its own.
    confidence
        Share of the draws that an interval holds.
    seed
        Of the draws.
    fold : (P,) int64
        Which fold each picture is judged in: another training answers there, though with the seed of the same number.
        None: one training a seed answers about all pictures.

    Raises
    ------
    DataError
        If there is no picture, or answers about another number of them.

    Notes
    -----
    The deviations of drawn seeds from their mean are widened by sqrt(S / (S - 1)): the bootstrap of few values is too
    narrow by that factor (Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69,
    2015, section 3.2).

    With folds, the metric of a seed is that of its answers to all pictures together, each of which one training did not
    learn from; of macro-F1 that is less biased than a mean over the folds (Forman and Scholz, "Apples-to-Apples in
    Cross-Validation Studies", SIGKDD Explorations 12, 2010). Trainings are drawn in each fold on their own.
    """
    for name, each in answers.items():
        if not len(label) or each.predicted.shape[1:] != label.shape or each.log_loss.shape != each.predicted.shape:
            raise DataError(
                f"{name}: answers {each.predicted.shape} for {len(label)} labels, expected (seeds, pictures)."
            )
    observed = {name: metric_of_seeds(each, label, classes, metric) for name, each in answers.items()}
    units = {} if fold is None else {name: _units(each, label, classes, metric, fold) for name, each in answers.items()}
    one_fold = np.zeros(len(label), np.int64)
    drawn, centre = _draw(answers, label, classes, metric, draws, seed, one_fold if fold is None else fold)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    intervals, p_values = {}, {}
    for name in answers:
        if name == baseline:
            continue
        difference = drawn[name] - drawn[baseline]
        intervals[name] = np.quantile(difference, tails)
        # Never zero: so many draws cannot show a smaller one (Davison and Hinkley 1997, equation 4.11).
        below, above = ((each.sum() + 1) / (draws + 1) for each in (difference <= 0, difference >= 0))
        p_values[name] = float(min(1.0, 2 * min(below, above)))
    adjusted = holm(p_values)
    found = {}
    for name, values in observed.items():
        others = name != baseline
        low, high = intervals[name] if others else (np.nan, np.nan)
        mean_low, mean_high = np.quantile(drawn[name], tails)
        found[name] = CellComparison(
            values=tuple(values.tolist()),
            mean=float(values.mean()),
            spread=_spread(units[name].ravel() if units else values),
            mean_low=float(mean_low),
            mean_high=float(mean_high),
            difference=float(values.mean() - observed[baseline].mean()) if others else np.nan,
            low=float(low),
            high=float(high),
            p_value=p_values.get(name, np.nan),
            adjusted_p_value=adjusted.get(name, np.nan),
            seeds_needed=seeds_needed(
                float(np.var(centre[name] - centre[baseline], ddof=1)),
                _spread(values) ** 2 + _spread(observed[baseline]) ** 2,
                least_difference,
            )
            if others
            else None,
            units=tuple(units[name].ravel().tolist()) if units else (),
            units_better=_better(units[name], units[baseline], metric) if units and others else None,
        )
    return found


def metric_of_seeds(answers: Answers, label: NDArray[np.int8], classes: int, metric: Metric) -> NDArray[np.float64]:
    """(S,): the metric of each seed over all pictures; for the parameters see `compare_cells`."""
    tallies = tallied(answers, label, classes, metric, np.ones((1, len(label))), np.zeros(len(label), np.int64))
    return values_of(tallies[0, :, 0], classes, metric)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P values adjusted so that the chance of one false finding among all of them stays at its level.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979.

    Examples
    --------
    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    least, adjusted = 0.0, {}
    for rank, name in enumerate(sorted(p_values, key=lambda each: p_values[each])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = least
    return {name: adjusted[name] for name in p_values}


def seeds_needed(picture_variance: float, seed_variance: float, least_difference: float) -> int | None:
    """Seeds of each of two configurations with which a difference would be seen in four experiments of five.

    A two-sided test at the level 0.05 with power 0.8: the difference has to be 2.8 (1.96 + 0.84) times its standard
    error, whose square is ``picture_variance + seed_variance / seeds``.

    Parameters
    ----------
    picture_variance
        Variance of the difference that drawing other pictures makes; no number of seeds lessens it.
    seed_variance
        Sum of the variances between the seeds of both.
    least_difference
        The difference, in the unit of the metric.

    Returns
    -------
    int or None
        None if no number of seeds suffices, or the variance between seeds is not known.

    Examples
    --------
    >>> seeds_needed(0.0, 2 * 0.004**2, 0.005)
    11
    """
    left = (least_difference / (1.959964 + 0.841621)) ** 2 - picture_variance
    if left <= 0 or not np.isfinite(seed_variance):
        return None
    return max(2, int(np.ceil(seed_variance / left)))


def _spread(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _units(
    answers: Answers, label: NDArray[np.int8], classes: int, metric: Metric, fold: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(S, F): the metric of each training on the pictures of its fold."""
    tallies = tallied(answers, label, classes, metric, np.ones((1, len(label))), fold)
    return values_of(tallies[:, :, 0], classes, metric).T


def _better(units: NDArray[np.float64], baseline: NDArray[np.float64], metric: Metric) -> int | None:
    """In how many units a configuration is better; None if it has other seeds than the baseline."""
    if units.shape != baseline.shape:
        return None
    gain = baseline - units if metric == "log_loss" else units - baseline
    return int((gain > 0).sum())


def _draw(
    answers: Mapping[str, Answers],
    label: NDArray[np.int8],
    classes: int,
    metric: Metric,
    draws: int,
    seed: int,
    fold: NDArray[np.int64],
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """The metric of each configuration in each draw: over drawn pictures and seeds, and over drawn pictures alone."""
    generator = np.random.default_rng(seed)
    count = len(label)
    drawn: dict[str, list[NDArray[np.float64]]] = {name: [] for name in answers}
    centre: dict[str, list[NDArray[np.float64]]] = {name: [] for name in answers}
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        times = generator.multinomial(count, np.full(count, 1 / count), size=size).astype(np.float64)
        for name, each in answers.items():
            tallies = tallied(each, label, classes, metric, times, fold)
            seeds = tallies.shape[1]
            mean = values_of(tallies.sum(axis=0), classes, metric).mean(axis=0)
            chosen = [
                of_fold[generator.integers(0, seeds, size=(size, seeds)), np.arange(size)[:, None]]
                for of_fold in tallies
            ]
            other = values_of(np.sum(chosen, axis=0), classes, metric).mean(axis=1)
            wider = np.sqrt(seeds / (seeds - 1)) if seeds > 1 else 0.0
            drawn[name].append(mean + wider * (other - mean))
            centre[name].append(mean)
    return tuple({name: np.concatenate(parts) for name, parts in each.items()} for each in (drawn, centre))  # type: ignore[return-value]
