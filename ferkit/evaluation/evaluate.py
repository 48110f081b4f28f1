"""Evaluation on the official splits, with and without duplicates, by the labels of FER-2013 and of FER+."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.data.dataset import FaceDataset
from ferkit.data.duplicates import cross_split_duplicates
from ferkit.data.labels import FERPLUS_TO_FER, Protocol, Split, Target, class_names, votes_to_labels
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import DataError
from ferkit.evaluation.metrics import EvaluationSettings, Scores, score
from ferkit.models.predictions import Predictions

__all__ = ["Evaluation", "EvaluationSettings", "evaluate", "metrics_of", "with_raw_calibration"]

_FERPLUS_FOR_FER: Protocol = "majority_7"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of one model on each subset of the official splits, with the predictions and labels behind them.

    Attributes
    ----------
    model
        Name of the backbone, or ``ensemble``.
    target
        The labels that it predicts: ``fer`` or ``ferplus``.
    protocol
        How FER+ votes became labels; ``FER-2013`` where the labels are its emotions, ``own`` of any other target.
    scores
        By subset: ``PublicTest`` and ``PrivateTest``, each also as in ``PrivateTest, no duplicates`` (without pictures
        that also occur in another split); for a ``fer`` model where there are FER+ votes, also ``PrivateTest, FER+
        majority_7`` and the same without duplicates.
    predictions
        The predictions that were judged, by split.
    labels
        (K,) int8 a split: the right class of each prediction.
    """

    model: str
    target: Target
    protocol: str
    scores: dict[str, Scores]
    predictions: dict[Split, Predictions]
    labels: dict[Split, NDArray[np.int8]]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that it tells apart."""
        return next(iter(self.predictions.values())).classes

    def to_table(self) -> pd.DataFrame:
        """One line a subset: model, target, labels, subset, pictures, the scores, and the recall of each class."""
        lines = []
        for subset, scores in self.scores.items():
            plus = "FER+" in subset
            line: dict[str, object] = {
                "model": self.model,
                "target": self.target,
                "labels": f"FER+ {_FERPLUS_FOR_FER}" if plus else self.protocol,
                "subset": subset,
                "pictures": scores.count,
                "available": scores.available,
            }
            line |= {
                name: getattr(scores, name)
                for name in (
                    *("accuracy", "accuracy_low", "accuracy_high", "macro_f1", "macro_f1_low", "macro_f1_high"),
                    *("expected_calibration_error", "log_loss"),
                )
            }
            line |= {f"recall_{name}": value for name, value in zip(self.classes, scores.recall, strict=True)}
            lines.append(line)
        return pd.DataFrame(lines)

    def content_hash(self) -> str:
        """sha256 over everything, in hexadecimal."""
        digest = hashlib.sha256(f"{self.model} {self.target} {self.protocol}".encode())
        digest.update(json.dumps({name: scores.to_dict() for name, scores in self.scores.items()}).encode())
        for split, predictions in self.predictions.items():
            digest.update(f"{split} {predictions.content_hash()}".encode())
            digest.update(np.ascontiguousarray(self.labels[split]).data)
        return digest.hexdigest()


def evaluate(
    model: str,
    predictions: Sequence[Predictions],
    faces: FaceDataset,
    target: TargetSettings,
    settings: EvaluationSettings,
    seed: int,
) -> Evaluation:
    """Score the predictions of a model on every subset that its splits have.

    Parameters
    ----------
    model
        Its name.
    predictions
        One a split, over pictures that the target's protocol keeps.
    faces
        The dataset as it was read: duplicates are looked for among all its pictures, also those that were cleaned
        away from training later.
    seed
        Seed of the bootstrap.

    Raises
    ------
    DataError
        If the predictions are of another target, or of pictures that have no label in their split.

    Examples
    --------
    >>> from ferkit.sources.synthetic.generate import SyntheticSettings, generate
    >>> faces = generate(SyntheticSettings(count=200)).faces
    >>> judged = faces.of_split("PrivateTest")
    >>> right = Predictions("fer", "PrivateTest", judged.row, np.eye(7, dtype=np.float32)[judged.label])
    >>> evaluation = evaluate("oracle", [right], faces, TargetSettings(name="fer"), EvaluationSettings(), seed=0)
    >>> evaluation.scores["PrivateTest"].accuracy
    1.0
    """
    scores: dict[str, Scores] = {}
    labels: dict[Split, NDArray[np.int8]] = {}
    for each in predictions:
        if each.target != target.name:
            raise DataError(f"{model}: predictions of target {each.target}, expected {target.name}.")
        if each.classes != target.class_names(faces.classes):
            raise DataError(
                f"{model}: predictions of the classes {', '.join(each.classes)}, expected those of {target.name}, "
                f"{', '.join(target.class_names(faces.classes))}."
            )
        if not len(each):
            raise DataError(f"{model}: no picture of {each.split} was predicted, so there is nothing to judge.")
        pictures = faces.of_split(each.split)
        kept, distribution = labelled(pictures, target)
        at = _places(each, kept.row, model)
        labels[each.split] = distribution[at].argmax(axis=1).astype(np.int8)
        for subset, of, right in _subsets(each, pictures, faces, kept.row, distribution):
            predicted = np.isin(of, each.row)
            if not predicted.any():
                continue
            order = _order(each.row, of[predicted])
            scores[subset] = score(each.probabilities[order], right[predicted], settings, seed, available=len(of))
    return Evaluation(model, target.name, target.labels, scores, {each.split: each for each in predictions}, labels)


def _places(predictions: Predictions, rows: NDArray[np.int64], model: str) -> NDArray[np.int64]:
    """Where each prediction's picture is among `rows`."""
    unknown = ~np.isin(predictions.row, rows)
    if unknown.any():
        raise DataError(
            f"{model}: {int(unknown.sum())} predictions of {predictions.split} have no label there under the protocol, "
            f"the first for row {predictions.row[unknown][0]}: was the network run on another dataset or protocol?"
        )
    return _order(rows, predictions.row)


def _order(rows: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index in `rows` of each of `wanted`, all of which occur there."""
    by_row = np.argsort(rows)
    return np.asarray(by_row[np.searchsorted(rows, wanted, sorter=by_row)])


def _subsets(
    predictions: Predictions,
    pictures: FaceDataset,
    faces: FaceDataset,
    rows: NDArray[np.int64],
    distribution: NDArray[np.float32],
) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.float32]]]:
    """Name, rows and label distributions of each set of pictures that the model is judged on."""
    split = predictions.split
    yield split, rows, distribution
    repeated = pictures.row[cross_split_duplicates(faces, split)]
    unique = ~np.isin(rows, repeated)
    yield f"{split}, no duplicates", rows[unique], distribution[unique]
    if split != "PrivateTest":
        return
    if predictions.target == "fer" and pictures.votes is not None:
        plus = votes_to_labels(pictures.votes, _FERPLUS_FOR_FER)
        label = FERPLUS_TO_FER[plus.label[plus.keep]]
        rows = pictures.row[plus.keep]
        distribution = np.eye(len(class_names("fer")), dtype=np.float32)[label]
        yield f"{split}, FER+ {_FERPLUS_FOR_FER}", rows, distribution
        unique = ~np.isin(rows, repeated)
        yield f"{split}, FER+ {_FERPLUS_FOR_FER}, no duplicates", rows[unique], distribution[unique]


def with_raw_calibration(calibrated: pd.DataFrame, raw: pd.DataFrame) -> pd.DataFrame:
    """Add the calibration before temperature scaling to a table of scores after it.

    Parameters
    ----------
    calibrated
        `Evaluation.to_table` of the probabilities after temperature scaling.
    raw
        `Evaluation.to_table` of the probabilities before it; `calibrated` itself where there is no temperature.

    Returns
    -------
    DataFrame
        `calibrated` with the columns ``raw_expected_calibration_error`` and ``raw_log_loss``.
    """
    numbers = raw.set_index("subset").loc[calibrated["subset"], ["expected_calibration_error", "log_loss"]]
    return calibrated.assign(**{f"raw_{name}": values.to_numpy() for name, values in numbers.items()})


def metrics_of(line: Mapping[Any, Any]) -> dict[str, float]:
    """Metrics of a line of `Evaluation.to_table`, by names such as ``PrivateTest/no duplicates/accuracy``."""
    subset = str(line["subset"]).replace(", ", "/").replace("+", "plus")
    numbers = {name: value for name, value in line.items() if isinstance(value, int | float) and math.isfinite(value)}
    return {f"{subset}/{name}": float(value) for name, value in numbers.items()}
