"""Is this data fit to train on: expectations with thresholds, some fatal, some that put single rows aside."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import SPLITS
from ferkit.errors import DataError
from ferkit.preparation.picture_table import picture_table
from ferkit.preparation.validation_settings import ValidationSettings

__all__ = ["UnfitDataError", "ValidationResult", "validate"]


@dataclass(frozen=True, eq=False)
class ValidationResult:
    """What a validation found.

    Attributes
    ----------
    faces
        What is left after quarantine.
    quarantined
        One line a row and reason: row, sha256, split, reason.
    expectations
        One line an expectation: expectation, subject, severity (``fatal``, ``quarantine``, ``warning``), passed,
        observed, expected, unexpected (number of rows).
    data_docs
        Great Expectations' own page on the results, one file that needs no network.
    """

    faces: FaceDataset
    quarantined: pd.DataFrame
    expectations: pd.DataFrame
    data_docs: str


class UnfitDataError(DataError):
    """Data that a fatal expectation speaks against.

    Attributes
    ----------
    data_docs
        The page on the results, as in `ValidationResult`.
    """

    def __init__(self, problems: list[str], data_docs: str) -> None:
        super().__init__("\n".join([*problems, "The data is not fit to train on; nothing was trained."]))
        self.data_docs = data_docs


def validate(faces: FaceDataset, settings: ValidationSettings) -> ValidationResult:
    """Hold `faces` to the expectations.

    Raises
    ------
    UnfitDataError
        If a fatal expectation fails, or quarantine leaves too little: one line for each problem.
    """
    if not len(faces):
        raise DataError("the data has no pictures.")
    from ferkit.preparation.expectations import check

    pixels = faces.images.shape[1] * faces.images.shape[2]
    outcome = check(picture_table(faces), settings, faces.classes, with_votes=faces.votes is not None, pixels=pixels)
    fatal = outcome.table[(outcome.table["severity"] == "fatal") & ~outcome.table["passed"]]
    if len(fatal):
        lines = [f"{line.subject}: {line.observed}, expected {line.expected}." for line in fatal.itertuples()]
        raise UnfitDataError(lines, outcome.data_docs)
    place = {int(row): at for at, row in enumerate(faces.row)}
    at = np.array([place[row] for row, _ in outcome.quarantine], dtype=np.int64)
    quarantined = pd.DataFrame(
        {
            "row": faces.row[at],
            "sha256": faces.take(at).picture_hashes().astype(object),
            "split": np.array(SPLITS, dtype=object)[faces.split[at]],
            "reason": np.array([reason for _, reason in outcome.quarantine], dtype=object),
        }
    ).sort_values(["row", "reason"], ignore_index=True)
    left = faces.take(~np.isin(faces.row, quarantined["row"]))
    if problems := _shortfalls(left, settings):
        raise UnfitDataError(problems, outcome.data_docs)
    return ValidationResult(left, quarantined, outcome.table, outcome.data_docs)


def _shortfalls(left: FaceDataset, settings: ValidationSettings) -> list[str]:
    """What quarantine took too much of, a line each."""
    training = left.of_split("Training")
    counts = [("Training pictures", len(training), settings.minimum_training)]
    for index, name in enumerate(left.classes):
        counts.append((f"{name} Training pictures", int((training.label == index).sum()), settings.minimum_class))
    return [
        f"{subject} after quarantine: {count:,}, expected at least {least:,}."
        for subject, count, least in counts
        if count < least
    ]
