"""The sections of a report about single models: curves, confusion, calibration, faces."""

import re

from ferkit import plots
from ferkit.calibration import reliability
from ferkit.document import Picture, Section
from ferkit.evaluation import Evaluation
from ferkit.grids import prediction_grid
from ferkit.labels import class_names
from ferkit.report_content import ReportContent

__all__ = ["joint_trainings", "model_section"]


def joint_trainings(content: ReportContent) -> list[Section]:
    """The curves of each training of several targets, once."""
    return [
        Section(f"{targets}/{content.called(model)}: training", _curves(content, targets, model), folded=True)
        for targets, model in content.histories
        if "+" in targets
    ]


def _curves(content: ReportContent, targets: str, model: str) -> tuple[Picture, ...]:
    history = content.histories.get((targets, model))
    if history is None or not len(history):
        return ()
    figure = plots.training_curves(history, f"{targets}/{model}: training")
    return (Picture(f"{_slug(targets, model)}_curves.png", figure),)


def _slug(targets: str, model: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", f"{targets}_{model}")


def model_section(content: ReportContent, evaluation: Evaluation) -> Section:
    """The figures of one model, or of an ensemble."""
    target, model = evaluation.target, evaluation.model
    names, title = class_names(target), f"{target}/{model}"
    slug = _slug(target, model)
    pictures = [*_curves(content, target, model)]
    ensemble = content.ensembles.get(target)
    if model == "ensemble" and ensemble is not None:
        pictures.append(Picture(f"{slug}_weights.png", plots.ensemble_weights(ensemble, f"{target}: ensemble weights")))
    for subset, scores in evaluation.scores.items():
        if subset == "PublicTest" or "no duplicates" in subset:
            continue
        name = f"{slug}_confusion_{re.sub(r'[^A-Za-z0-9]+', '_', subset)}.png"
        matrix = plots.confusion_matrix(scores.confusion, names, f"{title}: {subset}")
        pictures.append(Picture(name, matrix, half=True))
    if predictions := evaluation.predictions.get("PrivateTest"):
        bins = reliability(predictions.probabilities, evaluation.labels["PrivateTest"], content.settings.ece_bins)
        diagram = plots.reliability_diagram(bins, f"{title}: PrivateTest")
        pictures.append(Picture(f"{slug}_reliability.png", diagram, half=True))
        faces = next(iter(content.stages.values()))
        for kind in ("right", "wrong"):
            grid = prediction_grid(
                evaluation, faces, "PrivateTest", right=kind == "right", most=content.settings.grid, seed=content.seed
            )
            caption = f"{kind.capitalize()} on PrivateTest, drawn at random: predicted / labelled, probability."
            pictures.append(Picture(f"{slug}_{kind}.png", grid, caption))
    return Section(f"{target}/{content.called(model)}", tuple(pictures), folded=True)
