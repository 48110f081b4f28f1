"""The report of a run: the data before and after each step, every model's numbers, the figures."""

import html
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from ferkit.data.labels import Target
from ferkit.evaluation.evaluate import Evaluation
from ferkit.reporting import plots
from ferkit.reporting.content import ReportContent
from ferkit.reporting.document import Code, Document, Picture, Section, Table, Text, escape_markdown
from ferkit.reporting.sections import balancing_section, data_section, joint_trainings, model_section
from ferkit.reporting.tables import accuracy, percent, pictures, with_interval

__all__ = ["Report", "build_report"]

_TITLE = "ferkit run"


@dataclass(frozen=True, eq=False)
class Report:
    """The report of a run as Markdown and as HTML.

    Attributes
    ----------
    markdown
        Markdown; names its figures as ``figures/<name>``.
    html
        HTML in one file, figures included.
    figures
        PNG files by name.
    """

    markdown: str
    html: str
    figures: dict[str, bytes]

    @classmethod
    def of(cls, document: Document) -> "Report":
        """Both forms of a document."""
        return cls(document.to_markdown(), document.to_html(), document.pictures())

    def titled(self, run: str) -> "Report":
        """The same report with the name of a run in its title: runs that differ in their names alone share a report."""
        page = self.html
        for tag in ("title", "h1"):
            page = page.replace(f"<{tag}>{_TITLE}<", f"<{tag}>{_TITLE}: {html.escape(run)}<", 1)
        text = self.markdown.replace(f"# {_TITLE}\n", f"# {_TITLE}: {escape_markdown(run)}\n", 1)
        return replace(self, markdown=text, html=page)

    def write(self, folder: Path) -> Path:
        """Write ``report.md``, ``report.html`` and the figures into `folder`, which is made; the HTML file."""
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for name, content in self.figures.items():
            (folder / "figures" / name).write_bytes(content)
        (folder / "report.md").write_text(self.markdown)
        (folder / "report.html").write_text(self.html)
        return folder / "report.html"


def build_report(content: ReportContent) -> Report:
    """Make the report of a run from its content: results, data, balancing, models, configuration."""
    targets = list(dict.fromkeys(each.target for each in content.evaluations))
    models = (*joint_trainings(content), *(model_section(content, each) for each in content.evaluations))
    document = Document(
        title=_TITLE,
        lead=tuple(_headline(content, target) for target in targets),
        sections=(
            Section("Results", _how_to_read(content), tuple(_results(content, target) for target in targets)),
            data_section(content),
            Section(
                "Balancing", (), tuple(balancing_section(content, *each) for each in content.training_sets.items())
            ),
            Section("Models", (), models),
            _run(content),
        ),
    )
    return Report.of(document)


_HOW_TO_READ = (
    "Brackets hold the percentile bootstrap interval over the pictures. The marked model is the one that is best on "
    'the pictures of PublicTest that choose; PrivateTest is only read. "No duplicates" leaves out the pictures that '
    "also occur in another split. Macro-F1 is the mean over the classes that occur; ECE is the expected calibration "
    "error; it and the log loss are those of the probabilities before any temperature, which registration finds."
)

_HOW_TO_READ_JOINT = (
    "A joint network learned FER's labels and FER+'s together. The votes of FER+ are further annotation of the same "
    "pictures: its numbers, and those of what it votes in or teaches, owe something to labels that FER-2013 lacks."
)
_HOW_TO_READ_STUDENT = (
    "A student learned from what the ensemble says about Training; it has no vote, and is one network to run."
)


def _how_to_read(content: ReportContent) -> tuple[Text, ...]:
    texts = ((True, _HOW_TO_READ), (content.joint, _HOW_TO_READ_JOINT), (content.students, _HOW_TO_READ_STUDENT))
    return tuple(Text(text) for applies, text in texts if applies)


def _of(content: ReportContent, target: Target) -> list[Evaluation]:
    return [each for each in content.evaluations if each.target == target]


def _chosen(evaluations: list[Evaluation], subset: str) -> Evaluation:
    """The best on the pictures that choose; on PrivateTest where PublicTest was not judged."""
    return max(evaluations, key=lambda each: each.scores.get(subset, next(iter(each.scores.values()))).accuracy)


def _headline(content: ReportContent, target: Target) -> str:
    best = _chosen(_of(content, target), content.selection.subset)
    parts = [
        f"{accuracy(best.scores[subset])} on {subset} ({pictures(best.scores[subset])} pictures)"
        for subset in ("PublicTest", "PublicTest, no duplicates", "PrivateTest", "PrivateTest, no duplicates")
        if subset in best.scores
    ]
    best_text = f"{content.called(best.model)} is best on {content.selection.subset}."
    return f"{best.target}, labels {best.protocol}: {best_text} Accuracy {', '.join(parts)}."


def _results(content: ReportContent, target: Target) -> Section:
    evaluations = _of(content, target)
    chosen = _chosen(evaluations, content.selection.subset)
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
    names = evaluations[0].classes
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


def _run(content: ReportContent) -> Section:
    rows = (
        ("seed", str(content.seed)),
        ("data hash (sha256)", content.data_hash),
        ("git commit", content.commit or "not in a git checkout"),
        *sorted(content.versions.items()),
    )
    return Section(
        "Run",
        (Table(("What", "Value"), rows),),
        (Section("Configuration", (Code(content.config, "yaml"),), folded=True),),
    )
