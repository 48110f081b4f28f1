"""The actor that sees a run through, also when whoever submitted it is gone."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import ray

from ferkit.orchestrators.ray.events import Event, EventLog
from ferkit.orchestrators.ray.worker import HaltedError, cause_of, run_step, take_environment

__all__ = ["PlannedStep", "Supervisor"]

# Whoever submitted the run asks twice a second, and is gone after so long a silence.
_SILENCE_S = 15.0


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


@ray.remote(num_cpus=0, max_concurrency=8)
class Supervisor(EventLog):
    """Owns the tasks of one run, since Ray keeps tasks no longer than their owner."""

    def __init__(
        self,
        run_id: UUID,
        snapshot_id: str,
        plan: Mapping[str, PlannedStep],
        loggers: Sequence[str],
        *,
        fail_fast: bool,
    ) -> None:
        super().__init__()
        take_environment(next(iter(plan.values())).environment)
        self._run_id, self._snapshot_id, self._plan, self._fail_fast = run_id, snapshot_id, plan, fail_fast
        self._loggers = loggers
        self._asked = time.monotonic()
        self._begun: dict[str, float] = {}
        # What became of each step that has no result.
        self._lost: dict[str, str] = {}
        self._stopped = False
        self._done = threading.Event()

    def run(self) -> list[str]:
        """Submit every step, wait for all of them, leave a final state behind, and return which steps failed."""
        me = ray.get_runtime_context().current_actor
        tasks: dict[str, Any] = {}
        for step, planned in self._plan.items():
            upstream = [tasks[each] for each in planned.upstream if each in tasks]
            task = run_step.options(name=step, **planned.options)
            arguments = ["--snapshot_id", self._snapshot_id, "--step_name", step]
            tasks[step] = task.remote(step, arguments, planned.environment, self._loggers, me, *upstream)
        waiting = {task: step for step, task in tasks.items()}
        while waiting:
            done, _ = ray.wait(list(waiting), timeout=0.5)
            for task in done:
                self._settle(waiting[task], tasks, waiting)
            if self._stopped or (self._fail_fast and self._that("failed")):
                for task in waiting:
                    ray.cancel(task, force=True)
        if self._lost:
            # It imports ZenML, which takes seconds; what went well has a final state.
            from ferkit.orchestrators.ray.final_states import finish

            finish(self._run_id, stopped=self._stopped or not self._that("failed"))
        self._done.set()
        threading.Thread(target=self._leave, args=(me,), daemon=True).start()
        return self.outcome()

    def outcome(self) -> list[str]:
        """Which steps failed, once all are done: for whoever comes when the one that submitted the run is gone."""
        self._done.wait()
        return self._that("failed") or self._that("halted")

    def steps(self) -> list[str]:
        """Names of the steps of the run."""
        return list(self._plan)

    def started(self, step: str, node: str) -> None:
        """Called by a step that begins, each time."""
        self._begun[step] = time.monotonic()
        super().started(step, node)

    def events(self, since: int) -> list[Event]:
        """The events of all steps so far, from the number `since` on."""
        self._asked = time.monotonic()
        return super().events(since)

    def stop(self) -> None:
        """Stop every step."""
        self._stopped = True

    def _settle(self, step: str, tasks: Mapping[str, Any], waiting: dict[Any, str]) -> None:
        """Take note of what became of `step`, and first of what it waited for: the error of that is the step's, too."""
        for upstream in self._plan[step].upstream:
            task = tasks.get(upstream)
            if task in waiting and ray.wait([task], timeout=0)[0]:
                self._settle(upstream, tasks, waiting)
        task = tasks[step]
        # Settled already, as one that another waited for.
        if waiting.pop(task, None):
            self._events.append(self._outcome(step, task))

    def _leave(self, me: Any) -> None:
        """End with the run, also if whoever submitted it is gone and fetches no result."""
        while time.monotonic() - self._asked < _SILENCE_S:
            time.sleep(1)
        ray.kill(me)

    def _outcome(self, step: str, task: Any) -> Event:
        try:
            ray.get(task)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what became of the step
            cause, broken = cause_of(error), self._fail_fast and self._that("failed")
            # Ray hands the error of a step on to all that wait for it.
            if self._stopped or broken or self._lost.keys() & set(self._plan[step].upstream):
                self._lost[step] = "skipped"
                return Event(logging.WARNING, f"Skipping step {step} due to a failed step.", ended=step)
            # What a failure halts may be done before the step that failed.
            if isinstance(cause, HaltedError):
                self._lost[step] = "halted"
                return Event(logging.WARNING, f"Step {step} was {cause}", ended=step)
            self._lost[step] = "failed"
            return Event(logging.ERROR, f"Step {step} failed.", cause, ended=step)
        took = time.monotonic() - self._begun[step]
        return Event(logging.INFO, f"Step `{step}` has finished in `{took:.1f}s`.", ended=step)

    def _that(self, what: str) -> list[str]:
        return [step for step, became in self._lost.items() if became == what]
