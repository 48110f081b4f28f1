"""Runs that were handed to the cluster, as whoever submitted them sees them."""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

import ray
from ray.exceptions import ActorUnavailableError, RayActorError
from zenml.logger import get_logger

from ferkit.errors import FerkitError
from ferkit.orchestrators.ray.cluster import connect
from ferkit.orchestrators.ray.events import Event
from ferkit.orchestrators.ray.final_states import finish
from ferkit.orchestrators.ray.supervised import RunOutcome
from ferkit.orchestrators.ray.supervisor import holder_of

__all__ = ["HeadLostError", "SubmittedRun", "found_again", "hand_over", "log_event", "not_waited_for", "stop"]

_LOG = get_logger(__name__)
_POLL_S, _STOPPING_S = 0.5, 60.0
# A head that has too much to do lets calls fail; one that is lost does so for good.
_UNAVAILABLE_S = 60.0


def log_event(event: Event) -> None:
    """Log here what a step told there."""
    log = logging.getLogger(event.logger) if event.logger else _LOG
    log.log(event.level, "%s", event.line, exc_info=event.error)


class HeadLostError(FerkitError, RuntimeError):
    """The process on the head that sees a run through is gone."""


class SubmittedRun:
    """A run whose supervisor was asked to see it through.

    Parameters
    ----------
    supervisor, work
        Ray's handle of the actor, and its promise of which steps failed.
    run_id
        Of the run in ZenML.
    steps
        Names of the steps that were submitted; what came from the cache is not among them.

    Attributes
    ----------
    pending
        Names of the steps of which no end is known yet.
    """

    def __init__(self, supervisor: Any, work: Any, run_id: UUID, steps: Iterable[str]) -> None:
        self._supervisor, self._work, self._run_id = supervisor, work, run_id
        self._shown = 0
        self._answered = time.monotonic()
        self.pending = set(steps)

    def follow(self, seconds: float = 0.0) -> bool:
        """Log what became of the steps since the last call, after at most `seconds`; whether all are done.

        Raises
        ------
        HeadLostError
            If the head of the cluster was lost, or did not answer for a minute.
        """
        try:
            done = bool(ray.wait([self._work], timeout=seconds)[0])
            events = ray.get(self._supervisor.events.remote(self._run_id, self._shown))
        except RayActorError as error:
            # A supervisor whose run is over leaves when nobody has asked it for a while; this process may be busy.
            if outcome := self._known_outcome():
                self._log(outcome.events[self._shown :])
                return True
            if isinstance(error, ActorUnavailableError) and time.monotonic() - self._answered < _UNAVAILABLE_S:
                return False
            finish(self._run_id)
            raise HeadLostError("the head of the Ray cluster was lost, and the run with it.") from None
        self._answered = time.monotonic()
        self._log(events)
        return done

    def _known_outcome(self) -> RunOutcome | None:
        """What the supervisor has said became of the run, be it gone since."""
        try:
            over = bool(ray.wait([self._work], timeout=0)[0])
            return ray.get(self._work) if over else None
        except RayActorError:
            return None

    def _log(self, events: Sequence[Event]) -> None:
        """Log what is new, and take note of the steps that are over."""
        self._shown += len(events)
        for event in events:
            self.pending.discard(event.ended)
            log_event(event)

    def result(self) -> None:
        """See whether a run that is done went well.

        Raises
        ------
        RuntimeError
            If steps of it failed.
        """
        if failed := ray.get(self._work).failed:
            raise RuntimeError(f"Pipeline run has failed due to failure in step(s): {', '.join(failed)}")

    def wait(self) -> None:
        """Log what becomes of the steps until all are done; an interruption stops them.

        Raises
        ------
        HeadLostError
            If the head of the cluster was lost.
        RuntimeError
            If steps failed.
        """
        try:
            while not self.follow(_POLL_S):
                pass
        except KeyboardInterrupt:
            stop([self])
            raise
        self.result()

    def halt(self) -> None:
        """Ask that every step be stopped."""
        ray.get(self._supervisor.stop.remote(self._run_id))

    def leave(self, seconds: float) -> None:
        """Wait until the run is done; one that is not after so many seconds ends with its supervisor."""
        if not ray.wait([self._work], timeout=max(seconds, 0.0))[0]:
            ray.kill(self._supervisor)


def stop(runs: Iterable[SubmittedRun]) -> None:
    """Stop every step of all `runs`, and wait for a minute in all until they are in a final state."""
    told = []
    for run in runs:
        # One whose head is lost has no steps left.
        try:
            run.halt()
        except RayActorError:
            continue
        told.append(run)
    end = time.monotonic() + _STOPPING_S
    for run in told:
        run.leave(end - time.monotonic())


def found_again(run_id: UUID, config: Any) -> SubmittedRun | None:
    """The run `run_id`, if its supervisor still sees it through although whoever submitted it is gone.

    Parameters
    ----------
    config : ferkit.orchestrators.ray.flavor.RayClusterConfig
    """
    connect(config)
    try:
        found = holder_of(run_id)
    except RayActorError:
        return None
    if found is None:
        return None
    supervisor, steps = found
    return SubmittedRun(supervisor, supervisor.outcome.remote(run_id), run_id, steps)


_COLLECTED: ContextVar[list[SubmittedRun] | None] = ContextVar("collected", default=None)


@contextmanager
def not_waited_for() -> Iterator[list[SubmittedRun]]:
    """What the block submits to Ray is put into a list, and goes on behind the block; a block that fails stops it."""
    submitted: list[SubmittedRun] = []
    token = _COLLECTED.set(submitted)
    try:
        yield submitted
    except BaseException:
        stop(submitted)
        raise
    finally:
        _COLLECTED.reset(token)


def hand_over(run: SubmittedRun) -> bool:
    """Give `run` to the block of `not_waited_for` that it was submitted in; whether there is one."""
    collected = _COLLECTED.get()
    if collected is None:
        return False
    collected.append(run)
    return True
