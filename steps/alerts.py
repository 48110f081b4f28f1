"""What the alerter of the stack, if it has one, is told: the step that failed, and the end of a run."""

from zenml import get_step_context
from zenml.client import Client

__all__ = ["alert_failure", "alert_success"]


def alert_failure(error: BaseException) -> None:
    """Post which step of which run failed, and why."""
    context = get_step_context()
    reason = " ".join(str(error).split()) or type(error).__name__
    _post(f"{context.pipeline_run.name}: {context.step_run.name} failed: {reason[:500]}")


def alert_success() -> None:
    """Post that a run is over; it belongs to the last step, which is not executed if all comes from the cache."""
    name = get_step_context().pipeline_run.name
    _post(f"{name}: the report is written; ferkit report {name}")


def _post(message: str) -> None:
    if alerter := Client().active_stack.alerter:
        alerter.post(message)
