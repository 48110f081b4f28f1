"""What ZenML does for every pipeline or every artifact that no run of ours needs, left out or done once."""

from functools import cache, partial, partialmethod
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable

    from pydantic import BaseModel
    from zenml.integrations.mlflow.experiment_trackers import MLFlowExperimentTracker
    from zenml.steps.entrypoint_function_utils import EntrypointFunctionDefinition

__all__ = ["shorten_zenml"]


def shorten_zenml() -> None:
    """Save a run what costs it seconds in ZenML and changes nothing; may be called again.

    scikit-learn is not imported for the materializer of its models: each of our steps names the materializers of its
    outputs, and those that compute with scikit-learn import it when they are executed. Which package a module comes
    from is looked up once, by its name: ZenML reads the file lists of all installed packages for each artifact that a
    step makes. So is whether what an integration needs is installed, which it looks up for each of sixty in each run
    and in each step on a cluster, and the pydantic model of a type that it checks parameters by, which it makes for
    every parameter of every step; the list of installed packages, for which it starts a process for each run and for
    each step on a cluster; and the source of each step. MLflow's automatic logging is switched off behind a step only
    if it is on, which no step of ours makes it: for that MLflow's modules for eight libraries are imported. The run
    of MLflow that has a run's name is searched for once, and not in each step; ZenML still asks whether it is there.
    """
    from zenml.environment import Environment
    from zenml.integrations.constants import SKLEARN
    from zenml.integrations.integration import Integration
    from zenml.integrations.mlflow.experiment_trackers import MLFlowExperimentTracker
    from zenml.integrations.registry import integration_registry
    from zenml.steps.entrypoint_function_utils import EntrypointFunctionDefinition
    from zenml.utils import source_code_utils, source_utils

    # Asking for them makes ZenML find them all, which would otherwise bring this one back.
    if SKLEARN in integration_registry.integrations:
        integration_registry.register_integration(SKLEARN, Integration)
    lookup = source_utils._get_package_for_module
    if not hasattr(lookup, "cache_info"):
        source_utils._get_package_for_module = cache(partial(_package_of, lookup))
        check: Callable[[Any], bool] = cache(Integration.check_installation.__func__)
        Integration.check_installation = classmethod(check)
        EntrypointFunctionDefinition._validate_input_value = _check_parameter
        packages: Callable[[], list[str]] = cache(Environment.get_python_packages)
        Environment.get_python_packages = staticmethod(packages)
        source_code_utils.get_hashed_source_code = cache(source_code_utils.get_hashed_source_code)
        switch_off = MLFlowExperimentTracker.disable_autologging
        MLFlowExperimentTracker.disable_autologging = partialmethod(_disable_autologging, switch_off)
        MLFlowExperimentTracker.get_run_id = partialmethod(_run_id, MLFlowExperimentTracker.get_run_id, {})


def _package_of(lookup: "Callable[[str], str | None]", module_name: str) -> str | None:
    """The package that has the name of the module; where none has it, the one that `lookup` finds in all file lists."""
    try:
        return str(distribution(module_name.partition(".")[0]).metadata["Name"])
    except PackageNotFoundError:
        return lookup(module_name)


def _disable_autologging(
    tracker: "MLFlowExperimentTracker", switch_off: "Callable[[MLFlowExperimentTracker], None]"
) -> None:
    """Call `switch_off` of ZenML if MLflow's automatic logging is on for a library."""
    from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS, autologging_is_disabled

    if not all(autologging_is_disabled(library) for library in AUTOLOGGING_INTEGRATIONS):
        switch_off(tracker)


def _run_id(
    tracker: "MLFlowExperimentTracker",
    search: "Callable[[MLFlowExperimentTracker, str, str], str | None]",
    found: dict[tuple[str, str, str], str],
    experiment_name: str,
    run_name: str,
) -> str | None:
    """The id of MLflow's run of that name, from `found` (by address, experiment and name) or by ZenML's `search`."""
    key = (tracker.get_tracking_uri(), experiment_name, run_name)
    if key not in found and (run_id := search(tracker, experiment_name, run_name)):
        found[key] = run_id
    return found.get(key)


def _check_parameter(_: "EntrypointFunctionDefinition", parameter: "inspect.Parameter", value: Any) -> None:
    """Raise pydantic's `ValidationError` if the value of a step's parameter is not of its type."""
    _parameter_model(parameter.annotation, value is None)(value=value)


@cache
def _parameter_model(annotation: Any, is_none: bool) -> "type[BaseModel]":
    """The model that ZenML makes to check a parameter: None may stand where pydantic knows no schema of the type."""
    from pydantic import ConfigDict, create_model

    return create_model(
        "input_validation_model",
        __config__=ConfigDict(arbitrary_types_allowed=is_none),
        value=(annotation, ...),
    )
