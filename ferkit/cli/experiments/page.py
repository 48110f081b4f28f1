"""What `ferkit experiment` prints: a plan, an answer, the numbers on PrivateTest."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ferkit.cli.experiments.cell_runs import PlannedRun
from ferkit.cli.experiments.weights import missing_weights
from ferkit.experiments.cells import Experiment

if TYPE_CHECKING:
    import pandas as pd

    from ferkit.experiments.answer import Answer

__all__ = ["print_answer", "print_final", "print_plan", "print_table"]


def print_plan(loaded: Experiment, planned: list[PlannedRun], most: int) -> None:
    """Which runs there are, which of them are done, and which weights are not here; about `most` run at once."""
    page = Console(highlight=False)
    rows = []
    for cell in loaded.cells:
        runs = [each for each in planned if each.cell is cell]
        done = sum(each.result is not None for each in runs)
        rows.append((cell.name, str(len(runs[0].config.trained())), str(done), str(len(runs) - done)))
    folds = len(loaded.folds)
    # A cell is run with each seed, and in each fold.
    of = "seeds" if folds == 1 else "runs"
    print_table(page, ("cell", "trainings a run", f"{of} done", f"{of} to run"), rows)
    seeds = f"{len(loaded.settings.seeds)} seed{'s' if len(loaded.settings.seeds) > 1 else ''}"
    parts = f" ({len(loaded.cells)} cells x {seeds} x {folds} folds)" if folds > 1 else ""
    missing = [each for each in planned if each.result is None]
    known = [each.result.record.seconds for each in planned if each.result]
    minutes = len(missing) * sum(known) / len(known) / 60 / most if known else 0
    time = f", about {minutes:.0f} minutes by those that are done" if known else ""
    trainings = sum(len(each.config.trained()) for each in missing)
    how = f"about {most} at once" if most > 1 else "one after another"
    page.print(
        f"\n{loaded.settings.name}: {len(planned)} runs{parts}, {len(planned) - len(missing)} are done, {len(missing)} "
        f"to run {how}, with {trainings} trainings, of which equal ones are done once"
        f"{time}. Nothing was run.",
        soft_wrap=True,
    )
    for line in missing_weights(each.config for each in missing):
        page.print(f"weights  {line}", soft_wrap=True)


def print_answer(found: "Answer", folder: Path) -> None:
    """The table of an answer, its verdicts in words, and where its report lies."""
    from ferkit.experiments.published import claim_sentences, published_rows, substitute_sentence
    from ferkit.experiments.report import answer_rows

    measure = found.experiment.settings.measure
    header, rows = answer_rows(found)
    page = Console(highlight=False)
    page.print(
        f"{found.experiment.settings.name}: {measure.metric} of {measure.target}/{measure.model} on "
        f"{found.where} ({found.pictures:,} pictures)",
        soft_wrap=True,
    )
    if stands_in := substitute_sentence(found):
        page.print(stands_in, soft_wrap=True)
    print_table(page, header[:-1], [row[:-1] for row in rows])
    page.print()
    for row in rows:
        page.print(f"{row[0]}: {row[-1]}.", soft_wrap=True, markup=False)
    if found.experiment.settings.published:
        page.print()
        print_table(page, *published_rows(found))
    for sentence in claim_sentences(found):
        page.print(f"\n{sentence}", soft_wrap=True, markup=False)
    page.print(f"\nreport  {folder / 'report.html'}", soft_wrap=True)


def print_table(page: Console, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Texts in columns; the first one's begin at the left."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    page.print(table)


def print_final(scores: "pd.DataFrame", runs: list[PlannedRun], log: Path) -> None:
    """The numbers on PrivateTest; when they were read is written to `log`."""
    page = Console(highlight=False)
    page.print("\nPrivateTest")
    page.print(scores.to_string(index=False, float_format="{:.4f}".format), soft_wrap=True)
    new = [each for each in runs if each.result is None]
    if new:
        with log.open("a", encoding="utf-8") as opened:
            for each in new:
                opened.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC  {each.label}\n")
    page.print(f"\nread first  {log}", soft_wrap=True)
