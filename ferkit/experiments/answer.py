"""The answer of an experiment: every cell beside the baseline, on the pictures of PublicTest that decide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.config.run_config import RunConfig
from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import DataError
from ferkit.evaluation.metrics import cross_entropies
from ferkit.experiments.cells import Experiment
from ferkit.experiments.claims import CheckedClaim, check_claims
from ferkit.experiments.comparison import Answers, CellComparison, compare_cells, metric_of_seeds
from ferkit.experiments.results import RunResult
from ferkit.experiments.settings import MeasureSettings
from ferkit.models.selection import SelectionSettings, selection_pictures

__all__ = ["Answer", "answer", "score_of"]

# Of the bootstrap: the same results give the same answer.
_SEED = 0


@dataclass(frozen=True, eq=False)
class Answer:
    """What an experiment says.

    Attributes
    ----------
    experiment
        What was compared.
    comparisons
        Of each cell by its name, in the experiment's order.
    training_seconds
        Mean over the seeds, by cell.
    pictures
        How many were judged.
    claims
        The experiment's claims, judged.
    """

    experiment: Experiment
    comparisons: dict[str, CellComparison]
    training_seconds: dict[str, float]
    pictures: int
    claims: tuple[CheckedClaim, ...]

    @property
    def folds(self) -> int:
        """Into how many the data was dealt, each of them judged by trainings of its own; 0 if it was not."""
        return 0 if self.experiment.folds == (None,) else len(self.experiment.folds)

    @property
    def where(self) -> str:
        """Which pictures decide, in words."""
        if self.folds:
            return f"every picture in one of {self.folds} folds"
        return self.experiment.settings.measure.subset

    def verdict(self, cell: str) -> str:
        """What is known about a cell, in a sentence without its name."""
        measure, found = self.experiment.settings.measure, self.comparisons[cell]
        if cell == self.experiment.baseline:
            return "the baseline"
        seeds = len(found.values)
        if found.adjusted_p_value < 1 - measure.confidence:
            better = (found.difference > 0) != (measure.metric == "log_loss")
            low, high = (_amount(each, measure, signed=True) for each in (found.low, found.high))
            amount = _amount(abs(found.difference), measure)
            return f"{'better' if better else 'worse'} by {amount} (between {low} and {high})"
        wanted = _amount(measure.least_difference, measure)
        in_folds = f" in {self.folds} folds" if self.folds else ""
        with_seeds = f"no difference can be shown with {seeds} seed{'s' if seeds > 1 else ''}{in_folds}"
        if seeds < 2:
            return f"{with_seeds}; two or more would tell how much seeds differ"
        if found.seeds_needed is None:
            return f"{with_seeds}; {self.pictures:,} pictures are too few to see {wanted}, whatever the seeds"
        if found.seeds_needed <= seeds:
            return f"{with_seeds}, which would have been enough to see {wanted}"
        return f"{with_seeds}; about {found.seeds_needed} would be needed to see {wanted}"

    def to_table(self) -> pd.DataFrame:
        """A line a cell, with the numbers of `CellComparison` and the verdict."""
        lines = []
        for cell in self.experiment.cells:
            found = self.comparisons[cell.name]
            lines.append(
                {
                    "cell": cell.name,
                    **cell.levels,
                    "seeds": len(found.values),
                    "mean": found.mean,
                    "spread": found.spread,
                    "mean_low": found.mean_low,
                    "mean_high": found.mean_high,
                    "difference": found.difference,
                    "low": found.low,
                    "high": found.high,
                    "p_value": found.p_value,
                    "adjusted_p_value": found.adjusted_p_value,
                    **({"folds": self.folds, "units_better": found.units_better} if self.folds else {}),
                    "training_seconds": self.training_seconds[cell.name],
                    "verdict": self.verdict(cell.name),
                }
            )
        return pd.DataFrame(lines)


def answer(
    experiment: Experiment, results: Mapping[tuple[str, int, int | None], RunResult], faces: FaceDataset
) -> Answer:
    """Compare the cells of an experiment.

    Parameters
    ----------
    results
        By cell, seed and fold, all of them; the fold is None where the data has none.
    faces
        The data that the cells read: labels, and which pictures occur in another split. With folds in the splits of
        any of them.

    Raises
    ------
    DataError
        If a cell was not asked about a picture that decides: cells can only be compared on the same pictures.
    """
    settings = experiment.settings
    measure = settings.measure
    target = next(
        each for each in experiment.cells[0].configs[settings.seeds[0]].targets if each.name == measure.target
    )
    if experiment.folds == (None,):
        rows, labels = decisive_pictures(faces, target, measure)
        fold = None
    else:
        pictures, labels = labelled(faces, target)
        rows = pictures.row
        first = experiment.cells[0].name
        tested = [
            results[first, settings.seeds[0], each].predictions[measure.target, measure.model].row
            for each in experiment.folds
        ]
        fold = _fold_of(rows, tested)
    answers = {
        cell.name: _answers(
            [[results[cell.name, seed, each] for each in experiment.folds] for seed in settings.seeds],
            measure, rows, labels, cell.name, fold,
        )
        for cell in experiment.cells
    }  # fmt: skip
    label, classes = labels.argmax(axis=1).astype(np.int8), labels.shape[1]
    comparisons = compare_cells(
        answers, label, classes, experiment.baseline, measure.metric,
        least_difference=measure.least_difference, draws=measure.bootstrap, confidence=measure.confidence, seed=_SEED,
        fold=fold,
    )  # fmt: skip
    seconds = {
        cell.name: float(
            np.mean([each.record.training_seconds for (name, *_), each in results.items() if name == cell.name])
        )
        for cell in experiment.cells
    }
    claims = check_claims(settings.claims, answers, label, classes, measure, _SEED, fold)
    return Answer(experiment, comparisons, seconds, len(rows), claims)


def score_of(result: RunResult, config: RunConfig, measure: MeasureSettings, faces: FaceDataset) -> float:
    """The number on PublicTest that decides, of one run.

    Parameters
    ----------
    result, config
        What the run found, and its configuration.
    faces
        The data that it read.

    Raises
    ------
    DataError
        If it was not asked about a picture that decides.
    """
    target = next(each for each in config.targets if each.name == measure.target)
    rows, labels = decisive_pictures(faces, target, measure)
    answers = _answers([[result]], measure, rows, labels, config.name)
    return float(metric_of_seeds(answers, labels.argmax(axis=1).astype(np.int8), labels.shape[1], measure.metric)[0])


def decisive_pictures(
    faces: FaceDataset, target: TargetSettings, measure: MeasureSettings
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows (P,) and label distributions (P, classes) of the pictures of PublicTest that decide."""
    selection = SelectionSettings(duplicates="keep" if measure.subset == "PublicTest" else "leave_out")
    pictures, labels = labelled(selection_pictures(faces, selection), target)
    return pictures.row, labels


def _fold_of(rows: NDArray[np.int64], tested: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """(P,) the fold whose rows are `tested` that each of `rows` lies in."""
    place = {row: number for number, of_fold in enumerate(tested) for row in of_fold.tolist()}
    if missing := [row for row in rows.tolist() if row not in place]:
        raise DataError(f"{len(missing)} pictures with a label are in no fold, such as row {missing[0]}.")
    return np.array([place[row] for row in rows.tolist()], dtype=np.int64)


def _answers(
    results: Sequence[Sequence[RunResult]],
    measure: MeasureSettings,
    rows: NDArray[np.int64],
    labels: NDArray[np.float32],
    cell: str,
    fold: NDArray[np.int64] | None = None,
) -> Answers:
    """What a cell answered, of its results by seed and fold."""
    predicted, log_loss = [], []
    for seed in results:
        probabilities = np.empty(labels.shape, np.float32)
        for number, each in enumerate(seed):
            here = slice(None) if fold is None else fold == number
            try:
                found = each.predictions[measure.target, measure.model].of_rows(rows[here])
            except DataError as error:
                raise DataError(f"cell {cell}: {error}") from error
            probabilities[here] = found.probabilities
        predicted.append(probabilities.argmax(axis=1).astype(np.int8))
        log_loss.append(cross_entropies(probabilities, labels))
    return Answers(np.stack(predicted), np.stack(log_loss).astype(np.float32))


def _amount(value: float, measure: MeasureSettings, *, signed: bool = False) -> str:
    """A difference as people say it: points of a share, nats of a log loss."""
    sign = "+" if signed else ""
    if measure.metric == "log_loss":
        return f"{value:{sign}.3f} nats"
    return f"{100 * value:{sign}.1f} points"
