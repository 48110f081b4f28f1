"""Where a checkout keeps its state: the ZenML store, MLflow's database and artifacts, checkpoints, weights.

All of it lies in ``.ferkit/`` of the checkout, or in ``FERKIT_HOME``. A ZenML or MLflow server that the environment
names is respected.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["CHECKOUT", "STACK", "Workspace"]

CHECKOUT = Path(__file__).resolve().parents[1]
STACK = "ferkit"


@dataclass(frozen=True)
class Workspace:
    """The folder of all state, and MLflow's store: a file in it unless the environment named another."""

    root: Path
    tracking_uri: str

    @classmethod
    def open(cls) -> "Workspace":
        """The workspace that the environment names, else the checkout's own; made if missing."""
        root = Path(os.environ.get("FERKIT_HOME") or CHECKOUT / ".ferkit").resolve()
        root.mkdir(parents=True, exist_ok=True)
        # Read once: ZenML changes the variable with every step.
        return cls(root, os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}")

    @property
    def checkpoints(self) -> Path:
        """Where trainings keep what they go on from."""
        return Path(os.environ.get("FERKIT_CHECKPOINTS") or self.root / "checkpoints")

    def set_environment(self) -> None:
        """Point ZenML, MLflow, Keras and Great Expectations here; to be called before any of them is imported."""
        defaults = {
            "ZENML_CONFIG_PATH": self.root / "zenml",
            "ZENML_LOCAL_STORES_PATH": self.root / "zenml" / "local_stores",
            "ZENML_ANALYTICS_OPT_IN": "false",
            "ZENML_ENABLE_RICH_TRACEBACK": "false",
            "AUTO_OPEN_DASHBOARD": "false",
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_LOGGING_LEVEL": "WARNING",
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            "FERKIT_CHECKPOINTS": self.checkpoints,
            "FERKIT_CACHE": self.root / "weights",
            "GX_ANALYTICS_ENABLED": "false",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "MPLCONFIGDIR": self.root / "matplotlib",
        }
        for name, value in defaults.items():
            os.environ.setdefault(name, str(value))

    def activate_stack(self) -> None:
        """Register the local stack if it is missing, and make it the active one."""
        from zenml.client import Client
        from zenml.enums import StackComponentType
        from zenml.utils.source_utils import set_custom_source_root

        # ZenML loads steps by their path below this; a console script's own folder would be taken otherwise.
        set_custom_source_root(str(CHECKOUT))
        client = Client()
        components = {
            StackComponentType.ORCHESTRATOR: ("local", {}),
            StackComponentType.ARTIFACT_STORE: ("local", {"path": str(self.root / "artifacts")}),
            StackComponentType.EXPERIMENT_TRACKER: ("mlflow", self._tracker()),
        }
        (self.root / "artifacts").mkdir(exist_ok=True)
        for kind, (flavor, configuration) in components.items():
            self._register(client, kind, flavor, configuration)
        if not client.list_stacks(name=STACK).items:
            client.create_stack(STACK, dict.fromkeys(components, STACK))
        client.activate_stack(STACK)

    @staticmethod
    def _register(client: Any, kind: Any, flavor: str, configuration: dict[str, str]) -> None:
        """Make the component, or bring it up to date: a checkout may move, and another server may be named."""
        existing = client.list_stack_components(name=STACK, type=kind).items
        if not existing:
            client.create_stack_component(STACK, flavor, kind, configuration)
        elif {key: existing[0].configuration.get(key) for key in configuration} != configuration:
            client.update_stack_component(existing[0].id, kind, configuration=configuration)

    def _tracker(self) -> dict[str, str]:
        settings = {"tracking_uri": self.tracking_uri}
        if self.tracking_uri.startswith("http"):
            user, password = (os.environ.get(f"MLFLOW_TRACKING_{part}") for part in ("USERNAME", "PASSWORD"))
            if user and password:
                settings |= {"tracking_username": user, "tracking_password": password}
            else:
                # ZenML refuses a server without credentials; one that asks for none ignores the token.
                settings["tracking_token"] = os.environ.get("MLFLOW_TRACKING_TOKEN") or "none"
        return settings
