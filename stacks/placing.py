"""A pipeline whose steps ask for what they need in the words of a stack."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from zenml.config.retry_config import StepRetryConfig

from ferkit.config import ResourceRequest
from stacks.placement import Placement, step_settings

__all__ = ["placed"]


def placed(
    pipeline: Any,
    placement: Placement,
    arguments: Mapping[str, Any],
    further: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Any:
    """`pipeline`, to be called with `arguments`, with the settings that `placement` gives to each step.

    Parameters
    ----------
    pipeline : zenml.pipelines.pipeline_definition.Pipeline
    further
        Options of ZenML's for single steps, by the names that they have in the pipeline.

    Returns
    -------
    zenml.pipelines.pipeline_definition.Pipeline
    """
    # Which steps there are, and what they ask for, is known once the arguments are.
    trial = pipeline.copy()
    trial.prepare(**arguments)
    settings = {
        name: step_settings(_need(invocation.step), placement) for name, invocation in trial.invocations.items()
    }
    placing = {name: {"settings": given} for name, given in settings.items() if given}
    steps = {name: {**placing.get(name, {}), **further.get(name, {})} for name in {*placing, *further}}
    options: dict[str, Any] = {}
    if steps:
        options["steps"] = steps
    if placing:
        # The pod that starts the steps runs in the image of the pipeline.
        image = {key: given for key, given in step_settings(ResourceRequest(), placement).items() if key == "docker"}
        options["settings"] = image
    if placement.retries:
        options["retry"] = StepRetryConfig(max_retries=placement.retries)
    return pipeline.with_options(**options) if options else pipeline


def _need(step: Any) -> ResourceRequest:
    asked = step.configuration.settings.get("resources")
    return ResourceRequest(**{key: getattr(asked, key, None) for key in ResourceRequest.model_fields})
