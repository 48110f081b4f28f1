"""The report of models that were judged on the same pictures: scores, paired tests, recalls, confusion, examples."""

import re
from collections.abc import Sequence

import pandas as pd

from ferkit.data.dataset import FaceDataset
from ferkit.evaluation.evaluate import Evaluation
from ferkit.evaluation.metrics import EvaluationSettings
from ferkit.evaluation.reliability import reliability
from ferkit.evaluation.side_by_side import ModelComparison, SideBySide
from ferkit.reporting import plots
from ferkit.reporting.document import Document, Picture, Section, Table, Text
from ferkit.reporting.grids import prediction_grid
from ferkit.reporting.report import Report
from ferkit.reporting.tables import accuracy, percent, pictures, with_interval

__all__ = ["comparison_rows", "side_by_side_report", "telling_subsets"]

_HOW_TO_READ = (
    "Brackets hold the percentile bootstrap interval over the pictures. Macro-F1 is the mean over the classes that "
    "occur among the labels; ECE is the expected calibration error. Whatever the pictures are, a model was chosen and "
    "calibrated on others."
)
_HOW_TO_COMPARE = (
    "Differences are those of the model from the first one, on the same pictures; p is the mid-p value of McNemar's "
    "test, for each line alone."
)


def side_by_side_report(
    judged: SideBySide, faces: FaceDataset, data: str, settings: EvaluationSettings, seed: int
) -> Report:
    """Make the report of models on one data set.

    Parameters
    ----------
    judged
        What `ferkit.evaluation.side_by_side.judge_models` found.
    faces
        The pictures.
    data
        What a reader calls them.
    settings, seed
        As the models were judged.
    """
    lead = tuple(
        f"{each.model} ({each.target}): accuracy {accuracy(scores)} on {pictures(scores)} pictures of {subset}."
        for each in judged.evaluations
        for subset, scores in list(each.scores.items())[-1:]
    )
    sections = [Section("Results", (Text(_HOW_TO_READ), _results(judged.evaluations), *map(Text, judged.notes)))]
    if judged.comparisons:
        header = ("Model", "Beside", "Pictures of", "Count", "Accuracy", "Macro-F1", "p")
        rows = tuple(comparison_rows(judged.comparisons))
        sections.append(Section("Differences", (Text(_HOW_TO_COMPARE), Table(header, rows))))
    models = tuple(_model(each, faces, settings, seed) for each in judged.evaluations)
    sections.append(Section("Models", (), models))
    document = Document(f"Models on {data}", lead, tuple(sections))
    return Report.of(document)


def telling_subsets(evaluation: Evaluation) -> list[str]:
    """The sets of pictures that were judged, without those that say the same: no duplicates where there are none."""
    counts = {name: scores.count for name, scores in evaluation.scores.items()}
    suffix = ", no duplicates"
    return [
        name for name in counts if counts[name] != counts.get(name.removesuffix(suffix)) or not name.endswith(suffix)
    ]


def comparison_rows(comparisons: Sequence[ModelComparison]) -> list[tuple[str, ...]]:
    """Cells of a table: model, the one that it is compared with, pictures, their number, differences, p."""
    rows = []
    for each in comparisons:
        found = each.result
        differences = (
            f"{100 * value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
            for value, low, high in (
                (found.accuracy, found.accuracy_low, found.accuracy_high),
                (found.macro_f1, found.macro_f1_low, found.macro_f1_high),
            )
        )
        name = f"{each.second} ({each.target})"
        rows.append((name, each.first, each.subset, f"{found.pictures:,}", *differences, f"{found.p_value:.3g}"))
    return rows


def _results(evaluations: Sequence[Evaluation]) -> Table:
    rows = []
    for each in evaluations:
        for subset in telling_subsets(each):
            scores = each.scores[subset]
            macro_f1 = with_interval(scores.macro_f1, scores.macro_f1_low, scores.macro_f1_high)
            calibration = (f"{scores.expected_calibration_error:.3f}", f"{scores.log_loss:.3f}")
            rows.append((each.model, each.target, subset, pictures(scores), accuracy(scores), macro_f1, *calibration))
    header = ("Model", "Target", "Subset", "Pictures", "Accuracy", "Macro-F1", "ECE", "Log loss")
    return Table(header, tuple(rows))


def _model(evaluation: Evaluation, faces: FaceDataset, settings: EvaluationSettings, seed: int) -> Section:
    """Recall of each class, confusion, reliability, and examples of one model."""
    title = f"{evaluation.model}: {evaluation.target}"
    slug = re.sub(r"[^A-Za-z0-9]+", "_", title).strip("_")
    names = evaluation.classes
    recalls = pd.DataFrame({subset: evaluation.scores[subset].recall for subset in telling_subsets(evaluation)}).T
    rows = tuple(
        (str(subset), *map(percent, line)) for subset, line in zip(recalls.index, recalls.to_numpy(), strict=True)
    )
    blocks: list[Table | Picture] = [Table(("Subset", *names), rows, caption="Recall of each class.")]
    for subset in telling_subsets(evaluation):
        file = f"{slug}_confusion_{re.sub(r'[^A-Za-z0-9]+', '_', subset)}.png"
        matrix = plots.confusion_matrix(evaluation.scores[subset].confusion, names, f"{title}, {subset}")
        blocks.append(Picture(file, matrix, half=True))
    split = list(evaluation.predictions)[-1]
    bins = reliability(evaluation.predictions[split].probabilities, evaluation.labels[split], settings.ece_bins)
    diagram = plots.reliability_diagram(bins, f"{title}, {split}")
    blocks.append(Picture(f"{slug}_reliability.png", diagram, half=True))
    for kind in ("right", "wrong"):
        grid = prediction_grid(evaluation, faces, split, right=kind == "right", most=settings.grid, seed=seed)
        caption = f"{kind.capitalize()} on {split}, drawn at random: predicted / labelled, probability."
        blocks.append(Picture(f"{slug}_{kind}.png", grid, caption))
    return Section(title, tuple(blocks))
