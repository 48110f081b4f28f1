"""How ZenML knows the orchestrator and the step operator, and what can be set of them."""

from pydantic import Field
from zenml.orchestrators import BaseOrchestratorConfig, BaseOrchestratorFlavor
from zenml.stack import StackComponentConfig
from zenml.step_operators import BaseStepOperatorConfig, BaseStepOperatorFlavor

__all__ = [
    "RayClusterConfig",
    "RayOrchestratorConfig",
    "RayOrchestratorFlavor",
    "RayStepOperatorConfig",
    "RayStepOperatorFlavor",
]


class RayClusterConfig(StackComponentConfig):
    """Settings of a component that hands steps to a Ray cluster.

    Attributes
    ----------
    address
        Of the cluster, as `ray.init` takes it: ``auto``, ``HOST:PORT`` of its head, ``ray://HOST:10001``.
    default_cpus
        Cores of a step that asks for none.
    elastic
        The cluster grows on demand, so that no request is refused for what its nodes have now.
    excludes
        Files of the checkout that no step needs, as in a .gitignore: without a slash in front, of every folder.
    forwarded
        Beginnings of the names of the environment variables that steps get from whoever submits.
    loggers
        Names of the loggers whose lines come from the steps to whoever submits.
    """

    address: str = "auto"
    default_cpus: float = 1.0
    elastic: bool = False
    excludes: list[str] = Field(["/.venv", "/.git", "/.ferkit", "/data", "/docs", "/tests", "/benchmarks"])
    forwarded: list[str] = Field(["FERKIT_", "MLFLOW_", "KERAS_", "TF_", "GX_", "AWS_"])
    loggers: list[str] = Field(["ferkit"])


class RayOrchestratorConfig(RayClusterConfig, BaseOrchestratorConfig):
    """Settings of the orchestrator."""

    @property
    def is_synchronous(self) -> bool:
        """Whoever submits a run waits for it."""
        return True

    @property
    def handles_step_retries(self) -> bool:
        """Ray begins steps again, on another node if theirs is lost."""
        return True


class RayOrchestratorFlavor(BaseOrchestratorFlavor):
    """The flavor ``ray``."""

    @property
    def name(self) -> str:
        """Name of the flavor in stack files: ``ray``."""
        return "ray"

    @property
    def config_class(self) -> type[RayOrchestratorConfig]:
        """Class of the settings that a stack file gives the orchestrator."""
        return RayOrchestratorConfig

    @property
    def implementation_class(self) -> type:
        """The orchestrator; imported here, since Ray need not be installed to look at a stack."""
        from ferkit.orchestrators.ray.orchestrator import RayOrchestrator

        return RayOrchestrator


class RayStepOperatorConfig(RayClusterConfig, BaseStepOperatorConfig):
    """Settings of the step operator."""


class RayStepOperatorFlavor(BaseStepOperatorFlavor):
    """The flavor ``ray`` of step operators: trainings on a cluster, all other steps where the orchestrator is."""

    @property
    def name(self) -> str:
        """Name of the flavor in stack files: ``ray``."""
        return "ray"

    @property
    def config_class(self) -> type[RayStepOperatorConfig]:
        """Class of the settings that a stack file gives the step operator."""
        return RayStepOperatorConfig

    @property
    def implementation_class(self) -> type:
        """The step operator; imported here, since Ray need not be installed to look at a stack."""
        from ferkit.orchestrators.ray.step_operator import RayStepOperator

        return RayStepOperator
