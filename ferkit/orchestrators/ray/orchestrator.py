"""Hands the steps of a static pipeline to Ray, which schedules them."""

import os
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import ray
from zenml.config import ResourceSettings
from zenml.enums import ExecutionMode
from zenml.orchestrators import BaseOrchestrator, SubmissionResult
from zenml.orchestrators.exceptions import PipelineSubmissionError

from ferkit.orchestrators.ray.cluster import connect, forwarded, nodes, require_room
from ferkit.orchestrators.ray.liveness import HEAD
from ferkit.orchestrators.ray.requests import fitting, options, request
from ferkit.orchestrators.ray.submitted import SubmittedRun, found_again, hand_over
from ferkit.orchestrators.ray.supervised import PlannedRun, PlannedStep
from ferkit.orchestrators.ray.supervisor import own_supervisor
from ferkit.orchestrators.ray.worker import RUN_ID, PassingError

__all__ = ["RayOrchestrator"]

# Places of a cluster that grows on demand, as far as anybody knows.
_MOST_ELASTIC = 16


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
        connect(self.config)
        steps = self._steps(snapshot, environments, str(run.id))
        fail_fast = snapshot.pipeline_configuration.execution_mode == ExecutionMode.FAIL_FAST
        config: Any = self.config
        supervisor = own_supervisor(next(iter(steps.values())).environment)
        plan = PlannedRun(run.id, str(snapshot.id), steps, config.loggers, fail_fast)
        submitted = SubmittedRun(supervisor, supervisor.run.remote(plan), run.id, steps)
        return SubmissionResult(None if hand_over(submitted) else submitted.wait, self._place())

    def places(self, needs: Iterable[ResourceSettings]) -> int:
        """How many steps the cluster can run at the same time if all need what the most demanding of `needs` does.

        Raises
        ------
        PipelineSubmissionError
            If there is no cluster.
        """
        connect(self.config)
        config: Any = self.config
        if config.elastic:
            return _MOST_ELASTIC
        return min(fitting(request(each, config.default_cpus), nodes().values()) for each in needs)

    def found_again(self, run_id: UUID) -> SubmittedRun | None:
        """A run of this cluster that goes on although whoever submitted it is gone; None if it does not."""
        return found_again(run_id, self.config)

    def _place(self) -> dict[str, Any]:
        """What is kept with a run, so that it can be told later whether its supervisor is gone."""
        # Ray's client talks to the head from elsewhere, and does not say where it is.
        if str(self.config.address).startswith("ray://"):
            return {}
        return {HEAD: ray.get_runtime_context().gcs_address}

    def _steps(self, snapshot: Any, environments: dict[str, dict[str, str]], run_id: str) -> dict[str, PlannedStep]:
        config: Any = self.config
        steps = snapshot.step_configurations
        requests = {name: request(step.config.resource_settings, config.default_cpus) for name, step in steps.items()}
        require_room(config, requests)
        variables, plan = forwarded(config), {}
        for name, step in steps.items():
            # ZenML counts how often a step is begun and refuses more, so that Ray must not try more often.
            retry = step.config.retry
            retries = {
                "max_retries": retry.max_retries if retry else 0,
                "retry_exceptions": [PassingError] if retry else False,
            }
            environment = {**variables, **environments[name], RUN_ID: run_id}
            plan[name] = PlannedStep(options(requests[name]) | retries, environment, tuple(step.spec.upstream_steps))
        return plan
