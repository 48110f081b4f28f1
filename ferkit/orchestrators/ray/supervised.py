"""One run on the cluster, from the submission of its steps to its final state."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import ray

from ferkit.orchestrators.ray.events import Event, EventLog, Reporter
from ferkit.orchestrators.ray.worker import HaltedError, cause_of, run_step

__all__ = ["PlannedRun", "PlannedStep", "RunOutcome", "SupervisedRun"]

# So often is it seen whether the run is to be stopped.
_POLL_S = 0.5
# One at a time in a process: ZenML's client is one for all.
_FINISHING = asyncio.Lock()


@dataclass(frozen=True)
class PlannedStep:
    """A step as Ray has to know it.

    Attributes
    ----------
    options
        Of the Ray task: resources and retries.
    environment
        Variables of the step.
    upstream
        Names of the steps that come before.
    """

    options: dict[str, Any]
    environment: dict[str, str]
    upstream: tuple[str, ...]


@dataclass(frozen=True)
class PlannedRun:
    """A run as its supervisor has to know it.

    Attributes
    ----------
    run_id, snapshot_id
        Of the run, and of its pipeline, in ZenML.
    steps
        By their names, each behind those that come before it.
    loggers
        Names of the loggers whose lines the steps hand on.
    fail_fast
        Whether a step that fails stops all others.
    """

    run_id: UUID
    snapshot_id: str
    steps: Mapping[str, PlannedStep]
    loggers: Sequence[str]
    fail_fast: bool


@dataclass(frozen=True)
class RunOutcome:
    """What became of a run that is over.

    Attributes
    ----------
    failed
        Names of the steps that failed, or were halted if none did.
    events
        All that its steps told, for whoever asks when the supervisor is gone.
    """

    failed: list[str]
    events: list[Event]


class SupervisedRun(EventLog):
    """The tasks of the run `plan`, to be made by the actor that owns them."""

    def __init__(self, plan: PlannedRun) -> None:
        super().__init__()
        self._plan = plan
        self._begun: dict[str, float] = {}
        # What became of each step that has no result.
        self._lost: dict[str, str] = {}
        self._stopped = False
        self._done = asyncio.Event()

    @property
    def steps(self) -> list[str]:
        """Names of the steps."""
        return list(self._plan.steps)

    @property
    def over(self) -> bool:
        """Whether every step and the run are in a final state."""
        return self._done.is_set()

    async def run(self, supervisor: Any) -> None:
        """Submit every step, wait for all of them, and leave a final state behind.

        Parameters
        ----------
        supervisor
            Ray's handle of the actor that this is called in.
        """
        try:
            await self._see_through(self._submit(supervisor))
            if self._lost:
                # It imports ZenML, which takes seconds; what went well has a final state.
                from ferkit.orchestrators.ray.final_states import finish

                stopped = self._stopped or not self._that("failed")
                async with _FINISHING:
                    await asyncio.to_thread(finish, self._plan.run_id, stopped=stopped)
        finally:
            self._done.set()

    async def outcome(self) -> RunOutcome:
        """What became of the run, once it is over."""
        await self._done.wait()
        return RunOutcome(self._that("failed") or self._that("halted"), self._events)

    def started(self, step: str, node: str) -> None:
        """Called by a step that begins, each time."""
        self._begun[step] = time.monotonic()
        super().started(step, node)

    def stop(self) -> None:
        """Stop every step."""
        self._stopped = True

    def _submit(self, supervisor: Any) -> dict[str, Any]:
        """Ray's promise of each step."""
        tasks: dict[str, Any] = {}
        reporter = Reporter(supervisor, self._plan.run_id)
        for step, planned in self._plan.steps.items():
            upstream = [tasks[each] for each in planned.upstream if each in tasks]
            task = run_step.options(name=step, **planned.options)
            arguments = ["--snapshot_id", self._plan.snapshot_id, "--step_name", step]
            tasks[step] = task.remote(step, arguments, planned.environment, self._plan.loggers, reporter, *upstream)
        return tasks

    async def _see_through(self, tasks: Mapping[str, Any]) -> None:
        """Take note of what becomes of each of `tasks`, and cancel those that are left if the run is to stop."""
        ends = {step: asyncio.wrap_future(task.future()) for step, task in tasks.items()}
        waiting = set(ends)
        while waiting:
            await asyncio.wait([ends[step] for step in waiting], timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
            for step in [each for each in self._plan.steps if each in waiting and ends[each].done()]:
                self._settle(step, ends, waiting)
            if self._stopped or (self._plan.fail_fast and self._that("failed")):
                for step in waiting:
                    ray.cancel(tasks[step], force=True)

    def _settle(self, step: str, ends: Mapping[str, "asyncio.Future[None]"], waiting: set[str]) -> None:
        """Take note of what became of `step`, and first of what it waited for: the error of that is the step's, too."""
        for upstream in self._plan.steps[step].upstream:
            if upstream in waiting and ends[upstream].done():
                self._settle(upstream, ends, waiting)
        # It may be settled already, as one that another waited for.
        if step in waiting:
            waiting.remove(step)
            self._events.append(self._ended(step, ends[step].exception()))

    def _ended(self, step: str, error: BaseException | None) -> Event:
        if error is None:
            took = time.monotonic() - self._begun.get(step, time.monotonic())
            return Event(logging.INFO, f"Step `{step}` has finished in `{took:.1f}s`.", ended=step)
        cause, broken = cause_of(error), self._plan.fail_fast and self._that("failed")
        # Ray hands the error of a step on to all that wait for it.
        if self._stopped or broken or self._lost.keys() & set(self._plan.steps[step].upstream):
            self._lost[step] = "skipped"
            return Event(logging.WARNING, f"Skipping step {step} due to a failed step.", ended=step)
        # What a failure halts may be done before the step that failed.
        if isinstance(cause, HaltedError):
            self._lost[step] = "halted"
            return Event(logging.WARNING, f"Step {step} was {cause}", ended=step)
        self._lost[step] = "failed"
        return Event(logging.ERROR, f"Step {step} failed.", cause, ended=step)

    def _that(self, what: str) -> list[str]:
        return [step for step, became in self._lost.items() if became == what]
