"""The report of an experiment: the answer as a table and in words, and what it was made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferkit.config.yaml_text import write_yaml
from ferkit.experiments import figures
from ferkit.experiments.answer import Answer
from ferkit.experiments.comparison import CellComparison
from ferkit.experiments.published import claim_sentences, published_rows, substitute_sentence
from ferkit.experiments.results import RunResult
from ferkit.reporting.document import Code, Document, Picture, Section, Table, Text
from ferkit.reporting.report import Report

__all__ = ["ExperimentReport", "answer_rows", "build_experiment_report"]

_OF_SEEDS = "Mean and spread (standard deviation) are those of the seeds."
_IN_FOLDS = (
    "Every picture is judged once, by the trainings that its fold was kept from. The mean is that over the seeds, "
    "of all pictures together, the spread the standard deviation between the trainings, each on its own fold. Better "
    "in: the folds and seeds in which a cell is better than the baseline is in the same ones."
)
_INTERVALS = (
    "The interval of a difference to the baseline is a bootstrap over pictures, drawn for all cells together, and "
    "seeds, drawn for each cell. P values are adjusted for the number of comparisons (Holm)."
)
_UNREAD = "PrivateTest was not read for any of this."


@dataclass(frozen=True, eq=False)
class ExperimentReport:
    """A report in both forms.

    Attributes
    ----------
    document
        What it says.
    table
        The answer as CSV text.
    """

    document: Document
    table: str

    def write(self, folder: Path) -> Path:
        """Write report.md, report.html, answer.csv and the figures; the folder."""
        Report.of(self.document).write(folder)
        (folder / "answer.csv").write_text(self.table)
        return folder


def build_experiment_report(
    found: Answer, results: Mapping[tuple[str, int, int | None], RunResult]
) -> ExperimentReport:
    """Write the report of an experiment.

    Parameters
    ----------
    found
        Its answer.
    results
        By cell, seed and fold, what the answer was made from.
    """
    settings = found.experiment.settings
    measure = settings.measure
    what = f"{measure.metric} of {measure.target}/{measure.model} on {found.where}"
    header, rows = answer_rows(found)
    baseline = [each.name for each in found.experiment.cells].index(found.experiment.baseline)
    stands_in = substitute_sentence(found)
    lead = tuple(
        f"{name}: {found.verdict(name)}." for name in found.comparisons if name != found.experiment.baseline
    ) or (f"{row[0]}: {row[1]} over {row[2]} seeds." for row in rows)
    runs = tuple(
        (
            cell,
            str(seed),
            *(() if fold is None else (str(fold),)),
            each.record.run,
            f"{each.record.training_seconds:.0f}",
            each.record.commit or "",
        )
        for (cell, seed, fold), each in results.items()
    )
    commits = {each.record.commit for each in results.values()}
    warning = (
        (Text(f"The runs were made by {len(commits)} versions of the code, see below: their differences count, too."),)
        if len(commits) > 1
        else ()
    )
    document = Document(
        title=f"ferkit experiment: {settings.name}",
        lead=(*([stands_in] if stands_in else ()), *lead),
        sections=(
            *_published(found),
            Section(
                f"{what}, {found.pictures:,} pictures",
                (
                    Text(f"{_IN_FOLDS} {_INTERVALS}" if found.folds else f"{_OF_SEEDS} {_INTERVALS} {_UNREAD}"),
                    *warning,
                    Table(header, tuple(rows), frozenset({baseline})),
                    Picture("cells.png", figures.cells_figure(found, what)),
                    Picture("cost.png", figures.cost_figure(found, what), half=True),
                    *(
                        Picture(f"curves-{name}.png", png, half=True)
                        for name, png in figures.curve_figures(found, results).items()
                    ),
                ),
            ),
            Section(
                "Runs",
                (Table(("Cell", "Seed", *(("Fold",) if found.folds else ()), "Run", "Training, s", "Commit"), runs),),
                folded=True,
            ),
            Section(
                "Experiment", (Code(write_yaml(settings.model_dump(mode="json", by_alias=True)), "yaml"),), folded=True
            ),
        ),
    )
    return ExperimentReport(document, found.to_table().to_csv(index=False))


def _published(found: Answer) -> tuple[Section, ...]:
    """What was published, beside ours; nothing for an experiment that repeats none."""
    claims = claim_sentences(found)
    header, rows = published_rows(found)
    blocks = (*((Table(header, tuple(rows)),) if rows else ()), *map(Text, claims))
    return (Section("Beside the study" if rows else "Claims", blocks),) if rows or claims else ()


def answer_rows(found: Answer) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and a row a cell, as text; the last column is the verdict."""
    share = found.experiment.settings.measure.metric != "log_loss"

    def number(value: float, *, signed: bool = False) -> str:
        if np.isnan(value):
            return ""
        sign = "+" if signed else ""
        return f"{100 * value:{sign}.2f}" if share else f"{value:{sign}.4f}"

    rows: list[tuple[str, ...]] = [
        (
            name,
            number(each.mean),
            f"{len(each.values)} x {found.folds}" if found.folds else str(len(each.values)),
            number(each.spread),
            number(each.difference, signed=True),
            "" if np.isnan(each.low) else f"{number(each.low, signed=True)}..{number(each.high, signed=True)}",
            "" if np.isnan(each.adjusted_p_value) else f"{each.adjusted_p_value:.3f}",
            *((_share(each),) if found.folds else ()),
            f"{found.training_seconds[name]:.0f}",
            found.verdict(name),
        )
        for name, each in found.comparisons.items()
    ]
    unit = ", %" if share else ""
    seeds, better = ("runs", ("better in",)) if found.folds else ("seeds", ())
    return ("cell", f"mean{unit}", seeds, "spread", "difference", "interval", "p (Holm)", *better, "s", "verdict"), rows


def _share(found: CellComparison) -> str:
    """In how many of its trainings a cell is better than the baseline."""
    return "" if found.units_better is None else f"{found.units_better} of {len(found.units)}"
