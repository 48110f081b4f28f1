"""The actor that sees the runs of a process through, also when that one is gone; how it is made, and found again."""

import asyncio
import atexit
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError

from ferkit.orchestrators.ray.events import Event
from ferkit.orchestrators.ray.supervised import PlannedRun, RunOutcome, SupervisedRun
from ferkit.orchestrators.ray.worker import take_environment

__all__ = ["Supervisor", "holder_of", "own_supervisor"]

_NAMESPACE = "ferkit"
# Whoever submitted a run asks twice a second, and is gone after so long a silence; also who said that he would go.
_SILENCE_S, _DISMISSED_S = 15.0, 1.0


@ray.remote(num_cpus=0)
class Supervisor:
    """Owns the tasks of all runs that one process submits, since Ray keeps tasks no longer than their owner.

    It is one for all, and no actor a run: Ray gives a worker that is there, with its libraries, to the tasks of one
    detached actor alone, and each run would begin with workers of its own.

    Parameters
    ----------
    environment
        The variables of a step, which name the servers.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        take_environment(environment)
        self._runs: dict[UUID, SupervisedRun] = {}
        # Calls of one caller may come in another order, and a run that was handed over last.
        self._stopped: set[UUID] = set()
        self._leaving: asyncio.Task[None] | None = None
        self._silence_s = _SILENCE_S
        self._asked = time.monotonic()

    async def run(self, plan: PlannedRun) -> RunOutcome:
        """See a run through, see `SupervisedRun`, and return what became of it."""
        me = ray.get_runtime_context().current_actor
        supervised = self._runs[plan.run_id] = SupervisedRun(plan)
        if plan.run_id in self._stopped:
            supervised.stop()
        self._leaving = self._leaving or asyncio.create_task(self._leave(me))
        await supervised.run(me)
        return await supervised.outcome()

    async def outcome(self, run_id: UUID) -> RunOutcome:
        """What became of a run, once it is over: for whoever comes when the one that submitted it is gone."""
        return await self._runs[run_id].outcome()

    async def steps(self, run_id: UUID) -> list[str] | None:
        """Names of the steps of a run; None if it was never handed over here."""
        return self._runs[run_id].steps if run_id in self._runs else None

    async def started(self, run_id: UUID, step: str, node: str) -> None:
        """Called by a step that begins, each time."""
        self._runs[run_id].started(step, node)

    async def report(self, run_id: UUID, level: int, logger: str, line: str) -> None:
        """Called by a step with a line that it logs."""
        self._runs[run_id].report(level, logger, line)

    async def events(self, run_id: UUID, since: int) -> list[Event]:
        """The events of all steps of a run so far, from the number `since` on."""
        self._asked = time.monotonic()
        return self._runs[run_id].events(since) if run_id in self._runs else []

    async def stop(self, run_id: UUID) -> None:
        """Stop every step of a run."""
        self._stopped.add(run_id)
        if run_id in self._runs:
            self._runs[run_id].stop()

    async def stay(self) -> None:
        """Called by whoever is about to submit another run."""
        self._asked = time.monotonic()

    async def dismiss(self) -> None:
        """Called by the process that submits runs when it submits no other."""
        self._silence_s = _DISMISSED_S

    async def _leave(self, me: Any) -> None:
        """End with the runs, also if whoever submitted them is gone and fetches no result."""
        while time.monotonic() - self._asked < self._silence_s or not all(each.over for each in self._runs.values()):
            await asyncio.sleep(0.5)
        ray.kill(me)


# The supervisor of this process, if it has submitted a run.
_OWN: list[Any] = []


def own_supervisor(environment: Mapping[str, str]) -> Any:
    """Ray's handle of the `Supervisor` of all runs that this process submits; the first of them begins it."""
    if _OWN:
        with suppress(RayActorError):
            ray.get(_OWN[0].stay.remote())
            return _OWN[0]
        # It has left, since nobody needed it for a while.
        _OWN.clear()
    else:
        atexit.register(_dismiss)
    # It outlives this process, and lies on the head: if that is lost, so is the cluster.
    place = {"lifetime": "detached", "resources": {"node:__internal_head__": 0.001}}
    actor = Supervisor.options(name=str(uuid4()), namespace=_NAMESPACE, **place)  # type: ignore[attr-defined]
    _OWN.append(actor.remote(environment))
    return _OWN[0]


def _dismiss() -> None:
    """Let the supervisor go, and the workers that it keeps, as soon as its runs are over."""
    if _OWN and ray.is_initialized():
        with suppress(RayError):
            ray.get(_OWN[0].dismiss.remote(), timeout=5)


def holder_of(run_id: UUID) -> tuple[Any, list[str]] | None:
    """The supervisor that a run was handed to, whoever did so, and the names of the run's steps; None if there is none.

    Raises
    ------
    ray.exceptions.ActorUnavailableError
        If the head is too busy to answer.
    """
    for actor in ray.util.list_named_actors(all_namespaces=True):
        if actor["namespace"] != _NAMESPACE:
            continue
        try:
            supervisor = ray.get_actor(actor["name"], namespace=_NAMESPACE)
            steps = ray.get(supervisor.steps.remote(run_id))
        except ActorUnavailableError:
            raise
        except (ValueError, RayActorError):
            # It has left meanwhile.
            continue
        if steps is not None:
            return supervisor, steps
    return None
