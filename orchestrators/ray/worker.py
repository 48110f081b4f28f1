"""What runs in a worker of the cluster: one step after the other, in the process that Ray keeps for them."""

import os
from pathlib import Path
from typing import Any

import ray

__all__ = ["RUN_ID", "HaltedError", "run_step", "take_environment"]

# Tells every step which run it belongs to.
RUN_ID = "FERKIT_RAY_RUN_ID"

# The copy of the checkout that Ray brought.
_CODE = Path(__file__).resolve().parents[2]


class HaltedError(RuntimeError):
    """A step was not begun, or not ended, because its run has failed or was stopped meanwhile."""


@ray.remote
def run_step(step: str, snapshot_id: str, environment: dict[str, str], supervisor: Any, *_upstream: None) -> None:
    """Run `step`, once Ray has what is upstream; if that failed, Ray leaves the step out.

    There is no process of its own for it: that would take ten seconds of imports, and outlive a lost worker.

    Raises
    ------
    HaltedError
        If it is not the step that failed.
    Exception
        Whatever the step raises.
    """
    _enter_code()
    take_environment(environment)
    context = ray.get_runtime_context()
    supervisor.started.remote(step, f"{ray.util.get_node_ip_address()}-{context.get_node_id()[:4]}")
    from zenml.exceptions import IllegalOperationError, RunStoppedException
    from zenml.steps.heartbeat import StepHeartBeatTerminationException

    try:
        _entrypoint()(["--snapshot_id", snapshot_id, "--step_name", step]).run()
    except (IllegalOperationError, RunStoppedException, StepHeartBeatTerminationException) as error:
        # Told in one line, where ZenML has a long traceback.
        raise HaltedError(f"halted: {error}") from None


def take_environment(environment: dict[str, str]) -> None:
    """Take the variables of a step; to be called before ZenML is imported.

    ZenML writes the store that they name into its configuration, and whoever started the node shall keep theirs. Ray
    removes this one with the copy of the checkout.
    """
    os.environ.update(environment, ZENML_CONFIG_PATH=str(_CODE / f".zenml-{os.getpid()}"))


def _entrypoint() -> Any:
    """ZenML's way into a step, on the code that Ray brought; its own expects a container with ``/app``."""
    from zenml.entrypoints.step_entrypoint_configuration import StepEntrypointConfiguration
    from zenml.utils.source_utils import set_custom_source_root

    class RayStepEntrypoint(StepEntrypointConfiguration):
        def prepare_code_environment(self) -> None:
            set_custom_source_root(str(Path.cwd()))

    return RayStepEntrypoint


def _enter_code() -> None:
    """Make the copy of the checkout the working directory.

    Where nodes share a machine, losing one of them takes the copy from under the others' feet. A worker without it can
    import nothing more: it ends, and Ray begins the step again in a new one.
    """
    if not _CODE.is_dir():
        os._exit(1)
    os.chdir(_CODE)
