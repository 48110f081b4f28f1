"""Hands single steps of a pipeline to Ray, whatever runs the others."""

from collections.abc import Mapping
from typing import Any

import ray
from zenml.config import ResourceSettings
from zenml.config.step_run_info import StepRunInfo
from zenml.step_operators import BaseStepOperator

from ferkit.orchestrators.ray.cluster import connect, forwarded, require_room
from ferkit.orchestrators.ray.events import Reporter, StepEvents
from ferkit.orchestrators.ray.requests import options, request
from ferkit.orchestrators.ray.submitted import log_event
from ferkit.orchestrators.ray.worker import cause_of, run_step

__all__ = ["RayStepOperator"]

_POLL_S = 0.5


class RayStepOperator(BaseStepOperator):
    """The step operator of the flavor ``ray``."""

    def require_room(self, needs: Mapping[str, ResourceSettings]) -> None:
        """Whether there is a cluster, with a node for each step that `needs` names; before anything runs.

        Raises
        ------
        PipelineSubmissionError
            If there is none.
        """
        config: Any = self.config
        connect(config)
        require_room(config, {name: request(each, config.default_cpus) for name, each in needs.items()})

    def launch(self, info: StepRunInfo, entrypoint_command: list[str], environment: dict[str, str]) -> None:  # noqa: ARG002
        """Run a step as a task of the cluster and wait for it, see `zenml.step_operators.BaseStepOperator`.

        The task ends with this process, however that ends; the next run goes on with a training that was cut off.

        Raises
        ------
        PipelineSubmissionError
            If there is no cluster, or none of its nodes could ever run the step.
        Exception
            Whatever the step raises.
        """
        config: Any = self.config
        connect(config)
        name = info.pipeline_step_name
        requested = request(info.config.resource_settings, config.default_cpus)
        require_room(config, {name: requested})
        arguments = [
            "--snapshot_id",
            str(info.snapshot.id),
            "--step_name",
            name,
            "--step_run_id",
            str(info.step_run_id),
        ]
        events = StepEvents.remote()  # type: ignore[attr-defined]
        task = run_step.options(name=name, max_retries=0, **options(requested)).remote(
            name, arguments, {**forwarded(config), **environment}, config.loggers, Reporter(events)
        )
        try:
            _follow(task, events)
            ray.get(task)
        except KeyboardInterrupt:
            ray.cancel(task, force=True)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what became of the step
            raise cause_of(error) from None


def _follow(task: Any, events: Any) -> None:
    """Log what the step says until it is over."""
    shown, done = 0, False
    while not done:
        done = bool(ray.wait([task], timeout=_POLL_S)[0])
        for event in ray.get(events.events.remote(shown)):
            shown += 1
            log_event(event)
