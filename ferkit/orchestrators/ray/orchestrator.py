"""Hands the steps of a static pipeline to Ray, which schedules them."""

import logging
import os
from typing import Any
from uuid import UUID

import ray
from ray.exceptions import RayActorError
from zenml.enums import ExecutionMode
from zenml.logger import get_logger
from zenml.orchestrators import BaseOrchestrator, SubmissionResult
from zenml.orchestrators.exceptions import PipelineSubmissionError
from zenml.utils.source_utils import get_source_root

from ferkit.orchestrators.ray.final_states import finish
from ferkit.orchestrators.ray.liveness import HEAD
from ferkit.orchestrators.ray.requests import options, request, unmet
from ferkit.orchestrators.ray.supervisor import PlannedStep, Supervisor
from ferkit.orchestrators.ray.worker import RUN_ID, PassingError

__all__ = ["RayOrchestrator"]

_LOG = get_logger(__name__)


class RayOrchestrator(BaseOrchestrator):
    """The orchestrator of the flavor ``ray``."""

    @property
    def supported_execution_modes(self) -> list[ExecutionMode]:
        """What depends on a failed step is left out; FAIL_FAST stops everything else, too."""
        return [ExecutionMode.CONTINUE_ON_FAILURE, ExecutionMode.FAIL_FAST]

    def get_orchestrator_run_id(self) -> str:
        """The run that this process works for."""
        return os.environ[RUN_ID]

    def submit_pipeline(self, **given: Any) -> SubmissionResult:
        """Submit every step as a task, see `zenml.orchestrators.BaseOrchestrator.submit_pipeline`.

        Raises
        ------
        PipelineSubmissionError
            If there is no cluster, or none of its nodes could ever run a step.
        """
        snapshot, environments, run = (given[name] for name in ("snapshot", "step_environments", "placeholder_run"))
        if run is None:
            raise PipelineSubmissionError("the Ray orchestrator keeps no schedules: run the pipeline itself.")
        self._connect()
        plan = self._plan(snapshot, environments, str(run.id))
        fail_fast = snapshot.pipeline_configuration.execution_mode == ExecutionMode.FAIL_FAST
        # It outlives this process, and lies on the head: if that is lost, so is the cluster.
        place = {"lifetime": "detached", "resources": {"node:__internal_head__": 0.001}}
        actor = Supervisor.options(name=str(run.id), namespace="ferkit", **place)  # type: ignore[attr-defined]
        supervisor = actor.remote(run.id, str(snapshot.id), plan, self.config.loggers, fail_fast=fail_fast)
        work = supervisor.run.remote()
        return SubmissionResult(lambda: _wait(supervisor, work, run.id), self._place())

    def _connect(self) -> None:
        """Join the cluster, unless this process has."""
        if ray.is_initialized():
            return
        code = {"working_dir": get_source_root(), "excludes": self.config.excludes}
        try:
            ray.init(self.config.address, runtime_env=code, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ValueError) as error:
            raise PipelineSubmissionError(
                f"no Ray cluster at {self.config.address!r} ({str(error).splitlines()[0]}): start one with `ray start "
                "--head`, or name its address in the stack."
            ) from None

    def _place(self) -> dict[str, Any]:
        """What is kept with a run, so that it can be told later whether its supervisor is gone."""
        # Ray's client talks to the head from elsewhere, and does not say where it is.
        if str(self.config.address).startswith("ray://"):
            return {}
        return {HEAD: ray.get_runtime_context().gcs_address}

    def _plan(self, snapshot: Any, environments: dict[str, dict[str, str]], run_id: str) -> dict[str, PlannedStep]:
        config: Any = self.config
        steps = snapshot.step_configurations
        requests = {name: request(step.config.resource_settings, config.default_cpus) for name, step in steps.items()}
        alive = [node for node in ray.nodes() if node["Alive"]]
        nodes = {f"{node['NodeName']}-{node['NodeID'][:4]}": node["Resources"] for node in alive}
        if not config.elastic and (problem := unmet(requests, nodes)):
            raise PipelineSubmissionError(problem)
        forwarded = {key: value for key, value in os.environ.items() if key.startswith(tuple(config.forwarded))}
        plan = {}
        for name, step in steps.items():
            # ZenML counts how often a step is begun and refuses more, so that Ray must not try more often.
            retry = step.config.retry
            retries = {
                "max_retries": retry.max_retries if retry else 0,
                "retry_exceptions": [PassingError] if retry else False,
            }
            environment = {**forwarded, **environments[name], RUN_ID: run_id}
            plan[name] = PlannedStep(options(requests[name]) | retries, environment, tuple(step.spec.upstream_steps))
        return plan


def _wait(supervisor: Any, work: Any, run_id: UUID) -> None:
    """Log what becomes of the steps until all are done; an interruption stops them."""
    shown, done = 0, False
    try:
        while not done:
            done = bool(ray.wait([work], timeout=0.5)[0])
            for event in ray.get(supervisor.events.remote(shown)):
                shown += 1
                log = logging.getLogger(event.logger) if event.logger else _LOG
                log.log(event.level, "%s", event.line, exc_info=event.error)
        failed = ray.get(work)
    except KeyboardInterrupt:
        ray.get(supervisor.stop.remote())
        ray.wait([work], timeout=60)
        raise
    except RayActorError:
        finish(run_id)
        raise RuntimeError("the head of the Ray cluster was lost, and the run with it.") from None
    finally:
        ray.kill(supervisor)
    if failed:
        raise RuntimeError(f"Pipeline run has failed due to failure in step(s): {', '.join(failed)}")
