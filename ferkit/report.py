"""The report of a run: the data before and after each step, every model's numbers, the figures."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ferkit import plots
from ferkit.calibration import reliability
from ferkit.contact_sheet import contact_sheet, to_png
from ferkit.dataset import FaceDataset
from ferkit.document import Code, Document, Picture, Section, Table, Text
from ferkit.ensemble import Ensemble
from ferkit.evaluation import Evaluation
from ferkit.grids import made_faces, prediction_grid
from ferkit.labels import FER_EMOTIONS, SPLITS, Target, class_names
from ferkit.report_tables import accuracy, first_rows, frame, percent, pictures, with_interval
from ferkit.scores import EvaluationSettings
from ferkit.training_set import TrainingSet

__all__ = ["Report", "ReportContent", "build_report"]

_MOST_DROPPED = 64
_MOST_MADE = 32


@dataclass(frozen=True, eq=False)
class ReportContent:
    """What a report tells.

    Attributes
    ----------
    name
        Of the run.
    config
        Its configuration as YAML.
    seed
        Of everything random.
    data_hash
        `FaceDataset.content_hash` of the data as it was read.
    commit
        Git commit of the code, if there is one.
    versions
        By name of the library.
    stages
        The data after each step, in order, by what the step did; the first one is the data as it was read.
    expectations
        One line an expectation of the validation; a column ``passed`` says how it went.
    quarantined
        One line a row that validation took out.
    manifest
        One line a picture that cleaning found: ``row``, ``split``, ``score``, ``reason``, ``dropped``.
    training_sets
        After balancing.
    histories
        Of each training, by target and name of the model; the targets of a joint one as ``fer+ferplus``.
    ensembles
        The weights that PublicTest chose.
    evaluations
        Of every model and ensemble, in the order of the tables.
    settings
        What the models were judged with.
    students
        Names of the models that learned from an ensemble.
    """

    name: str
    config: str
    seed: int
    data_hash: str
    commit: str | None
    versions: Mapping[str, str]
    stages: Mapping[str, FaceDataset]
    expectations: pd.DataFrame
    quarantined: pd.DataFrame
    manifest: pd.DataFrame
    training_sets: Mapping[Target, TrainingSet]
    histories: Mapping[tuple[str, str], pd.DataFrame]
    ensembles: Mapping[Target, Ensemble]
    evaluations: Sequence[Evaluation]
    settings: EvaluationSettings
    students: frozenset[str] = frozenset()

    @property
    def joint(self) -> frozenset[str]:
        """Names of the models that learned several targets together."""
        return frozenset(model for targets, model in self.histories if "+" in targets)

    def called(self, model: str) -> str:
        """The name of a model with what sets it apart from a member that learned one target."""
        kind = " ".join(word for word, names in (("joint", self.joint), ("student", self.students)) if model in names)
        return f"{model} ({kind})" if kind else model


@dataclass(frozen=True, eq=False)
class Report:
    """A report in both forms.

    Attributes
    ----------
    markdown
        Names its figures as ``figures/<name>``.
    html
        One file that needs nothing else.
    figures
        PNG files by name.
    """

    markdown: str
    html: str
    figures: dict[str, bytes]


def build_report(content: ReportContent) -> Report:
    """Write the report of a run."""
    targets = list(dict.fromkeys(each.target for each in content.evaluations))
    models = (*_joint_trainings(content), *(_model(content, each) for each in content.evaluations))
    document = Document(
        title=f"ferkit run: {content.name}",
        lead=tuple(_headline(content, target) for target in targets),
        sections=(
            Section("Results", _how_to_read(content), tuple(_results(content, target) for target in targets)),
            _data(content),
            Section("Balancing", (), tuple(_balancing(content, *each) for each in content.training_sets.items())),
            Section("Models", (), models),
            _run(content),
        ),
    )
    return Report(document.to_markdown(), document.to_html(), document.pictures())


_HOW_TO_READ = (
    "Brackets hold the percentile bootstrap interval over the pictures. The marked model is the one that is best on "
    'PublicTest, where models are chosen; PrivateTest is only read. "No duplicates" leaves out the pictures that also '
    "occur in another split. Macro-F1 is the mean over the classes that occur; ECE is the expected calibration error."
)

_HOW_TO_READ_JOINT = (
    "A joint network learned FER's labels and FER+'s together. The votes of FER+ are further annotation of the same "
    "pictures: its numbers, and those of what it votes in or teaches, owe something to labels that FER-2013 lacks."
)
_HOW_TO_READ_STUDENT = (
    "A student learned from what the ensemble says about Training; it has no vote, and is one network to run."
)


def _how_to_read(content: ReportContent) -> tuple[Text, ...]:
    told = ((True, _HOW_TO_READ), (content.joint, _HOW_TO_READ_JOINT), (content.students, _HOW_TO_READ_STUDENT))
    return tuple(Text(text) for applies, text in told if applies)


def _of(content: ReportContent, target: Target) -> list[Evaluation]:
    return [each for each in content.evaluations if each.target == target]


def _chosen(evaluations: list[Evaluation]) -> Evaluation:
    """The best on PublicTest; on PrivateTest where PublicTest was not judged."""
    return max(evaluations, key=lambda each: next(iter(each.scores.values())).accuracy)


def _headline(content: ReportContent, target: Target) -> str:
    best = _chosen(_of(content, target))
    parts = [
        f"{accuracy(best.scores[subset])} on {subset} ({pictures(best.scores[subset])} pictures)"
        for subset in ("PublicTest", "PrivateTest", "PrivateTest, no duplicates")
        if subset in best.scores
    ]
    name = content.called(best.model)
    return f"{best.target}, labels {best.protocol}: {name} is best on PublicTest. Accuracy {', '.join(parts)}."


def _results(content: ReportContent, target: Target) -> Section:
    evaluations = _of(content, target)
    chosen = _chosen(evaluations)
    rows: list[tuple[str, ...]] = []
    strong = set()
    for subset in dict.fromkeys(name for each in evaluations for name in each.scores):
        for each in evaluations:
            scores = each.scores.get(subset)
            if scores is None:
                continue
            if each is chosen:
                strong.add(len(rows))
            macro_f1 = with_interval(scores.macro_f1, scores.macro_f1_low, scores.macro_f1_high)
            calibration = (f"{scores.expected_calibration_error:.3f}", f"{scores.log_loss:.3f}")
            name = content.called(each.model)
            rows.append((subset, pictures(scores), name, accuracy(scores), macro_f1, *calibration))
    header = ("Subset", "Pictures", "Model", "Accuracy", "Macro-F1", "ECE", "Log loss")
    names = class_names(target)
    recalls = tuple(
        (subset, content.called(each.model), *map(percent, scores.recall))
        for subset in ("PublicTest", "PrivateTest")
        for each in evaluations
        if (scores := each.scores.get(subset))
    )
    table = pd.concat([each.to_table() for each in evaluations])
    compared = table[table["subset"].str.startswith("PrivateTest")]
    figure = Picture(
        f"{target}_accuracies.png",
        plots.accuracies(compared if len(compared) else table, f"{target}: accuracy and its interval"),
    )
    return Section(
        f"{target}, labels {evaluations[0].protocol}",
        (
            Table(header, tuple(rows), frozenset(strong)),
            figure,
            Table(("Subset", "Model", *names), recalls, caption="Recall of each class."),
        ),
    )


def _data(content: ReportContent) -> Section:
    first = next(iter(content.stages.values()))
    rows = tuple(
        (
            stage,
            f"{len(faces):,}",
            *(f"{int(faces.in_split(split).sum()):,}" for split in SPLITS),
            *(f"{count:,}" for count in np.bincount(faces.label, minlength=len(FER_EMOTIONS))),
        )
        for stage, faces in content.stages.items()
    )
    stages = Table(("Stage", "Pictures", *SPLITS, *FER_EMOTIONS), rows, caption="Pictures after each step.")
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
        images = faces.images[[place[int(row)] for row in shown["row"]]]
        captions = [f"{row} {score:.2f}" for row, score in zip(shown["row"], shown["score"], strict=True)]
        caption = f"{len(shown):,} of the {len(dropped):,} dropped pictures, lowest score first: row and score."
        blocks.append(Picture("dropped.png", to_png(contact_sheet(images, captions)), caption))
    return Section(title, tuple(blocks), folded=True)


def _balancing(content: ReportContent, target: Target, training_set: TrainingSet) -> Section:
    names = class_names(target)
    before, after = training_set.counts_before, training_set.counts_after
    rows = [
        ("before", f"{before.sum():,}", *(f"{n:,}" for n in before)),
        ("after", f"{after.sum():,}", *(f"{n:,}" for n in after)),
    ]
    if training_set.class_weight is not None:
        rows.append(("weight in the loss", "", *(f"{weight:.2f}" for weight in training_set.class_weight)))
    blocks: list[Table | Picture] = [
        Table(("", "Examples in an epoch", *names), tuple(rows)),
        Picture(f"{target}_class_counts.png", plots.class_counts(before, after, names, f"{target}: training examples")),
    ]
    if training_set.made.any():
        sheet = made_faces(training_set, names, most=_MOST_MADE, seed=content.seed)
        blocks.append(
            Picture(f"{target}_made_faces.png", sheet, f"Some of the {int(training_set.made.sum()):,} pictures made.")
        )
    return Section(target, tuple(blocks))


def _joint_trainings(content: ReportContent) -> list[Section]:
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


def _model(content: ReportContent, evaluation: Evaluation) -> Section:
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


def _run(content: ReportContent) -> Section:
    facts = (
        ("seed", str(content.seed)),
        ("data hash (sha256)", content.data_hash),
        ("git commit", content.commit or "not in a git checkout"),
        *sorted(content.versions.items()),
    )
    return Section(
        "Run",
        (Table(("What", "Value"), facts),),
        (Section("Configuration", (Code(content.config, "yaml"),), folded=True),),
    )
