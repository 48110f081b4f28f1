"""The report of a search: its best trial, all of them, and what each setting did."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from ferkit.config.yaml_text import write_yaml
from ferkit.experiments.search.candidates import CandidateRecord, Candidates
from ferkit.experiments.search.configs import Search
from ferkit.experiments.search.settings import RangeSettings
from ferkit.reporting.document import Code, Document, Picture, Section, Table
from ferkit.reporting.figure_style import BLUE, GREY, ORANGE, empty_figure, png
from ferkit.reporting.report import Report

__all__ = ["SearchReport", "best_sentence", "build_search_report", "candidate_rows"]

_HOW_TO_READ = (
    "The best of many trials is better on PublicTest than it would be on other pictures: it was chosen there. How much "
    "better than the base it is, an experiment with both and several seeds says. PrivateTest was not read for any of "
    "this."
)


class SearchReport:
    """A report in both forms, with its trials as CSV.

    Parameters
    ----------
    document
        What it says.
    table
        A line a trial.
    """

    def __init__(self, document: Document, table: pd.DataFrame) -> None:
        self.document, self.table = document, table

    def write(self, folder: Path) -> Path:
        """Write report.md, report.html, trials.csv and the figures; the folder."""
        Report.of(self.document).write(folder)
        self.table.to_csv(folder / "trials.csv", index=False)
        return folder


def build_search_report(search: Search, candidates: Candidates) -> SearchReport:
    """Write the report of a search from its trials so far."""
    settings, records = search.settings, candidates.records()
    measure = settings.measure
    what = f"{measure.metric} of {measure.target}/{measure.model} on {measure.subset}"
    header, rows = candidate_rows(search, candidates)
    pictures = []
    if any(each.score is not None for each in records):
        pictures = [
            Picture("trials.png", _candidates_figure(records, what, maximize=candidates.maximize)),
            *(
                Picture(f"setting-{number}.png", _setting_figure(records, key, each), half=True)
                for number, (key, each) in enumerate(settings.search.ranges.items())
            ),
        ]
    document = Document(
        title=f"ferkit experiment: {settings.name}",
        lead=(best_sentence(search, candidates), _HOW_TO_READ),
        sections=(
            Section(what, (Table(header, tuple(rows), frozenset({0})), *pictures)),
            Section(
                "Search", (Code(write_yaml(settings.model_dump(mode="json", by_alias=True)), "yaml"),), folded=True
            ),
        ),
    )
    table = pd.DataFrame(
        [
            {
                "trial": each.number, **each.values, "state": each.state, "score": each.score,
                "epochs": len(each.epochs), "note": each.note,
            }
            for each in records
        ]
    )  # fmt: skip
    return SearchReport(document, table)


def best_sentence(search: Search, candidates: Candidates) -> str:
    """Which trial is the best and how good it is, in a sentence."""
    best, measure = candidates.best, search.settings.measure
    if best is None or best.score is None:
        return "No trial is complete."
    values = ", ".join(f"{key} {_shown(value)}" for key, value in best.values.items())
    return f"The best of {candidates.ended} trials is {best.number}: {measure.metric} {best.score:.4f} with {values}."


def candidate_rows(search: Search, candidates: Candidates) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and a row a trial, as text: complete ones first, from the best to the worst."""
    sign = -1 if candidates.maximize else 1
    records = sorted(
        candidates.records(), key=lambda each: (each.score is None, sign * (each.score or 0.0), each.number)
    )
    keys = tuple(search.settings.search.ranges)
    rows = [
        (
            str(each.number),
            *(_shown(each.values.get(key, "")) for key in keys),
            "" if each.score is None else f"{each.score:.4f}",
            f"{each.state}: {each.note}" if each.note else each.state,
        )
        for each in records
    ]
    return ("trial", *keys, search.settings.measure.metric, "state"), rows


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _candidates_figure(records: Sequence[CandidateRecord], what: str, *, maximize: bool) -> bytes:
    """Score of each complete trial, the best so far, and where trials were stopped."""
    figure, axes = empty_figure(7.2, 3.2, what)
    complete = [each for each in records if each.score is not None]
    numbers = [each.number for each in complete]
    scores = np.array([cast(float, each.score) for each in complete])
    axes.plot(numbers, scores, "o", color=BLUE, markersize=5, label="complete")
    best = np.maximum.accumulate(scores) if maximize else np.minimum.accumulate(scores)
    axes.step(numbers, best, where="post", color=ORANGE, linewidth=1.4, label="best so far")
    if stopped := [each.number for each in records if each.state in ("pruned", "failed")]:
        axes.plot(stopped, np.full(len(stopped), scores.min()), "x", color=GREY, markersize=5, label="stopped early")
    axes.set_xlabel("trial")
    axes.legend(frameon=False, fontsize=7)
    return png(figure)


def _setting_figure(records: Sequence[CandidateRecord], key: str, each: object) -> bytes:
    """Score of each complete trial beside its value of one setting."""
    figure, axes = empty_figure(5.2, 3.0, key)
    complete = [record for record in records if record.score is not None]
    values = [record.values[key] for record in complete]
    is_range = isinstance(each, RangeSettings)
    axes.plot(values if is_range else list(map(str, values)), [record.score for record in complete], "o", color=BLUE)  # type: ignore[arg-type]
    if isinstance(each, RangeSettings) and each.log:
        axes.set_xscale("log")
    axes.margins(0.1)
    return png(figure)
