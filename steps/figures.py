"""Figures that the steps log, by the name of their file."""

import pandas as pd

from ferkit.data.dataset import FaceDataset, as_faces
from ferkit.data.labels import Target
from ferkit.data.training_set import TrainingSet
from ferkit.evaluation.evaluate import Evaluation
from ferkit.evaluation.metrics import EvaluationSettings
from ferkit.evaluation.reliability import reliability
from ferkit.reporting import plots
from ferkit.reporting.contact_sheet import contact_sheet, to_png
from ferkit.reporting.grids import made_faces, prediction_grid

__all__ = ["balancing_figures", "cleaning_figures", "evaluation_figures"]

_MADE_SHOWN = 64
_FOUND_SHOWN = 256


def evaluation_figures(
    evaluation: Evaluation, faces: FaceDataset, settings: EvaluationSettings, seed: int
) -> dict[str, bytes]:
    """Confusion matrix and reliability of each split, grids of right and wrong predictions on the last of them."""
    title = f"{evaluation.target}/{evaluation.model}"
    figures = {}
    for subset, scores in evaluation.scores.items():
        slug = subset.replace(", ", "-").replace(" ", "_").replace("+", "plus")
        figures[f"confusion-{slug}.png"] = plots.confusion_matrix(
            scores.confusion, evaluation.classes, f"{title}: {subset}"
        )
    for split, predictions in evaluation.predictions.items():
        bins = reliability(predictions.probabilities, evaluation.labels[split], settings.ece_bins)
        figures[f"reliability-{split}.png"] = plots.reliability_diagram(bins, f"{title}: {split}")
    last = list(evaluation.predictions)[-1]
    for right in (True, False):
        figures[f"{'right' if right else 'wrong'}-{last}.png"] = prediction_grid(
            evaluation, faces, last, right=right, most=settings.grid, seed=seed
        )
    return figures


def cleaning_figures(faces: FaceDataset, manifest: pd.DataFrame) -> dict[str, bytes]:
    """What cleaning found, the highest score first, each with its row; nothing if it found nothing."""
    if manifest.empty:
        return {}
    shown = manifest.sort_values("score", ascending=False, kind="stable").head(_FOUND_SHOWN)
    place = pd.Series(range(len(faces)), index=faces.row)
    images = faces.images[place[shown["row"]].to_numpy()]
    captions = [f"{line.row}{'' if line.dropped else ' kept'}" for line in shown.itertuples()]
    return {"found.png": to_png(contact_sheet(as_faces(images), captions))}


def balancing_figures(training_set: TrainingSet, target: Target, seed: int) -> dict[str, bytes]:
    """Class counts before and after, and the faces that were made, if any were."""
    names = training_set.classes
    before, after = training_set.counts_before, training_set.counts_after
    figures = {"class_counts.png": plots.class_counts(before, after, names, f"{target}: examples of each class")}
    if training_set.made.any():
        figures["made_faces.png"] = made_faces(training_set, names, most=_MADE_SHOWN, seed=seed)
    return figures
