"""A stack file: where a pipeline runs, and where its artifacts and numbers go."""

from typing import Any, Literal

from pydantic import Field

from ferkit.settings import Settings

__all__ = ["AcceleratorSettings", "ComponentSettings", "ImageSettings", "StackSettings", "Toleration"]


class ComponentSettings(Settings):
    """Settings of one of ZenML's stack components.

    Attributes
    ----------
    flavor
        As ``zenml orchestrator flavor list`` and its siblings name it.
    flavor_source
        Where the class of a flavor that ZenML does not come with is found, such as ``package.module.SomeFlavor``; it is
        registered first.
    configuration
        Settings of that flavor; ZenML checks it when the component is registered.
    """

    flavor: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    flavor_source: str | None = Field(None, pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")
    configuration: dict[str, Any] = Field(default_factory=dict)


class Toleration(Settings):
    """A taint of a node that a pod puts up with, in the words of Kubernetes."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class AcceleratorSettings(Settings):
    """How a step that needs GPUs gets to a node with some; read by ``ferkit.stacks.placement``.

    Attributes
    ----------
    resource
        What the cluster calls a GPU.
    node_selector
        Labels of the nodes that have the GPUs to use; any node with one if empty.
    tolerations
        Taints of these nodes.
    """

    resource: str = "nvidia.com/gpu"
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()


class ImageSettings(Settings):
    """The images that steps run in, made from the ``Dockerfile`` and pushed before a run.

    Attributes
    ----------
    cpu
        Image of the steps without a GPU.
    gpu
        Image of the others; `cpu` if empty.
    """

    cpu: str = Field(min_length=1)
    gpu: str | None = Field(None, min_length=1)


class StackSettings(Settings):
    """The content of a stack file.

    Attributes
    ----------
    name
        What ZenML and ``ferkit run --stack`` call the stack.
    orchestrator
        What runs the steps.
    artifact_store
        Where artifacts lie; ``.ferkit/artifacts`` if empty, which every step has to reach by that path.
    experiment_tracker
        MLflow; the store or server of ``MLFLOW_TRACKING_URI`` if empty.
    container_registry, image_builder
        Needed by ZenML's orchestrators that run containers.
    step_operator
        Where trainings run, in place of where the orchestrator would run them; the other steps stay with it.
    alerter
        What is told of each step that fails, and of each run that comes to its end.
    image
        Images of the steps; ZenML builds them if empty.
    accelerator
        How steps get their GPUs.
    environment
        Variables of every step.
    retries
        How often a step is begun again that failed, or whose machine was lost; a training goes on from its checkpoint.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    orchestrator: ComponentSettings
    artifact_store: ComponentSettings | None = None
    experiment_tracker: ComponentSettings | None = None
    container_registry: ComponentSettings | None = None
    image_builder: ComponentSettings | None = None
    step_operator: ComponentSettings | None = None
    alerter: ComponentSettings | None = None
    image: ImageSettings | None = None
    accelerator: AcceleratorSettings = AcceleratorSettings()
    environment: dict[str, str] = Field(default_factory=dict)
    retries: int = Field(0, ge=0)

    @property
    def components(self) -> dict[str, ComponentSettings]:
        """The components that the file names, by ZenML's word for their type."""
        kinds = (
            *("orchestrator", "artifact_store", "experiment_tracker", "container_registry", "image_builder"),
            *("step_operator", "alerter"),
        )
        return {kind: settings for kind in kinds if (settings := getattr(self, kind)) is not None}
