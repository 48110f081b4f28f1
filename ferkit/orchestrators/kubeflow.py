"""ZenML's Kubeflow orchestrator, with the settings of a step kept.

In ZenML 0.98 a validator puts empty pod settings in the place of those that a step has, and the node selectors that it
would take instead are dropped as unknown before: no step gets a GPU. Nothing else is changed. Needs the extra
``kubeflow``; named by ``configs/stacks/kubeflow.yaml``.
"""

from typing import Any

from pydantic import model_validator
from zenml.integrations.kubeflow.flavors import KubeflowOrchestratorFlavor
from zenml.integrations.kubeflow.flavors.kubeflow_orchestrator_flavor import KubeflowOrchestratorSettings
from zenml.integrations.kubeflow.orchestrators import KubeflowOrchestrator

__all__ = ["FerkitKubeflowFlavor", "FerkitKubeflowOrchestrator", "KeptSettings"]


class KeptSettings(KubeflowOrchestratorSettings):
    """Settings of a step as they were given."""

    @model_validator(mode="before")
    @classmethod
    def _validate_and_migrate_pod_settings(cls, data: Any) -> Any:
        """Take the place of ZenML's validator of this name."""
        return data


class FerkitKubeflowOrchestrator(KubeflowOrchestrator):
    """ZenML's orchestrator, with `KeptSettings`."""

    @property
    def settings_class(self) -> type[KeptSettings]:
        """Class of the settings of a step."""
        return KeptSettings


class FerkitKubeflowFlavor(KubeflowOrchestratorFlavor):
    """The flavor ``ferkit_kubeflow``; its configuration is that of ``kubeflow``."""

    @property
    def name(self) -> str:
        """Name of the flavor in stack files and settings: ``ferkit_kubeflow``."""
        return "ferkit_kubeflow"

    @property
    def implementation_class(self) -> type[FerkitKubeflowOrchestrator]:
        """Class of the orchestrator."""
        return FerkitKubeflowOrchestrator
