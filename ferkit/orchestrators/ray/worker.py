"""What runs in a worker of the cluster: one step after the other, in the process that Ray keeps for them."""

import atexit
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

import ray
from ray import cloudpickle
from ray.exceptions import RayTaskError

from ferkit.orchestrators.ray.events import Reporter

__all__ = ["RUN_ID", "HaltedError", "PassingError", "cause_of", "run_step", "take_environment"]

# Tells every step which run it belongs to.
RUN_ID = "FERKIT_RAY_RUN_ID"

# What the variables of the latest step were in this process before it.
_REPLACED: dict[str, str | None] = {}

# The copy of the checkout that Ray brought.
_CODE = Path(__file__).resolve().parents[3]


class HaltedError(RuntimeError):
    """A step was not begun, or not ended, because its run has failed or was stopped meanwhile."""


class PassingError(RuntimeError):
    """A step failed with what may not happen again, and is begun again if it has a retry left.

    Attributes
    ----------
    error
        What it failed with.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def cause_of(error: BaseException) -> BaseException:
    """What the step itself raised, or in one line what Ray says of a step that was lost."""
    lost = RuntimeError(f"the step was lost: {(str(error) or type(error).__name__).splitlines()[0]}")
    if not isinstance(error, RayTaskError):
        return lost
    return error.cause.error if isinstance(error.cause, PassingError) else cast("BaseException", error.cause)


@ray.remote
def run_step(
    step: str,
    arguments: Sequence[str],
    environment: dict[str, str],
    loggers: Sequence[str],
    reporter: Reporter,
    *_upstream: None,
) -> None:
    """Run `step`, once Ray has what is upstream; if that failed, Ray leaves the step out.

    There is no process of its own for it: that would take ten seconds of imports, and outlive a lost worker.

    Parameters
    ----------
    arguments
        Of ZenML's entrypoint of a step; with ``--step_run_id`` of one that a step operator runs.
    reporter
        Which is told that the step has begun, and what it logs to `loggers`.

    Raises
    ------
    HaltedError
        If it is not the step that failed.
    PassingError
        If it fails with what may not happen again.
    Exception
        Whatever else the step raises: an error that says it is ``permanent``.
    """
    _enter_code()
    take_environment(environment)
    context = ray.get_runtime_context()
    reporter.started(step, f"{ray.util.get_node_ip_address()}-{context.get_node_id()[:4]}")
    from zenml.exceptions import IllegalOperationError, RunStoppedException
    from zenml.steps.heartbeat import StepHeartBeatTerminationException

    from ferkit.orchestrators.zenml_shortcuts import shorten_zenml

    shorten_zenml()
    try:
        with _forwarded(loggers, reporter):
            _entrypoint(of_operator="--step_run_id" in arguments)(list(arguments)).run()
    except (IllegalOperationError, RunStoppedException, StepHeartBeatTerminationException) as error:
        # In one line, where ZenML has a long traceback.
        raise HaltedError(f"halted: {error}") from None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is handed on
        portable = _portable(error)
        raise (portable if getattr(error, "permanent", False) else PassingError(portable)) from None


def _portable(error: Exception) -> Exception:
    """`error` if another process can read it, else one with the same words."""
    try:
        cloudpickle.loads(cloudpickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever its class does as it is read
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


class _Forwarder(logging.Handler):
    """Hands records on to the supervisor, and so to the terminal of whoever submitted the run."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__(logging.INFO)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        self._reporter.report(record.levelno, record.name, record.getMessage())


@contextmanager
def _forwarded(loggers: Sequence[str], reporter: Reporter) -> Iterator[None]:
    """Whoever submitted the run sees what is logged to `loggers` within."""
    forwarder, before = _Forwarder(reporter), {name: logging.getLogger(name).level for name in loggers}
    for name in loggers:
        logging.getLogger(name).addHandler(forwarder)
        logging.getLogger(name).setLevel(logging.INFO)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).removeHandler(forwarder)
            logging.getLogger(name).setLevel(level)


def take_environment(environment: Mapping[str, str]) -> None:
    """Take the variables of a step, in place of those of the step before; to be called before ZenML is imported.

    ZenML writes the store that they name into its configuration, and whoever started the node shall keep theirs.
    """
    for name, before in _REPLACED.items():
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before
    taken = {**environment, "ZENML_CONFIG_PATH": _configuration_folder()}
    _REPLACED.clear()
    _REPLACED.update({name: os.environ.get(name) for name in taken})
    os.environ.update(taken)


@cache
def _configuration_folder() -> str:
    """The folder of this process' configuration of ZenML.

    Among temporary files and not beside the code: a worker whose copy of the checkout is gone has the code of the
    node's own installation, which may be somebody's checkout.
    """
    folder = tempfile.mkdtemp(prefix="ferkit-zenml-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _entrypoint(*, of_operator: bool) -> Any:
    """ZenML's way into a step, on the code that Ray brought; its own expects a container with ``/app``."""
    from zenml.entrypoints.step_entrypoint_configuration import StepEntrypointConfiguration
    from zenml.step_operators.step_operator_entrypoint_configuration import StepOperatorEntrypointConfiguration
    from zenml.utils.source_utils import set_custom_source_root

    entrypoint: Any = StepOperatorEntrypointConfiguration if of_operator else StepEntrypointConfiguration

    class RayStepEntrypoint(entrypoint):
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
