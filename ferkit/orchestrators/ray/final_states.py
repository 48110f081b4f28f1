"""Every step and the run end in a final state, whatever became of the processes that should have said so."""

from uuid import UUID

from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.orchestrators.publish_utils import publish_pipeline_run_status_update, publish_step_run_status_update

__all__ = ["finish"]


def finish(run_id: UUID, *, stopped: bool = False) -> None:
    """Publish a final state for what has none: ZenML itself does so only from within a step that is alive.

    Parameters
    ----------
    stopped
        Whether somebody stopped the run; else a step of it failed or was lost.
    """
    client = Client()
    last = ExecutionStatus.STOPPED if stopped else ExecutionStatus.FAILED
    if not client.get_pipeline_run(run_id, hydrate=False).status.is_finished:
        publish_pipeline_run_status_update(run_id, ExecutionStatus.STOPPING if stopped else last)
    for step in client.list_run_steps(pipeline_run_id=run_id, exclude_retried=True, size=1000).items:
        # ZenML lets no step have failed that has a retry left, although nobody will begin it again.
        now = step.status
        for status in (last, ExecutionStatus.STOPPED):
            if not now.is_finished:
                now = publish_step_run_status_update(step.id, status).status
    if not client.get_pipeline_run(run_id, hydrate=False).status.is_finished:
        publish_pipeline_run_status_update(run_id, last)
