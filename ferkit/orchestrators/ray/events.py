"""What steps on the cluster tell, kept until whoever submitted them asks for it; without ZenML, which takes seconds."""

import logging
from dataclasses import dataclass
from typing import Any

import ray

__all__ = ["Event", "EventLog", "Reporter", "StepEvents"]


@dataclass(frozen=True)
class Event:
    """What became of a step, in the words of ZenML's local orchestrator, or what it logged.

    Attributes
    ----------
    level
        Of `logging`.
    line
        The line.
    error
        Why the step failed.
    logger
        Name of the step's logger; none if the line is about the step.
    ended
        Name of the step if it is over, whatever became of it.
    """

    level: int
    line: str
    error: BaseException | None = None
    logger: str | None = None
    ended: str = ""


class EventLog:
    """The events of the steps of a run, or of a single step, in the order in which they were told."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def started(self, step: str, node: str) -> None:
        """Called by a step that begins, each time."""
        self._events.append(Event(logging.INFO, f"Step `{step}` has started on {node}."))

    def report(self, level: int, logger: str, line: str) -> None:
        """Called by a step with a line that it logs."""
        self._events.append(Event(level, line, logger=logger))

    def events(self, since: int) -> list[Event]:
        """The events of all steps so far, from the number `since` on."""
        return self._events[since:]


@ray.remote(num_cpus=0)
class StepEvents(EventLog):
    """The actor of a single step that whoever submitted it sees through."""


class Reporter:
    """Through which a step, wherever it runs, tells of itself.

    Parameters
    ----------
    actor
        Ray's handle of who is told.
    about
        What that one is told first each time, such as which run the step belongs to.
    """

    def __init__(self, actor: Any, *about: Any) -> None:
        self._actor, self._about = actor, about

    def started(self, step: str, node: str) -> None:
        """Tell that `step` begins on `node`."""
        self._actor.started.remote(*self._about, step, node)

    def report(self, level: int, logger: str, line: str) -> None:
        """Tell a line that the step logs, of a level of `logging`."""
        self._actor.report.remote(*self._about, level, logger, line)
