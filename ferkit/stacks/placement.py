"""The resources of a step, as the settings that the orchestrator of a stack reads.

A run configuration says cores, GPUs and memory once, as ZenML's ``ResourceSettings``. ZenML 0.98's orchestrators differ
in what they make of them:

- Ray's honours all of them; the local one has one machine and ignores them.
- Kubernetes' ignores all of them in static pipelines: they have to be part of ``pod_settings``.
- Kubeflow's sets cores, and GPUs only if a node selector called ``accelerator`` is there. Its value ends as the name of
  the resource in the compiled pipeline, which Kubeflow Pipelines 2 puts into the pod's limits; no node is selected by
  it. As ZenML loses the selector, ``ferkit.orchestrators.kubeflow`` keeps it. Memory it hands over as a number, which
  kfp's ``set_memory_limit`` cannot read: a step that asks for some would end the submission with a TypeError.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import Field
from zenml.config import ResourceSettings
from zenml.config.retry_config import StepRetryConfig

from ferkit.config.resources import ResourceRequest
from ferkit.errors import ConfigError
from ferkit.settings import Settings
from ferkit.stacks.settings import AcceleratorSettings, ComponentSettings, ImageSettings, StackSettings

__all__ = ["Placement", "operator_settings", "placed", "resource_settings", "step_settings"]

_TRAINING, _LAST = "fine_tune", "report"
_ALERTS = "steps.alerts"
_KUBEFLOW = ("kubeflow", "ferkit_kubeflow")
# Otherwise ZenML sends the checkout along, and unpacks it where our user may not write. The pod that starts the steps
# would not have it anyway, and that one asks the cache, which hashes the code.
_CODE_IS_IN_THE_IMAGE = {"allow_download_from_artifact_store": False, "allow_download_from_code_repository": False}


class Placement(Settings):
    """The parts of a stack file that decide about the settings of its steps.

    Attributes
    ----------
    orchestrator
        Flavor of the orchestrator.
    pod
        ``pod_settings`` of the orchestrator's configuration; ZenML lets a step's take their place, it does not merge.
    accelerator
        How a step that needs GPUs gets to one.
    image
        Images of the steps; None where ZenML makes its own.
    retries
        How often a failed step is begun again.
    step_operator
        Where trainings run; None if the orchestrator runs them, too.
    alerts
        Whether the stack has an alerter.
    """

    orchestrator: str
    pod: dict[str, Any] = Field(default_factory=dict)
    accelerator: AcceleratorSettings = AcceleratorSettings()
    image: ImageSettings | None = None
    retries: int = Field(0, ge=0)
    step_operator: ComponentSettings | None = None
    alerts: bool = False

    @classmethod
    def of(cls, stack: StackSettings) -> "Placement":
        """The placement that the stack file `stack` describes."""
        return cls(
            orchestrator=stack.orchestrator.flavor,
            pod=stack.orchestrator.configuration.get("pod_settings", {}),
            accelerator=stack.accelerator,
            image=stack.image,
            retries=stack.retries,
            step_operator=stack.step_operator,
            alerts=stack.alerter is not None,
        )


def resource_settings(need: ResourceRequest) -> ResourceSettings:
    """What a step asks for, as ZenML says it."""
    return ResourceSettings(**need.model_dump(exclude_none=True))


def step_settings(need: ResourceRequest, placement: Placement) -> dict[str, Any]:
    """ZenML's settings for a step with the resources `need`, by their keys; they are merged with its ``resources``.

    Raises
    ------
    ConfigError
        If the orchestrator has no way to give the step these resources.
    """
    settings: dict[str, Any] = {}
    if placement.image:
        image = placement.image.gpu if need.gpu_count and placement.image.gpu else placement.image.cpu
        settings["docker"] = {"parent_image": image, "skip_build": True, **_CODE_IS_IN_THE_IMAGE}
    if placement.orchestrator == "kubernetes":
        settings["orchestrator.kubernetes"] = {"pod_settings": _pod(need, placement)}
    if placement.orchestrator in _KUBEFLOW:
        if need.memory:
            # Nothing takes a setting back; no memory at all counts as no limit.
            settings["resources"] = {"memory": "0GB"}
        if need.gpu_count:
            settings.update(_kubeflow_gpu(placement))
    return settings


def operator_settings(need: ResourceRequest, placement: Placement) -> dict[str, Any]:
    """The same for a step that the stack's step operator runs; that of Kubernetes has pods, others read the request."""
    operator = placement.step_operator
    assert operator is not None  # noqa: S101
    pod = operator.configuration.get("pod_settings", {})
    elsewhere = placement.model_copy(update={"orchestrator": operator.flavor, "pod": pod})
    made = step_settings(need, elsewhere)
    return {name.replace("orchestrator.", "step_operator."): given for name, given in made.items()}


def _kubeflow_gpu(placement: Placement) -> dict[str, Any]:
    if placement.orchestrator == "kubeflow":
        raise ConfigError(
            "a step asks for GPUs, which ZenML's flavor kubeflow loses: take the flavor ferkit_kubeflow, as "
            "configs/stacks/kubeflow.yaml does."
        )
    selectors = {"accelerator": placement.accelerator.resource}
    return {f"orchestrator.{placement.orchestrator}": {"pod_settings": {"node_selectors": selectors}}}


def _pod(need: ResourceRequest, placement: Placement) -> dict[str, Any]:
    """The stack's pod settings with the resources of one step."""
    given = placement.pod.get("resources", {})
    requests, limits = dict(given.get("requests", {})), dict(given.get("limits", {}))
    if need.cpu_count:
        requests["cpu"] = f"{need.cpu_count:g}"
    if need.memory:
        # A pod that may use more than was kept for it is killed when its neighbours use theirs.
        requests["memory"] = limits["memory"] = _quantity(need.memory)
    pod = dict(placement.pod)
    if need.gpu_count:
        accelerator = placement.accelerator
        # Kubernetes wants request and limit of a device to be the same, and takes the one for the other.
        limits[accelerator.resource] = str(need.gpu_count)
        tolerations = [each.model_dump(exclude_none=True) for each in accelerator.tolerations]
        pod["node_selectors"] = {**pod.get("node_selectors", {}), **accelerator.node_selector}
        pod["tolerations"] = [*pod.get("tolerations", []), *tolerations]
    resources = {"requests": requests, "limits": limits}
    return {**pod, "resources": {kind: values for kind, values in resources.items() if values}}


def _quantity(memory: str) -> str:
    """``8GB`` as Kubernetes writes it: ``8G``; ``512MiB``: ``512Mi``."""
    amount, unit = re.fullmatch(r"(\d+)([KMGTP]i?)B", memory).groups()  # type: ignore[union-attr]
    return f"{amount}{'k' if unit == 'K' else unit}"


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
    draft = pipeline.copy()
    draft.prepare(**arguments)
    away = {
        name
        for name, invocation in draft.invocations.items()
        if placement.step_operator and invocation.step.name == _TRAINING
    }
    settings = {
        name: (operator_settings if name in away else step_settings)(_need(invocation.step), placement)
        for name, invocation in draft.invocations.items()
    }
    placing: dict[str, dict[str, Any]] = {name: {"settings": given} for name, given in settings.items() if given}
    for name in away:
        placing[name] = {**placing.get(name, {}), "step_operator": True}
    if placement.alerts:
        last = [name for name, invocation in draft.invocations.items() if invocation.step.name == _LAST]
        for name in last:
            placing[name] = {**placing.get(name, {}), "success_hook_source": f"{_ALERTS}.alert_success"}
    steps = {name: {**placing.get(name, {}), **further.get(name, {})} for name in {*placing, *further}}
    options: dict[str, Any] = {}
    if steps:
        options["steps"] = steps
    if placement.alerts:
        options["on_failure"] = f"{_ALERTS}.alert_failure"
    if any(settings.values()):
        # The pod that starts the steps runs in the image of the pipeline.
        image = {key: given for key, given in step_settings(ResourceRequest(), placement).items() if key == "docker"}
        options["settings"] = image
    if placement.retries:
        options["retry"] = StepRetryConfig(max_retries=placement.retries)
    return pipeline.with_options(**options) if options else pipeline


def _need(step: Any) -> ResourceRequest:
    requested = step.configuration.settings.get("resources")
    return ResourceRequest(**{key: getattr(requested, key, None) for key in ResourceRequest.model_fields})
