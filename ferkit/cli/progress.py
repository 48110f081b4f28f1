"""A line that moves while networks answer for minutes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ferkit.inference.inputs import Source
from ferkit.inference.resumable_table import ResumableTable
from ferkit.inference.stream import PictureResult, count_pictures

__all__ = ["PictureProgress", "network_progress"]


@contextmanager
def network_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows progress: of a network's name, the pictures that it predicted, and their number.

    On a terminal it moves a bar for each network; elsewhere, such as in a log, it prints a line when one is done.
    """
    console = Console(stderr=True, highlight=False)
    tasks: dict[str, TaskID] = {}
    bar = Progress(
        *Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn(), console=console,
        disable=not console.is_terminal,
    )  # fmt: skip

    def show(network: str, done: int, total: int) -> None:
        if not console.is_terminal:
            if done == total:
                console.print(f"{network}: {total:,} pictures")
            return
        if network not in tasks:
            tasks[network] = bar.add_task(network, total=total)
        bar.update(tasks[network], completed=done, total=total)

    with bar:
        yield show


class PictureProgress:
    """Shows on a terminal how many pictures are done, how many a second, and how long it will take.

    Nothing where standard error is no terminal, or no table is made: then lines are printed anyway.

    Parameters
    ----------
    batch
        The table in the making, if there is one.
    sources, every
        All pictures and videos, and which frames of videos are read.
    """

    def __init__(self, batch: ResumableTable | None, sources: Sequence[Source], every: int) -> None:
        self._bar: Progress | None = None
        console = Console(stderr=True, highlight=False)
        if batch is None or not console.is_terminal:
            return
        rate = TextColumn("{task.fields[rate]}")
        self._bar = Progress(BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn(), console=console)
        done = batch.progress.pictures + batch.progress.problems
        self._task = self._bar.add_task("", total=count_pictures(sources, every), completed=done, rate="")
        self._start, self._done = 0.0, 0

    def add(self, group: Sequence[PictureResult]) -> None:
        """Move the bar by the pictures of `group`."""
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
