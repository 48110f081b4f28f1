"""A bar that moves while a table of many pictures is made."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.batch import Batch
from cli.shots import Look, count_shots
from ferkit.picture_list import Source

__all__ = ["PictureProgress"]


class PictureProgress:
    """Shows on a terminal how many pictures are done, how many a second, and how long it will take.

    Nothing where standard error is no terminal, or no table is made: then lines are printed anyway.

    Parameters
    ----------
    batch
        The table in the making, if there is one.
    sources, every
        What is looked at in all.
    """

    def __init__(self, batch: Batch | None, sources: Sequence[Source], every: int) -> None:
        self._bar: Progress | None = None
        console = Console(stderr=True, highlight=False)
        if batch is None or not console.is_terminal:
            return
        rate = TextColumn("{task.fields[rate]}")
        self._bar = Progress(BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn(), console=console)
        done = batch.stand.pictures + batch.stand.problems
        self._task = self._bar.add_task("", total=count_shots(sources, every), completed=done, rate="")
        self._start, self._done = 0.0, 0

    def add(self, group: Sequence[Look]) -> None:
        """Show that these are done."""
        if not self._bar:
            return
        self._bar.update(self._task, advance=len(group))
        if not self._start:
            # The first ones wait for the network to be loaded, which says nothing of the others.
            self._start = time.monotonic()
            return
        self._done += len(group)
        rate = self._done / max(1e-3, time.monotonic() - self._start)
        self._bar.update(self._task, rate=f"{rate:.1f} a second")

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
