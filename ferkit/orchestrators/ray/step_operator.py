"""Hands single steps of a pipeline to Ray, whatever runs the others."""

import logging
import os
from typing import Any

import ray
from zenml.config.step_run_info import StepRunInfo
from zenml.logger import get_logger
from zenml.orchestrators.exceptions import PipelineSubmissionError
from zenml.step_operators import BaseStepOperator

from ferkit.orchestrators.ray.cluster import connect, nodes
from ferkit.orchestrators.ray.requests import options, request, unmet
from ferkit.orchestrators.ray.worker import cause_of, run_step

__all__ = ["RayStepOperator"]

_LOG = get_logger(__name__)
_POLL_S = 0.5


@ray.remote(num_cpus=0)
class StepLines:
    """Keeps what a step says until whoever submitted it asks for it."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, str | None, str]] = []

    def started(self, step: str, node: str) -> None:
        """Called by the step when it begins."""
        self._lines.append((logging.INFO, None, f"Step `{step}` has started on {node}."))

    def report(self, level: int, logger: str, line: str) -> None:
        """Called by the step with a line that it logs."""
        self._lines.append((level, logger, line))

    def since(self, shown: int) -> list[tuple[int, str | None, str]]:
        """Level, logger and text of each line, from the number `shown` on."""
        return self._lines[shown:]


class RayStepOperator(BaseStepOperator):
    """The step operator of the flavor ``ray``."""

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
        if not config.elastic and (problem := unmet({name: requested}, nodes())):
            raise PipelineSubmissionError(problem)
        forwarded = {key: value for key, value in os.environ.items() if key.startswith(tuple(config.forwarded))}
        arguments = [
            "--snapshot_id",
            str(info.snapshot.id),
            "--step_name",
            name,
            "--step_run_id",
            str(info.step_run_id),
        ]
        lines = StepLines.remote()  # type: ignore[attr-defined]
        task = run_step.options(name=name, max_retries=0, **options(requested)).remote(
            name, arguments, {**forwarded, **environment}, config.loggers, lines
        )
        try:
            _follow(task, lines)
            ray.get(task)
        except KeyboardInterrupt:
            ray.cancel(task, force=True)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what became of the step
            raise cause_of(error) from None


def _follow(task: Any, lines: Any) -> None:
    """Log what the step says until it is over."""
    shown, done = 0, False
    while not done:
        done = bool(ray.wait([task], timeout=_POLL_S)[0])
        for level, logger, line in ray.get(lines.since.remote(shown)):
            shown += 1
            (logging.getLogger(logger) if logger else _LOG).log(level, "%s", line)
