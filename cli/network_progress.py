"""A line that moves while networks answer for minutes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn

__all__ = ["network_progress"]


@contextmanager
def network_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A function of a network's name, the pictures that it has answered, and how many it will.

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
