"""The sections of a report about the data: each step, cleaning, balancing."""

import re

import numpy as np
import pandas as pd

from ferkit.data.dataset import FaceDataset, as_faces
from ferkit.data.labels import SPLITS, Target
from ferkit.data.training_set import TrainingSet
from ferkit.evaluation.evaluate import Evaluation
from ferkit.evaluation.reliability import reliability
from ferkit.reporting import plots
from ferkit.reporting.contact_sheet import contact_sheet, to_png
from ferkit.reporting.content import ReportContent
from ferkit.reporting.document import Picture, Section, Table, Text
from ferkit.reporting.grids import made_faces, prediction_grid
from ferkit.reporting.tables import first_rows, frame

__all__ = ["balancing_section", "data_section", "joint_trainings", "model_section"]

_MOST_DROPPED = 64
_MOST_MADE = 32


def data_section(content: ReportContent) -> Section:
    """The section about the data: counts after each step, quarantined rows, pictures that cleaning found."""
    first = next(iter(content.stages.values()))
    rows = tuple(
        (
            stage,
            f"{len(faces):,}",
            *(f"{int(faces.in_split(split).sum()):,}" for split in SPLITS),
            *(f"{count:,}" for count in np.bincount(faces.label, minlength=len(faces.classes))),
        )
        for stage, faces in content.stages.items()
    )
    stages = Table(("Stage", "Pictures", *SPLITS, *first.classes), rows, caption="Pictures after each step.")
    return Section(
        "Data",
        (stages,),
        (
            Section("Validation", (frame(content.expectations),), folded=True),
            Section(f"Quarantine: {len(content.quarantined):,} rows", first_rows(content.quarantined), folded=True),
            _cleaning(content.manifest, first),
        ),
    )


def _cleaning(manifest: pd.DataFrame, faces: FaceDataset) -> Section:
    dropped = manifest[manifest["dropped"].astype(bool)]
    title = f"Not a face: {len(manifest):,} pictures found, {len(dropped):,} dropped"
    if not len(manifest):
        return Section(title)
    counts = manifest.groupby(["split", "reason", "dropped"], sort=True).size().rename("pictures").reset_index()
    blocks: list[Table | Text | Picture] = [frame(counts)]
    if len(dropped):
        # The least certain first: those are the ones that a person may want back.
        shown = dropped.sort_values(["score", "row"]).head(_MOST_DROPPED)
        place = {int(row): at for at, row in enumerate(faces.row)}
        images = as_faces(faces.images[[place[int(row)] for row in shown["row"]]])
        captions = [f"{row} {score:.2f}" for row, score in zip(shown["row"], shown["score"], strict=True)]
        caption = f"{len(shown):,} of the {len(dropped):,} dropped pictures, lowest score first: row and score."
        blocks.append(Picture("dropped.png", to_png(contact_sheet(images, captions)), caption))
    return Section(title, tuple(blocks), folded=True)


def balancing_section(content: ReportContent, target: Target, training_set: TrainingSet) -> Section:
    """The section about a target's balancing: class counts before and after, and pictures that were made."""
    names = training_set.classes
    before, after = training_set.counts_before, training_set.counts_after
    rows = [
        ("before", f"{before.sum():,}", *(f"{n:,}" for n in before)),
        ("after", f"{after.sum():,}", *(f"{n:,}" for n in after)),
    ]
    if training_set.class_weight is not None:
        rows.append(("weight in the loss", "", *(f"{weight:.2f}" for weight in training_set.class_weight)))
    blocks: list[Table | Picture] = [
        Table(("", "Examples in an epoch", *names), tuple(rows)),
        Picture(
            f"{target}_class_counts.png", plots.class_counts(before, after, names, f"{target}: examples of each class")
        ),
    ]
    if training_set.made.any():
        sheet = made_faces(training_set, names, most=_MOST_MADE, seed=content.seed)
        blocks.append(
            Picture(f"{target}_made_faces.png", sheet, f"Some of the {int(training_set.made.sum()):,} pictures made.")
        )
    return Section(target, tuple(blocks))


def joint_trainings(content: ReportContent) -> list[Section]:
    """A section with the learning curves for each training of several targets."""
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
    """The section of one model or ensemble: curves or weights, confusion, reliability, examples."""
    target, model = evaluation.target, evaluation.model
    names, title = evaluation.classes, f"{target}/{model}"
    slug = _slug(target, model)
    pictures = [*_curves(content, target, model)]
    ensemble = content.ensembles.get(target) if model == "ensemble" else None
    if ensemble is not None:
        if ensemble.of_one:
            alone = Text(f"A vote of {ensemble.members[0]} alone answers as that network does; see its figures.")
            return Section(f"{target}/{content.called(model)}", (alone,), folded=True)
        votes = plots.ensemble_weights(ensemble, f"{target}: votes of the ensemble")
        pictures.append(Picture(f"{slug}_weights.png", votes))
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
